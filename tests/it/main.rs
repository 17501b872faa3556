//! Integration tests: real containers, real processes. They need root and busybox-static, and say so.

mod apps;
mod architecture;
mod attacks;
mod bench;
mod bench_faults;
mod cgroups;
mod cgroups_guest;
mod container;
mod hostile;
mod image;
mod layers;
mod load;
mod machine;
mod readme;
mod registry;
mod rootless;
mod runs;
mod support;
