//! How a workload is run: the one trait, and a file for each target.
//!
//! A run has four steps. [`Target::prepare`] is what a user pays once for each image. [`Target::arm`] is what an
//! engine does for each run before it starts anything (bundle, root, network): timed as `setup_ms`. [`Target::launch`]
//! starts it: t0 is read right before its first clone3. [`Running::stop`] ends it, and dropping it leaves nothing.

pub mod container;
mod direct;
mod error;
mod event;
pub mod hypervisor;
mod in_guest;
mod job;
pub mod lookup;
pub mod microvm;
pub mod microvm_console;
pub mod microvm_restored;
pub mod network;
pub mod once;
mod output;
pub mod place;
pub mod process;
pub mod rows;
mod running;
mod trace;
pub mod vm;

pub use crate::machine::ZstdSize;
pub use error::TargetError;
pub use event::{Event, EventKind, Stream};
pub use job::{Job, Told};
pub use place::Place;
pub use running::{Gone, Running};

use crate::record::schema::TargetFacts;

/// What an image needs on a target before it can be launched there, and what that cost.
#[derive(Debug, Clone, Default)]
pub struct Prepared {
    /// (metric, bytes): what must be there on a disk to run it, by part.
    pub sizes: Vec<(&'static str, u64)>,
    /// (metric, bytes): the same by another measure, not to be added to those.
    pub also: Vec<(&'static str, u64)>,
    /// The files behind `sizes`; none where the image alone is shipped.
    pub files: Vec<std::path::PathBuf>,
    /// Milliseconds that making it took; absent where it was made before.
    pub prepare_ms: Option<f64>,
}

/// A way to run a workload.
pub trait Target {
    /// Name, version and digest of everything that takes part.
    fn facts(&self) -> &TargetFacts;

    /// Limits of the run's own cgroup. Machines are limited by their `-m` and `-smp`, containers by the runtime in a
    /// cgroup below; only a bare process is limited here.
    fn outer_limits(&self, job: &Job) -> crate::container::cgroup::Limits;

    /// Makes what the image needs on this target, unless it is there.
    fn prepare(&mut self, job: &Job) -> Result<Prepared, TargetError>;

    /// Everything for one run that an engine does before it starts the target.
    fn arm(&mut self, job: &Job, place: &Place) -> Result<Armed, TargetError>;

    /// Starts what was armed.
    fn launch(&mut self, armed: Armed, place: &Place) -> Result<Running, TargetError>;
}

/// A run that only has to be started.
pub struct Armed {
    /// What the target will be told, read back from what was written for it.
    pub told: Told,
    /// Undone, last first, when the run is gone.
    pub(crate) undo: place::Undo,
    pub(crate) kind: ArmedKind,
}

pub(crate) enum ArmedKind {
    Program {
        spawn: Box<crate::sys::spawn::Spawn>,
        output: output::Pipes,
        address: std::net::Ipv4Addr,
        trace: Option<std::path::PathBuf>,
    },
    Machine {
        armed: Box<crate::machine::Armed>,
        address: std::net::Ipv4Addr,
        memory_bytes: u64,
    },
    Hypervisor {
        armed: Box<crate::machine::hypervisor::Armed>,
        address: std::net::Ipv4Addr,
        memory_bytes: u64,
    },
}
