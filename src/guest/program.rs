//! One program in the guest: the workload, or a second one beside it, with its pipes or its terminal.

use super::boot::say;
use super::error::{GuestError, failed};
use super::stdio::{self, Terminal};
use super::wire::{OUTPUT_WINDOW, ToHost};
use crate::sys::spawn::{Child, Spawn};
use rustix::event::{PollFd, PollFlags};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Write};
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
    /// Rows and columns.
    pub terminal: Option<(u16, u16)>,
    /// The host says what it has heard.
    pub paced: bool,
}

/// A started one.
pub(super) struct Program {
    /// 0: the workload.
    pub id: u32,
    pub child: Child,
    output: Vec<Pipe>,
    input: Option<File>,
    terminal: Option<Terminal>,
    /// Not yet taken by it.
    pending: VecDeque<u8>,
    input_ended: bool,
    /// Taken by it, or never to be taken, and not yet told to the host.
    taken: usize,
    /// Output on its way, of which the host has not said that it was heard; none where it never says.
    unheard: Option<usize>,
}

/// One of its two outputs.
struct Pipe {
    number: u8,
    read: Option<File>,
}

impl Pipe {
    /// Sends on what is there; how much that was.
    fn pass_on(&mut self, id: u32, channel: &mut File) -> Result<usize, GuestError> {
        let Some(read) = &mut self.read else { return Ok(0) };
        let mut buffer = vec![0u8; BUFFER];
        match read.read(&mut buffer) {
            Ok(0) => {
                self.read = None;
                Ok(0)
            }
            Ok(n) => {
                buffer.truncate(n);
                let message = match id {
                    0 => ToHost::Output(self.number, buffer),
                    id => ToHost::ExecOutput(id, self.number, buffer),
                };
                say(channel, &message).map(|()| n)
            }
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => Ok(0),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => self.pass_on(id, channel),
            // A terminal that nobody has open any more.
            Err(e) if e.raw_os_error() == Some(libc::EIO) => {
                self.read = None;
                Ok(0)
            }
            Err(e) => Err(failed("read", "the workload's output")(e)),
        }
    }
}

impl Program {
    /// Starts it; `about_to` right before.
    pub(super) fn start(plan: &Plan, about_to: impl FnOnce()) -> Result<Self, GuestError> {
        let program = find(plan)?;
        let stdio = match plan.terminal {
            Some(size) => stdio::terminal(size, plan.ids.0)?,
            None => stdio::pipes(plan.stdin)?,
        };
        let wrong = |e: crate::sys::spawn::SpawnError| {
            let why = std::error::Error::source(&e).map(|s| format!(": {s}")).unwrap_or_default();
            let name = plan.argv.first().cloned().unwrap_or_default();
            failed("start", name)(std::io::Error::other(format!("{e}{why}")))
        };
        let spawn = Spawn::new(Path::new(&program), plan.argv, plan.env).map_err(wrong)?;
        let spawn = spawn.cwd(Path::new(plan.cwd)).map_err(wrong)?.ids(plan.ids.0, plan.ids.1);
        let spawn = spawn.groups(plan.groups).new_session();
        let spawn = spawn.fd(&stdio.theirs[0], 0).fd(&stdio.theirs[1], 1).fd(&stdio.theirs[2], 2);
        let spawn = if plan.terminal.is_some() { spawn.controlling_terminal() } else { spawn };
        about_to();
        let child = spawn.start().map_err(wrong)?;
        let output = stdio.outputs.into_iter().map(|(number, read)| Pipe { number, read: Some(read) });
        Ok(Self {
            id: plan.id,
            child,
            output: output.collect(),
            input: stdio.input,
            terminal: stdio.terminal,
            pending: VecDeque::new(),
            input_ended: false,
            taken: 0,
            unheard: plan.paced.then_some(0),
        })
    }

    /// What it waits for: its end, output, room for input.
    pub(super) fn polled<'a>(&'a self, fds: &mut Vec<PollFd<'a>>) {
        fds.push(PollFd::new(&self.child.pidfd, PollFlags::IN));
        for read in self.output.iter().filter_map(|p| p.read.as_ref()).filter(|_| self.may_speak()) {
            fds.push(PollFd::new(read, PollFlags::IN));
        }
        if let (Some(input), false) = (&self.input, self.pending.is_empty()) {
            fds.push(PollFd::new(input, PollFlags::OUT));
        }
    }

    /// Carries what there is, once. Whether it has ended.
    pub(super) fn turn(&mut self, channel: &mut File) -> Result<bool, GuestError> {
        self.feed();
        if self.taken > 0 {
            say(channel, &ToHost::Taken(self.id, std::mem::take(&mut self.taken) as u32))?;
        }
        let ended = self.child.ended_within(std::time::Duration::ZERO);
        for n in 0..self.output.len() {
            if self.may_speak() {
                let said = self.output[n].pass_on(self.id, channel)?;
                self.unheard = self.unheard.map(|before| before + said);
            }
        }
        Ok(ended)
    }

    fn may_speak(&self) -> bool {
        self.unheard.is_none_or(|n| n < OUTPUT_WINDOW)
    }

    /// The host has heard so much of its output.
    pub(super) fn heard(&mut self, bytes: u32) {
        self.unheard = self.unheard.map(|n| n.saturating_sub(bytes as usize));
    }

    /// Its input; empty: the end.
    pub(super) fn input(&mut self, bytes: &[u8]) {
        self.pending.extend(bytes);
        self.input_ended |= bytes.is_empty();
        self.feed();
    }

    fn feed(&mut self) {
        let Some(input) = &mut self.input else {
            self.taken += self.pending.len();
            self.pending.clear();
            return;
        };
        while !self.pending.is_empty() {
            let (front, _) = self.pending.as_slices();
            match input.write(front) {
                Ok(n) => {
                    self.taken += n;
                    drop(self.pending.drain(..n));
                }
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => return,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => {
                    self.taken += self.pending.len();
                    self.pending.clear();
                    self.input_ended = true;
                }
            }
        }
        // A terminal has no end of input but the one that is typed.
        if self.input_ended && self.terminal.is_none() {
            self.input = None;
        }
    }

    /// Rows and columns of its terminal, if it has one.
    pub(super) fn set_size(&self, rows: u16, columns: u16) {
        if let Some(terminal) = &self.terminal {
            terminal.set_size(rows, columns);
        }
    }

    /// After its end: the last of its output, then its exit code.
    pub(super) fn code(mut self, channel: &mut File) -> Result<i32, GuestError> {
        let code = self.child.wait().map_err(failed("wait for", "the workload"))?;
        // What it wrote before it ended is in the pipes; a process that it left behind may hold them open for ever.
        for pipe in &mut self.output {
            while pipe.pass_on(self.id, channel)? > 0 {}
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
