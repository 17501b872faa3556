//! Integration tests: real containers, real processes. They need root and busybox-static, and say so.

mod apps;
mod architecture;
mod bench;
mod build;
mod container;
mod hostile;
mod image;
mod layers;
mod load;
mod machine;
mod runs;
mod support;
