//! Workload definitions as data, readiness, expected output.
