//! How a machine is ended.

use super::{ANSWER, MachineEvent, RunningMachine};
use crate::guest::wire::ToGuest;
use crate::machine::error::{MachineError, system};
use crate::sys::clock::monotonic_ns;
use std::io::Write;
use std::time::Duration;

/// For QEMU to end once it was told to.
const QUIT: Duration = Duration::from_secs(2);
/// Between two presses of the power button.
const PRESS_AGAIN: Duration = Duration::from_secs(3);

impl RunningMachine {
    /// How a monitor ended that should not have.
    pub(in crate::machine) fn ended(&self) -> Option<String> {
        let ended = self.child.ended_within(Duration::ZERO);
        ended.then(|| self.explain(&format!("{} ended before its guest was up", self.program)))
    }

    /// `error`, or the monitor's end, if that is what it came from.
    pub(in crate::machine) fn blamed(&self, error: MachineError) -> MachineError {
        self.ended().map_or(error, |why| MachineError::Broke { why })
    }

    /// SIGTERM to the workload, SIGKILL at the deadline, then QEMU is ended. The workload's exit code, if it gave one.
    pub fn stop(&mut self, deadline: Duration) -> Result<Option<i32>, MachineError> {
        let mut code = None;
        for (signal, wait) in [(libc::SIGTERM, deadline), (libc::SIGKILL, ANSWER)] {
            if self.state.exited || self.state.closed || self.tell(&ToGuest::Signal(signal)).is_err() {
                break;
            }
            if self.until(wait, |s| s.exited.then_some(())).is_some() {
                code = self.kept.iter().find_map(|(_, e)| match e {
                    MachineEvent::Exited(code) => Some(*code),
                    _ => None,
                });
                break;
            }
        }
        self.quit()?;
        Ok(code)
    }

    /// How long an operating system may take before its first word; nothing where there is none.
    pub fn boot_allowance(&self) -> Duration {
        if self.power_button.is_some() { self.boot_deadline } else { Duration::ZERO }
    }

    /// Presses the power button (ACPI) until the operating system has turned the machine off. Again and again, because one
    /// that is still coming up does not heed it.
    fn press_power_button(&self, deadline: Duration) {
        let until = monotonic_ns() + deadline.as_nanos() as u64;
        let _ = (&self.ours.qmp).write_all(b"{\"execute\":\"qmp_capabilities\"}\n");
        while monotonic_ns() < until && !self.child.ended_within(Duration::ZERO) {
            let _ = (&self.ours.qmp).write_all(b"{\"execute\":\"system_powerdown\"}\n");
            self.child.ended_within(PRESS_AGAIN);
        }
    }

    /// Has an operating system shut down; ends QEMU by QMP, by force if it does not listen, and waits until it is reaped.
    pub fn quit(&mut self) -> Result<(), MachineError> {
        if let Some(deadline) = self.power_button.take_if(|_| self.state.hello && !self.state.closed) {
            self.press_power_button(deadline);
        }
        // Docs: QMP specification; a client has to ask for capabilities before its first command.
        let commands = "{\"execute\":\"qmp_capabilities\"}\n{\"execute\":\"quit\"}\n";
        if self.by_signal {
            let _ = self.child.signal(libc::SIGTERM);
        } else {
            let _ = (&self.ours.qmp).write_all(commands.as_bytes());
        }
        if !self.child.ended_within(QUIT) {
            self.child.signal(libc::SIGKILL).map_err(system("kill QEMU"))?;
        }
        self.join();
        Ok(())
    }

    /// Waits for the threads. Their sockets are shut first: another process may still hold the other ends.
    fn join(&mut self) {
        for socket in [&self.ours.channel, &self.ours.stamps, &self.ours.qmp, &self.ours.console] {
            let _ = socket.shutdown(std::net::Shutdown::Both);
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Drop for RunningMachine {
    fn drop(&mut self) {
        if !self.threads.is_empty() {
            let _ = self.child.signal(libc::SIGKILL);
            self.join();
        }
    }
}
