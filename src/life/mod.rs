//! The life of containers, from `run` to `rm`: a container, a machine or a bare process, by one switch.
//!
//! There is no daemon. `run` makes a folder for the container ([`folder`]) and starts one small process for it, the
//! [`monitor`], from the same program. The monitor starts the workload, writes its log, forwards its published ports,
//! waits for its end and writes down how it ended. Every other verb reads the folder. A monitor holds a lock as long as
//! it lives, so that a dead one is found by the next command, whichever it is, which starts another for a workload that
//! still runs, and settles what has ended ([`recover`]).
//!
//! ```text
//! run ── folder (spec.json) ── monitor ── workload
//!           │                    │ state.json, log, hosts
//!  ps, logs, inspect, wait, … ───┘
//! ```

pub mod attach;
pub mod change;
pub mod cp;
mod error;
pub mod exec;
pub mod filter;
pub mod folder;
pub mod health;
pub mod inspect;
pub mod kill;
pub mod link;
pub mod log;
pub mod logs;
mod machine_stream;
pub mod monitor;
pub mod names;
pub mod network;
pub mod pause;
pub mod ports;
pub mod ps;
pub mod recover;
pub mod rm;
mod root;
pub mod run;
pub mod spec;
pub mod start;
pub mod state;
pub mod stats;
pub mod stop;
pub mod users;
pub mod volume;
pub mod wait;

pub use error::LifeError;
