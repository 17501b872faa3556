//! The monitor's thread that has checks made.

use super::Plan;
use crate::life::folder::Folder;
use crate::life::spec::Spec;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The check that runs now: it is waited for by its thread, and not by the monitor's loop, which reaps all others.
static OURS: Mutex<Option<i32>> = Mutex::new(None);

fn ours() -> MutexGuard<'static, Option<i32>> {
    OURS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reaps every ended child but the workload and a check.
pub fn reap_others(workload: i32) {
    // Held meanwhile, so that no check is started and ends before it is known as one.
    let check = ours();
    crate::sys::process::reap_others(&[workload, check.unwrap_or(workload)]);
}

/// Checks until the process ends. One that cannot be made is left out: the next one may do better.
pub fn watch(folder: &Folder, spec: &Spec, plan: &Plan) {
    let (root, id) = (folder.root().path().to_owned(), spec.id.clone());
    let interval = Duration::from_millis(plan.interval_ms);
    std::thread::spawn(move || {
        let Ok(program) = std::env::current_exe() else { return };
        loop {
            std::thread::sleep(interval);
            let mut command = Command::new(&program);
            command.args(["healthcheck", "run", &id]).env("TAREMARK_STATE", &root);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let mut running = ours();
            let child = command.spawn();
            *running = child.as_ref().ok().map(|c| c.id() as i32);
            drop(running);
            if let Ok(mut child) = child {
                let _ = child.wait();
            }
            *ours() = None;
        }
    });
}
