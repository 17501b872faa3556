//! taremark weighs the box, not the load.
//!
//! One OCI image goes in; the very same image, arguments, environment and limits are launched as a bare process,
//! in a container and in a machine, and what the packaging itself costs (the *tare*) comes out.
//!
//! The rooms that stand so far; `docs/architecture.md` has the rules of dependency between them, held by
//! `tests/it/architecture.rs`.

pub mod builder;
pub mod cli;
pub mod container;
pub mod fleet;
pub mod guest;
pub mod image;
pub mod lesson;
pub mod life;
pub mod load;
pub mod machine;
pub mod measure;
pub mod record;
pub mod report;
pub mod stats;
pub mod sys;
pub mod target;
pub mod workload;
