//! The process that watches one container: `taremark monitor FOLDER`, started by `run`, or by whatever command finds
//! that a workload runs on without one (`--adopt`).
//!
//! ```text
//!         start                     end of the workload
//! claim ─┬─────▶ pump ────────────────────────▶ finish: state, network, cgroup, --rm
//!        └ adopt ──▲ │ output ▶ log, client; client ▶ input, signals; orders by the socket `ctl`
//! ```

mod container;
mod control;
mod finish;
mod machine;
mod machine_body;
mod process;
mod pump;
mod start;
mod stdio;

pub use container::{code_of, last_error, runtime};
pub use control::connect;
pub use finish::settle;
pub use machine_body::DEFAULT_MEMORY;
pub use process::not_started as not_executed;

use super::error::{LifeError, system};
use super::folder::Folder;
use super::health;
use super::link::ToClient;
use super::run::{MONITOR_CLIENT, MONITOR_LOCK};
use super::spec::Spec;
use super::state::{Process, State, Status, now_ms};
use super::volume;
use crate::guest::wire::Message;
use crate::sys::process::inherited;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// By what the end of a workload is known.
enum End {
    /// A child of ours.
    Child {
        /// Its id.
        pid: i32,
        /// Becomes readable when it ends.
        pidfd: OwnedFd,
    },
    /// Not our child: it was taken over.
    Stranger(OwnedFd),
    /// A pipe on which the exit code is written, four bytes.
    Told(OwnedFd),
}

/// A workload that has been started.
struct Body {
    process: Process,
    end: End,
    /// Standard output, or the terminal's.
    out: Option<OwnedFd>,
    /// Standard error.
    err: Option<OwnedFd>,
    /// Standard input, where there is one.
    input: Option<OwnedFd>,
    /// A terminal: `out` is its master.
    terminal: bool,
    /// Orders to a machine.
    machine: Option<machine::Orders>,
    /// Held until the end: the image's layers, a console's listener.
    held: Vec<Box<dyn std::any::Any>>,
}

/// Does everything, between two descriptors that it inherits: the socket to its client, which waits in the foreground
/// or for the start, and its lock.
pub fn run(path: &Path, adopt: bool) -> Result<(), LifeError> {
    let inherit = |fd| inherited(fd).map_err(system("find a monitor's descriptor (it is started by `run`)"));
    let (client, lock) = (Some(UnixStream::from(inherit(MONITOR_CLIENT)?)), inherit(MONITOR_LOCK)?);
    let folder = Folder::at(path);
    let spec = folder.spec()?;
    let mut state = folder.state()?;
    state.monitor = Process::of(std::process::id() as i32).unwrap_or_default();
    folder.save(&state)?;
    // Children of the runtime that outlive it, and of a bare process, become ours.
    nix::sys::prctl::set_child_subreaper(true).map_err(system("become a subreaper"))?;
    // Sockets and the console are bound by short names: a socket's path is limited to 107 bytes.
    std::env::set_current_dir(path).map_err(super::error::io("enter", path))?;
    let started = if adopt {
        start::adopt(&folder, &spec, &mut state)
    } else {
        start::start(&folder, &spec, &mut state, &lock)
    };
    let body = match started {
        Ok(body) => body,
        Err(e) => {
            let settled = if adopt {
                not_adopted(&folder, &spec, state)
            } else {
                not_started(&folder, &spec, state, &e)
            };
            if let Some(mut client) = client {
                let told = ToClient::Failed(i32::from(e.exit_code()), e.chain());
                let _ = client.write_all(&told.frame());
            }
            settled?;
            return Err(e);
        }
    };
    state.status = Status::Running;
    state.process = body.process;
    if !adopt {
        state.started_ms = now_ms();
    }
    folder.save(&state)?;
    if let Some(plan) = &spec.health {
        health::watch(&folder, &spec, plan);
    }
    pump::run(&folder, &spec, state, body, client)?;
    drop(lock);
    Ok(())
}

/// A workload that ended a moment ago, or one that runs on, unwatched until the next command tries again.
fn not_adopted(folder: &Folder, spec: &Spec, state: State) -> Result<(), LifeError> {
    if state.process.is_alive() {
        return Ok(());
    }
    let code = state.exit_code;
    let error = "its monitor was killed, and nobody saw how it ended".to_owned();
    finish::settle(folder, spec, State { error, ..state }, code)?;
    if spec.remove { volume::gone(folder, spec) } else { Ok(()) }
}

fn not_started(folder: &Folder, spec: &Spec, state: State, why: &LifeError) -> Result<(), LifeError> {
    let code = i32::from(why.exit_code());
    let state = State { error: why.chain(), ..state };
    finish::settle(folder, spec, state, Some(code))?;
    if spec.remove { volume::gone(folder, spec) } else { Ok(()) }
}
