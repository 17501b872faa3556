//! Runs the workload: starts it, carries its output, does what the host asks, tells how it ended.

use super::boot::say;
use super::error::{GuestError, failed};
use super::host_files::Files;
use super::program::{Plan, Program};
use super::wire::{Decoder, GuestExec, GuestJob, GuestMemory, ToGuest, ToHost};
use crate::sys::port;
use crate::sys::process;
use nix::sys::resource::{Resource, setrlimit};
use rustix::event::{PollFd, PollFlags, poll};
use std::fs::File;
use std::io::Read;

/// Until the workload has ended and everything that it wrote is on its way.
pub(super) fn serve(
    job: &GuestJob,
    channel: &mut File,
    decoder: &mut Decoder,
    files: &mut Files,
) -> Result<(), GuestError> {
    process::wake_for_children();
    let (soft, hard) = job.open_files;
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard).map_err(failed("limit", "open files"))?;
    let plan = Plan {
        id: 0,
        argv: &job.argv,
        env: &job.env,
        cwd: &job.cwd,
        ids: (job.uid, job.gid),
        groups: &job.groups,
        stdin: job.stdin,
        terminal: job.terminal,
        paced: job.paced,
    };
    let workload = Program::start(&plan, || port::stamp(port::INIT))?;
    let mut all = vec![workload];
    loop {
        if wait(&all, channel)? {
            take_orders(channel, decoder, &mut all, files)?;
        }
        let mut ended = Vec::new();
        for (n, program) in all.iter_mut().enumerate() {
            if program.turn(channel)? {
                ended.push(n);
            }
        }
        for n in ended.into_iter().rev() {
            let program = all.remove(n);
            let id = program.id;
            let code = program.code(channel)?;
            if id == 0 {
                return say(channel, &ToHost::Exited(code));
            }
            say(channel, &ToHost::ExecEnded(id, code))?;
        }
        let pids: Vec<i32> = all.iter().map(|p| p.child.pid).collect();
        process::reap_others(&pids);
    }
}

/// Waits for something to do. Whether the host has spoken.
fn wait(all: &[Program], channel: &File) -> Result<bool, GuestError> {
    let mut fds = vec![PollFd::new(channel, PollFlags::IN)];
    all.iter().for_each(|p| p.polled(&mut fds));
    match poll(&mut fds, None) {
        Ok(_) => Ok(fds[0].revents().contains(PollFlags::IN)),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(e) => Err(failed("poll", "")(e)),
    }
}

fn take_orders(
    channel: &mut File,
    decoder: &mut Decoder,
    all: &mut Vec<Program>,
    files: &mut Files,
) -> Result<(), GuestError> {
    let mut buffer = vec![0u8; 64 * 1024];
    let n = channel.read(&mut buffer).map_err(failed("read from", "the channel"))?;
    decoder.feed(&buffer[..n]);
    let wrong = |e| failed("understand", "the host")(std::io::Error::other(e));
    while let Some(order) = decoder.take().map_err(wrong)? {
        let of = |all: &mut Vec<Program>, id: u32| all.iter().position(|p| p.id == id);
        match order {
            ToGuest::Signal(n) => signal(all, 0, n)?,
            ToGuest::SignalExec(id, n) => signal(all, id, n)?,
            ToGuest::AskMemory => say(channel, &ToHost::Memory(memory()?))?,
            ToGuest::Echo(n) => say(channel, &ToHost::Echo(n))?,
            ToGuest::Input(id, bytes) => {
                if let Some(n) = of(all, id) {
                    all[n].input(&bytes);
                }
            }
            ToGuest::Heard(id, bytes) => {
                if let Some(n) = of(all, id) {
                    all[n].heard(bytes);
                }
            }
            ToGuest::Size(id, rows, columns) => {
                if let Some(n) = of(all, id) {
                    all[n].set_size(rows, columns);
                }
            }
            ToGuest::Exec(exec) => match start_second(&exec) {
                Ok(program) => all.push(program),
                Err(e) => say(channel, &ToHost::ExecFailed(exec.id, e.to_string()))?,
            },
            // A second archive that cannot be unpacked (a full root) must not end the workload.
            ToGuest::Files(bytes) => drop(files.take(&bytes)),
            ToGuest::Resume { realtime_ns, seed } => super::resume::resume(realtime_ns, &seed)?,
            ToGuest::Job(_) => {}
        }
    }
    Ok(())
}

fn signal(all: &[Program], id: u32, number: i32) -> Result<(), GuestError> {
    match all.iter().find(|p| p.id == id) {
        Some(program) => program.child.signal(number).map_err(failed("send a signal to", "the workload")),
        None => Ok(()),
    }
}

fn start_second(exec: &GuestExec) -> Result<Program, GuestError> {
    let plan = Plan {
        id: exec.id,
        argv: &exec.argv,
        env: &exec.env,
        cwd: &exec.cwd,
        ids: (exec.uid, exec.gid),
        groups: &exec.groups,
        stdin: exec.stdin,
        terminal: exec.terminal,
        paced: true,
    };
    Program::start(&plan, || {})
}

/// Format: proc(5), /proc/meminfo.
fn memory() -> Result<GuestMemory, GuestError> {
    let text = std::fs::read_to_string("/proc/meminfo").map_err(failed("read", "/proc/meminfo"))?;
    let field = |name: &str| {
        let line = text.lines().find_map(|l| l.strip_prefix(name));
        line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
    };
    Ok(GuestMemory { total_bytes: field("MemTotal:"), available_bytes: field("MemAvailable:") })
}
