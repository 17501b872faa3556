//! How a workload is run: the one trait, and a file for each target.
