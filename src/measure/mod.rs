//! The schedule, the clock and the probes: runs targets and hands rows to whoever writes them.
//!
//! [`session`] makes the surroundings, [`schedule`] the order, [`run`] one run.

pub mod bench;
pub mod cache;
pub mod compat;
pub mod density;
pub mod environment;
mod error;
pub mod host_id;
pub mod images;
pub mod least;
mod memory;
pub mod noise;
pub mod pilot;
mod ready;
mod reply;
mod rows;
pub mod run;
pub mod schedule;
pub mod session;
mod sharing;
mod timeline;
pub mod transfer;

pub use error::MeasureError;
