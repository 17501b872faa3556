//! Integration tests: real containers, real processes. They need root and busybox-static, and say so.

mod apps;
mod architecture;
mod bench;
mod bench_faults;
mod commands;
mod container;
mod hostile;
mod image;
mod layers;
mod life;
mod load;
mod machine;
mod readme;
mod registry;
mod runs;
mod support;
