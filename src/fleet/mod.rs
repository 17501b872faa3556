//! The same bench on many hosts of a Slurm cluster. Slurm schedules; a campaign's folder, which all nodes see, carries the
//! rest: what is run, what is under way, what was handed over. Thin faces on `sbatch`, `scontrol`, `squeue` and `sacct`.

mod campaign;
mod error;
mod slurm;
mod status;
mod submit;

pub use campaign::{Campaign, Mode, Task};
pub use error::FleetError;
pub use slurm::nodes;
pub use status::{State, TaskStatus, status};
pub use submit::{Wanted, submit};
