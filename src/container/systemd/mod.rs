//! The systemd driver of cgroups (`--systemd-cgroup`): systemd makes the container's cgroup as a scope, the runtime sets
//! in it what systemd has no property for, and both say the same of the rest.
//!
//! ```text
//! plan (before the clone: names, a connection) -> start (with the init's pid; it waits meanwhile) -> update -> stop
//! ```
//!
//! The client is our own: three methods and a signal of one peer, which no other start may pay for.

mod annotations;
mod bus;
mod devices;
mod error;
mod message;
mod names;
mod properties;
mod scope;
mod wire;

use super::cgroup::{CgroupError, RunCgroup};
use super::config::Resources;
use super::error::RuntimeError;
use bus::{Bus, SYSTEMD};
pub use error::SystemdError;
pub use scope::Scope;
use wire::{Call, Writer};

fn manager<'a>(method: &'a str, signature: &'a str, body: Writer) -> Call<'a> {
    let (path, interface) = ("/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager");
    Call { destination: SYSTEMD, path, interface, method, signature, body }
}

const UNIT_EXISTS: &str = "org.freedesktop.systemd1.UnitExists";
const NO_SUCH_UNIT: &str = "org.freedesktop.systemd1.NoSuchUnit";

/// The cgroup of the manager itself, below which all of its units are.
fn control_group(bus: &mut Bus) -> Result<String, SystemdError> {
    let mut body = Writer::default();
    body.text("org.freedesktop.systemd1.Manager");
    body.text("ControlGroup");
    let get = Call { interface: "org.freedesktop.DBus.Properties", ..manager("Get", "ss", body) };
    let answer = bus.call(&get)?;
    let mut reader = answer.reader();
    match reader.signature()?.as_str() {
        "s" => reader.text(),
        _ => Err(SystemdError::Unreadable),
    }
}

fn reset_failed(bus: &mut Bus, unit: &str) {
    let mut body = Writer::default();
    body.text(unit);
    // It is no failed one, or is not there: nothing to do.
    let _ = bus.call(&manager("ResetFailedUnit", "s", body));
}

/// Sets what `resources` names on the unit; it is forgotten with it.
pub fn update(unit: &str, resources: &Resources, cgroup: &RunCgroup) -> Result<(), SystemdError> {
    let mut all = properties::of(resources, cgroup.hierarchies().is_v2());
    all.extend(devices::of(&resources.devices));
    if all.is_empty() {
        return Ok(());
    }
    let mut body = Writer::default();
    body.text(unit);
    body.flag(true);
    body.properties(&all);
    Bus::connect()?.call(&manager("SetUnitProperties", "sba(sv)", body)).map(drop)
}

/// Has systemd move a process into the unit, for a user who may not.
pub fn attach(unit: &str, pid: i32) -> Result<(), SystemdError> {
    let mut body = Writer::default();
    body.text(unit);
    // No folder below it.
    body.text("");
    body.pids(&[pid.unsigned_abs()]);
    Bus::connect()?.call(&manager("AttachProcessesToUnit", "ssau", body)).map(drop)
}

/// Ends what is still in the unit and has systemd forget it. One that is gone is no error.
pub fn stop(unit: &str, cgroup: &RunCgroup) -> Result<(), RuntimeError> {
    // First, as systemd would ask kindly, and wait.
    match cgroup.kill_all() {
        Ok(()) | Err(CgroupError::NoHierarchy) => {}
        Err(e) => return Err(e.into()),
    }
    Ok(stop_on(&mut Bus::connect()?, unit)?)
}

fn stop_on(bus: &mut Bus, unit: &str) -> Result<(), SystemdError> {
    let mut body = Writer::default();
    body.text(unit);
    body.text("replace");
    match bus.call(&manager("StopUnit", "ss", body)) {
        Ok(answer) => bus.finish(&answer.reader().text()?, unit)?,
        Err(SystemdError::Call { name, .. }) if name == NO_SUCH_UNIT => {}
        Err(e) => return Err(e),
    }
    reset_failed(bus, unit);
    Ok(())
}
