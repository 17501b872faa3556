//! One program in the guest: the workload, or a second one beside it, with its pipes.

use super::boot::say;
use super::error::{GuestError, failed};
use super::wire::ToHost;
use crate::sys::spawn::{Child, Spawn};
use rustix::event::{PollFd, PollFlags};
use rustix::pipe::{PipeFlags, pipe_with};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

const BUFFER: usize = 64 * 1024;

/// What is to be started.
pub(super) struct Plan<'a> {
    /// 0: the workload.
    pub id: u32,
    pub argv: &'a [String],
    pub env: &'a [String],
    pub cwd: &'a str,
    pub ids: (u32, u32),
    pub groups: &'a [u32],
    pub stdin: bool,
}

/// A started one.
pub(super) struct Program {
    /// 0: the workload.
    pub id: u32,
    pub child: Child,
    output: [Pipe; 2],
    input: Option<File>,
    /// Not yet taken by it.
    pending: VecDeque<u8>,
    input_ended: bool,
}

/// One of its two outputs.
struct Pipe {
    number: u8,
    read: Option<File>,
}

impl Pipe {
    /// Sends on what is there. False when there was nothing.
    fn pass_on(&mut self, id: u32, channel: &mut File) -> Result<bool, GuestError> {
        let Some(read) = &mut self.read else { return Ok(false) };
        let mut buffer = vec![0u8; BUFFER];
        match read.read(&mut buffer) {
            Ok(0) => {
                self.read = None;
                Ok(false)
            }
            Ok(n) => {
                buffer.truncate(n);
                let message = match id {
                    0 => ToHost::Output(self.number, buffer),
                    id => ToHost::ExecOutput(id, self.number, buffer),
                };
                say(channel, &message).map(|()| true)
            }
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => Ok(false),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => Ok(true),
            Err(e) => Err(failed("read", "the workload's output")(e)),
        }
    }
}

impl Program {
    /// Starts it; `about_to` right before.
    pub(super) fn start(plan: &Plan, about_to: impl FnOnce()) -> Result<Self, GuestError> {
        let program = find(plan)?;
        let pipe = || pipe_with(PipeFlags::CLOEXEC).map_err(failed("make", "a pipe"));
        let (their_in, input): (OwnedFd, Option<OwnedFd>) = if plan.stdin {
            let (read, write) = pipe()?;
            (read, Some(write))
        } else {
            (File::open("/dev/null").map_err(failed("open", "/dev/null"))?.into(), None)
        };
        let (out_read, out_write) = pipe()?;
        let (err_read, err_write) = pipe()?;
        let wrong = |e: crate::sys::spawn::SpawnError| {
            let why = std::error::Error::source(&e).map(|s| format!(": {s}")).unwrap_or_default();
            let name = plan.argv.first().cloned().unwrap_or_default();
            failed("start", name)(std::io::Error::other(format!("{e}{why}")))
        };
        let spawn = Spawn::new(Path::new(&program), plan.argv, plan.env).map_err(wrong)?;
        let spawn = spawn.cwd(Path::new(plan.cwd)).map_err(wrong)?.ids(plan.ids.0, plan.ids.1);
        let spawn = spawn.groups(plan.groups).new_session();
        let spawn = spawn.fd(&their_in, 0).fd(&out_write, 1).fd(&err_write, 2);
        about_to();
        let child = spawn.start().map_err(wrong)?;
        let output = [(1, out_read), (2, err_read)].map(|(number, read)| {
            let _ = rustix::io::ioctl_fionbio(&read, true);
            Pipe { number, read: Some(File::from(read)) }
        });
        let input = input.map(|write| {
            let _ = rustix::io::ioctl_fionbio(&write, true);
            File::from(write)
        });
        Ok(Self { id: plan.id, child, output, input, pending: VecDeque::new(), input_ended: false })
    }

    /// What it waits for: its end, output, room for input.
    pub(super) fn polled<'a>(&'a self, fds: &mut Vec<PollFd<'a>>) {
        fds.push(PollFd::new(&self.child.pidfd, PollFlags::IN));
        for read in self.output.iter().filter_map(|p| p.read.as_ref()) {
            fds.push(PollFd::new(read, PollFlags::IN));
        }
        if let (Some(input), false) = (&self.input, self.pending.is_empty()) {
            fds.push(PollFd::new(input, PollFlags::OUT));
        }
    }

    /// Carries what there is, once. Whether it has ended.
    pub(super) fn turn(&mut self, channel: &mut File) -> Result<bool, GuestError> {
        self.feed();
        let ended = self.child.ended_within(std::time::Duration::ZERO);
        for pipe in &mut self.output {
            pipe.pass_on(self.id, channel)?;
        }
        Ok(ended)
    }

    /// Its input; empty: the end.
    pub(super) fn input(&mut self, bytes: &[u8]) {
        self.pending.extend(bytes);
        self.input_ended |= bytes.is_empty();
        self.feed();
    }

    fn feed(&mut self) {
        let Some(input) = &mut self.input else {
            self.pending.clear();
            return;
        };
        while !self.pending.is_empty() {
            let (front, _) = self.pending.as_slices();
            match input.write(front) {
                Ok(n) => drop(self.pending.drain(..n)),
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => return,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => {
                    self.pending.clear();
                    self.input_ended = true;
                }
            }
        }
        if self.input_ended {
            self.input = None;
        }
    }

    /// After its end: the last of its output, then its exit code.
    pub(super) fn code(mut self, channel: &mut File) -> Result<i32, GuestError> {
        let code = self.child.wait().map_err(failed("wait for", "the workload"))?;
        // What it wrote before it ended is in the pipes; a process that it left behind may hold them open for ever.
        for pipe in &mut self.output {
            while pipe.pass_on(self.id, channel)? {}
        }
        Ok(code)
    }
}

/// `argv[0]` as it is, or found in the PATH of the environment, as on the other targets.
fn find(plan: &Plan) -> Result<String, GuestError> {
    let name = plan.argv.first().cloned().unwrap_or_default();
    let path = plan.env.iter().find_map(|e| e.strip_prefix("PATH=")).unwrap_or("/usr/bin:/bin");
    let candidates: Vec<String> = if name.contains('/') {
        vec![Path::new(plan.cwd).join(&name).display().to_string()]
    } else {
        path.split(':').map(|dir| format!("{dir}/{name}")).collect()
    };
    let missing = || failed("find in the image", candidates.join(", "));
    let found = candidates.iter().find(|p| Path::new(p).exists()).cloned();
    found.ok_or_else(|| missing()(std::io::Error::from(std::io::ErrorKind::NotFound)))
}
