//! Integration tests: real containers, real processes. They need root and busybox-static, and say so.

mod apps;
mod architecture;
mod bench;
mod bench_faults;
mod build;
mod container;
mod hostile;
mod image;
mod layers;
mod load;
mod machine;
mod oci_clauses;
mod oci_config;
mod oci_conformance;
mod oci_engines;
mod oci_input;
mod oci_linux;
mod oci_runtime;
mod oci_verbs;
mod page;
mod readme;
mod registry;
mod runs;
mod support;
