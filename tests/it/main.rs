//! Integration tests: real containers, real processes. They need root and busybox-static, and say so.

mod apps;
mod architecture;
mod container;
mod load;
mod runs;
mod support;
