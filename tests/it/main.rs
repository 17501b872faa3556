//! Integration tests: real containers, real processes. They need root and busybox-static, and say so.

mod apps;
mod architecture;
mod bench;
mod container;
mod hostile;
mod image;
mod layers;
mod load;
mod machine;
mod machine_restored;
mod runs;
mod support;
