//! Runs the workload: starts it, carries its output, does what the host asks, tells how it ended.

use super::boot::say;
use super::error::{GuestError, failed};
use super::wire::{Decoder, GuestJob, GuestMemory, ToGuest, ToHost};
use crate::sys::port;
use crate::sys::process;
use crate::sys::spawn::{Child, Spawn};
use nix::sys::resource::{Resource, setrlimit};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::pipe::{PipeFlags, pipe_with};
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::Path;

const BUFFER: usize = 64 * 1024;

/// Until the workload has ended and everything that it wrote is on its way.
pub(super) fn serve(job: &GuestJob, channel: &mut File, decoder: &mut Decoder) -> Result<(), GuestError> {
    process::wake_for_children();
    let (child, mut output) = start(job)?;
    loop {
        let (ended, asked) = wait(&child, &mut output, channel)?;
        if asked {
            take_orders(channel, decoder, &child)?;
        }
        process::reap_others(child.pid);
        if ended {
            break;
        }
    }
    let code = child.wait().map_err(failed("wait for", "the workload"))?;
    // What it wrote before it ended is in the pipes; a process that it left behind may hold them open for ever.
    for pipe in &mut output {
        while pipe.pass_on(channel)? {}
    }
    say(channel, &ToHost::Exited(code))
}

/// One of the workload's two outputs.
struct Pipe {
    number: u8,
    read: Option<File>,
}

impl Pipe {
    /// Sends on what is there. False when there was nothing.
    fn pass_on(&mut self, channel: &mut File) -> Result<bool, GuestError> {
        let Some(read) = &mut self.read else { return Ok(false) };
        let mut buffer = vec![0u8; BUFFER];
        match read.read(&mut buffer) {
            Ok(0) => {
                self.read = None;
                Ok(false)
            }
            Ok(n) => {
                buffer.truncate(n);
                say(channel, &ToHost::Output(self.number, buffer)).map(|()| true)
            }
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => Ok(false),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => Ok(true),
            Err(e) => Err(failed("read", "the workload's output")(e)),
        }
    }
}

fn start(job: &GuestJob) -> Result<(Child, [Pipe; 2]), GuestError> {
    let (soft, hard) = job.open_files;
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard).map_err(failed("limit", "open files"))?;
    let program = find(job)?;
    let null: OwnedFd = File::open("/dev/null").map_err(failed("open", "/dev/null"))?.into();
    let pipe = || pipe_with(PipeFlags::CLOEXEC).map_err(failed("make", "a pipe"));
    let (out_read, out_write) = pipe()?;
    let (err_read, err_write) = pipe()?;
    let wrong = |e: crate::sys::spawn::SpawnError| {
        let why = std::error::Error::source(&e).map(|s| format!(": {s}")).unwrap_or_default();
        failed("start", job.argv.first().cloned().unwrap_or_default())(std::io::Error::other(format!(
            "{e}{why}"
        )))
    };
    let spawn = Spawn::new(Path::new(&program), &job.argv, &job.env).map_err(wrong)?;
    let spawn = spawn.cwd(Path::new(&job.cwd)).map_err(wrong)?.ids(job.uid, job.gid).groups(&job.groups);
    let spawn = spawn.new_session().fd(&null, 0).fd(&out_write, 1).fd(&err_write, 2);
    port::stamp(port::INIT);
    let child = spawn.start().map_err(wrong)?;
    let pipes = [(1, out_read), (2, err_read)].map(|(number, read)| {
        let _ = rustix::io::ioctl_fionbio(&read, true);
        Pipe { number, read: Some(File::from(read)) }
    });
    Ok((child, pipes))
}

/// `argv[0]` as it is, or found in the PATH of the job's environment, as on the other targets.
fn find(job: &GuestJob) -> Result<String, GuestError> {
    let name = job.argv.first().cloned().unwrap_or_default();
    let path = job.env.iter().find_map(|e| e.strip_prefix("PATH=")).unwrap_or("/usr/bin:/bin");
    let candidates: Vec<String> = if name.contains('/') {
        vec![Path::new(&job.cwd).join(&name).display().to_string()]
    } else {
        path.split(':').map(|dir| format!("{dir}/{name}")).collect()
    };
    let missing = || failed("find in the image", candidates.join(", "));
    let found = candidates.iter().find(|p| Path::new(p).exists()).cloned();
    found.ok_or_else(|| missing()(std::io::Error::from(std::io::ErrorKind::NotFound)))
}

/// Waits for something to do and passes output on. Whether the workload has ended, and whether the host has spoken.
fn wait(child: &Child, output: &mut [Pipe; 2], channel: &mut File) -> Result<(bool, bool), GuestError> {
    let (ended, asked, readable) = {
        let mut fds = vec![PollFd::new(&child.pidfd, PollFlags::IN), PollFd::new(&*channel, PollFlags::IN)];
        let open: Vec<usize> = (0..2).filter(|&i| output[i].read.is_some()).collect();
        for &i in &open {
            if let Some(read) = &output[i].read {
                fds.push(PollFd::new(read, PollFlags::IN));
            }
        }
        match poll(&mut fds, None) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok((false, false)),
            Err(e) => return Err(failed("poll", "")(e)),
        }
        let set = |i: usize| !fds[i].revents().is_empty();
        let asked = fds[1].revents().contains(PollFlags::IN);
        (
            set(0),
            asked,
            open.iter().enumerate().filter(|(n, _)| set(n + 2)).map(|(_, &i)| i).collect::<Vec<_>>(),
        )
    };
    for i in readable {
        output[i].pass_on(channel)?;
    }
    Ok((ended, asked))
}

fn take_orders(channel: &mut File, decoder: &mut Decoder, child: &Child) -> Result<(), GuestError> {
    let mut buffer = vec![0u8; 4096];
    let n = channel.read(&mut buffer).map_err(failed("read from", "the channel"))?;
    decoder.feed(&buffer[..n]);
    let wrong = |e| failed("understand", "the host")(std::io::Error::other(e));
    while let Some(order) = decoder.take().map_err(wrong)? {
        match order {
            ToGuest::Signal(n) => child.signal(n).map_err(failed("send a signal to", "the workload"))?,
            ToGuest::AskMemory => say(channel, &ToHost::Memory(memory()?))?,
            ToGuest::Echo(n) => say(channel, &ToHost::Echo(n))?,
            ToGuest::Resume { realtime_ns, seed } => super::resume::resume(realtime_ns, &seed)?,
            ToGuest::Job(_) => {}
        }
    }
    Ok(())
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
