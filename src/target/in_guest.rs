//! A machine's side of the target trait: the job in the guest's words, and the guest's events in the target's.

use super::error::TargetError;
use super::event::{Event, EventKind, Stream};
use super::job::Told;
use super::{Job, network};
use crate::guest::wire::{GuestJob, GuestNetwork, Message, ToGuest, VERSION};
use crate::machine::running::phase_of;
use crate::machine::{MachineEvent, RunningMachine, memory};
use std::time::Duration;

/// Soft and hard limit of open files; the container's are the same.
const OPEN_FILES: (u64, u64) = (1024, 1024);

/// The frame that tells a guest its job.
pub(super) fn frame(job: &GuestJob) -> Vec<u8> {
    ToGuest::Job(Box::new(job.clone())).frame()
}

pub(super) fn guest_job(job: &Job) -> GuestJob {
    GuestJob {
        version: VERSION,
        argv: job.argv.clone(),
        env: job.env.clone(),
        cwd: job.cwd.clone(),
        uid: job.uid,
        gid: job.gid,
        groups: job.groups.clone(),
        hostname: job.name.clone(),
        open_files: OPEN_FILES,
        network: job.network.then_some(GuestNetwork {
            address: network::RUN_ADDRESS,
            prefix: network::PREFIX,
            host: network::HOST_ADDRESS,
            host_mac: network::HOST_MAC,
        }),
        scratch: job.scratch_bytes.is_some(),
        stdin: false,
        terminal: None,
        paced: false,
        read_only: Vec::new(),
        hold: false,
    }
}

/// Reads back what QEMU's arguments and the frame for the guest say.
pub(super) fn told_by(arguments: &[String], frame: &[u8]) -> Result<Told, TargetError> {
    let after = |name: &str| {
        let at = arguments.iter().position(|a| a == name);
        at.and_then(|n| arguments.get(n + 1)).map(String::as_str).unwrap_or_default()
    };
    let mut decoder = crate::guest::wire::Decoder::default();
    decoder.feed(frame);
    let Some(ToGuest::Job(job)) = decoder.take().map_err(crate::machine::MachineError::from)? else {
        let source = std::io::Error::from(std::io::ErrorKind::InvalidData);
        return Err(TargetError::System { step: "read back the guest's job", source });
    };
    Ok(Told {
        argv: job.argv,
        env: job.env,
        cwd: job.cwd,
        uid: job.uid,
        gid: job.gid,
        cpus: after("-smp").parse().unwrap_or_default(),
        memory_bytes: after("-m").trim_end_matches('B').parse().unwrap_or_default(),
    })
}

/// The machine's next event in the words of targets.
pub(super) fn next_event(machine: &mut RunningMachine, timeout: Duration) -> Option<Event> {
    let (at_ns, event) = machine.next(timeout)?;
    let kind = match event {
        MachineEvent::Stamp(byte) => EventKind::Milestone { phase: phase_of(byte)?.to_owned(), error_ns: 0 },
        MachineEvent::Output(fd, bytes) => {
            EventKind::Output { stream: if fd == 1 { Stream::Stdout } else { Stream::Stderr }, bytes }
        }
        MachineEvent::Exited(code) => EventKind::Exited { code },
        MachineEvent::Closed(error) => EventKind::Closed { error },
        // Only a workload that somebody executes something in has these.
        MachineEvent::Exec(..) => return None,
    };
    Some(Event { at_ns, kind })
}

/// Memory by part, from outside and from inside, and the channel's latency.
pub(super) fn figures(
    machine: &mut RunningMachine,
    memory_bytes: u64,
) -> Result<Vec<(&'static str, f64)>, TargetError> {
    let split = memory::split(machine.pid())?;
    let knows_its_ram = machine.knows_its_ram();
    let guest = machine.guest_memory()?;
    let echo_ns = machine.echo_ns()?;
    let mut figures = vec![
        ("guest_used_bytes", guest.total_bytes.saturating_sub(guest.available_bytes) as f64),
        ("guest_kernel_bytes", memory_bytes.saturating_sub(guest.total_bytes) as f64),
        ("channel_ms", echo_ns as f64 / 2e6),
    ];
    if knows_its_ram {
        figures.push(("guest_ram_touched_bytes", split.guest_ram_bytes as f64));
        figures.push(("vmm_bytes", split.vmm_bytes as f64));
    }
    Ok(figures)
}
