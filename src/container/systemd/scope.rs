//! The container's unit: a scope, in which systemd puts processes that it has not started.

use super::bus::Bus;
use super::properties::{self, Properties};
use super::wire::{Value, Writer};
use super::{
    SystemdError, UNIT_EXISTS, annotations, control_group, devices, manager, names, reset_failed, stop_on,
};
use crate::container::cgroup::RunCgroup;
use crate::container::config::Resources;
use crate::container::error::{RuntimeError, io};
use crate::sys::process::is_rootless;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A scope that is yet to be made, or was.
#[derive(Debug)]
pub struct Scope {
    bus: RefCell<Bus>,
    made: Cell<bool>,
    slice: String,
    /// Properties that the config names, by name.
    named: Vec<(String, Value)>,
    /// Its name.
    pub unit: String,
    /// Its cgroup, relative to the hierarchies' roots.
    pub path: String,
}

impl Scope {
    /// Finds systemd, and where the cgroup will be.
    pub fn plan(
        cgroups_path: &str,
        id: &str,
        annotations: &BTreeMap<String, String>,
    ) -> Result<Self, SystemdError> {
        let named = annotations::properties(annotations)?;
        let mut bus = Bus::connect()?;
        let default = if is_rootless() { "user.slice" } else { "system.slice" };
        let names = names::parse(cgroups_path, id, default)?;
        let above = control_group(&mut bus)?;
        let folders = names::folders(&names.slice).unwrap_or_default();
        let path = format!("{}{folders}/{}", above.trim_end_matches('/'), names.unit);
        Ok(Self {
            bus: bus.into(),
            made: Cell::new(false),
            slice: names.slice,
            named,
            unit: names.unit,
            path,
        })
    }

    /// Has systemd make it with `pid` in it, and sets what it does not set itself.
    pub fn start(&self, pid: i32, cgroup: &RunCgroup, resources: &Resources) -> Result<(), RuntimeError> {
        let v2 = cgroup.hierarchies().is_v2();
        let mut properties: Vec<(&str, Value)> = self.properties(pid, resources, v2);
        // After ours: the last one counts.
        properties.extend(self.named.iter().map(|(name, value)| (name.as_str(), value.clone())));
        let mut body = Writer::default();
        body.text(&self.unit);
        body.text("fail");
        body.properties(&properties);
        body.no_more_units();
        let call = manager("StartTransientUnit", "ssa(sv)a(sa(sv))", body);
        let bus = &mut *self.bus.borrow_mut();
        let answer = match bus.call(&call) {
            // What is left of an earlier one that failed.
            Err(SystemdError::Call { name, .. }) if name == UNIT_EXISTS => {
                reset_failed(bus, &self.unit);
                bus.call(&call)
            }
            other => other,
        };
        let answer = answer?;
        self.made.set(true);
        bus.finish(&answer.reader().text()?, &self.unit)?;
        self.is_inside(pid)?;
        if cgroup.is_nowhere() {
            return Ok(());
        }
        cgroup.make_for(resources)?;
        // v1: into the hierarchies that systemd does not look after.
        if v2 { Ok(()) } else { Ok(cgroup.enter(pid)?) }
    }

    fn properties(&self, pid: i32, resources: &Resources, v2: bool) -> Properties {
        let yes = || Value::Bool(true);
        let block = if v2 { "IOAccounting" } else { "BlockIOAccounting" };
        let mut all = vec![
            ("Description", Value::Text(format!("container in {}", self.unit))),
            ("Slice", Value::Text(self.slice.clone())),
            ("PIDs", Value::Pids(vec![pid.unsigned_abs()])),
            // Its cgroup is the runtime's and the workload's to divide.
            ("Delegate", yes()),
            ("DefaultDependencies", Value::Bool(false)),
            // One that failed is not kept for somebody to look at: its name may be wanted again.
            ("CollectMode", Value::Text("inactive-or-failed".into())),
            ("CPUAccounting", yes()),
            ("MemoryAccounting", yes()),
            ("TasksAccounting", yes()),
            (block, yes()),
        ];
        all.extend(properties::of(resources, v2));
        all.extend(devices::of(&resources.devices));
        all
    }

    fn is_inside(&self, pid: i32) -> Result<(), RuntimeError> {
        let file = PathBuf::from(format!("/proc/{pid}/cgroup"));
        let text = std::fs::read_to_string(&file).map_err(io("read", &file))?;
        // In which of them systemd keeps its units depends on how it was started: in v2, or on v1 in one of its own.
        let places: Vec<&str> = text.lines().filter_map(|l| l.splitn(3, ':').nth(2)).collect();
        if places.contains(&self.path.as_str()) {
            return Ok(());
        }
        let found = places.last().copied().unwrap_or_default();
        let (found, wanted) = (found.to_owned(), self.path.clone());
        Err(SystemdError::Elsewhere { found, wanted }.into())
    }

    /// After a start that failed. A unit that was there before is somebody else's.
    pub fn abandon(&self) {
        if !self.made.get() {
            return;
        }
        let bus = &mut *self.bus.borrow_mut();
        let _ = stop_on(bus, &self.unit);
    }
}
