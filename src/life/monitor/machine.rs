//! Orders to a machine that runs, from whatever thread, and the second processes in it.

use crate::guest::wire::{GuestExec, INPUT_WINDOW, Message, ToGuest};
use crate::life::error::{LifeError, io, system};
use crate::life::folder::Folder;
use crate::life::link::{Command, ToClient};
use crate::machine::ExecEvent;
use std::collections::HashMap;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// For the client of a second process to take output; a machine has one thread for all.
const PATIENCE: Duration = Duration::from_secs(10);
/// Largest piece of a frame.
const PIECE: usize = 512 << 10;

/// See the module.
#[derive(Clone)]
pub struct Orders(Arc<(Mutex<Inner>, Condvar)>);

struct Inner {
    channel: UnixStream,
    clients: HashMap<u32, UnixStream>,
    /// Bytes of a program's input that are on their way; none of one that has ended.
    untaken: HashMap<u32, usize>,
    last: u32,
}

impl Inner {
    fn tell(&self, message: &ToGuest) -> Result<(), LifeError> {
        (&self.channel).write_all(&message.frame()).map_err(system("write to the guest's channel"))
    }
}

impl Orders {
    /// `channel`: of the machine.
    pub fn new(channel: UnixStream) -> Self {
        let untaken = HashMap::from([(0, 0)]);
        Self(Arc::new((
            Mutex::new(Inner { channel, clients: HashMap::new(), untaken, last: 0 }),
            Condvar::new(),
        )))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For the workload.
    pub fn signal(&self, number: i32) -> Result<(), LifeError> {
        self.lock().tell(&ToGuest::Signal(number))
    }

    /// For a second process.
    pub fn signal_exec(&self, id: u32, number: i32) -> Result<(), LifeError> {
        self.lock().tell(&ToGuest::SignalExec(id, number))
    }

    /// Standard input; 0 is the workload's. Waits until the program has taken what it was sent before, so that no more
    /// than [`INPUT_WINDOW`] bytes wait in the guest; what comes for one that has ended is dropped.
    pub fn input(&self, id: u32, bytes: Vec<u8>) -> Result<(), LifeError> {
        let length = bytes.len().min(INPUT_WINDOW);
        let full = |inner: &mut Inner| inner.untaken.get(&id).is_some_and(|n| n + length > INPUT_WINDOW);
        let waited = self.0.1.wait_while(self.lock(), full);
        let mut inner = waited.unwrap_or_else(PoisonError::into_inner);
        let Some(untaken) = inner.untaken.get_mut(&id) else { return Ok(()) };
        *untaken += bytes.len();
        inner.tell(&ToGuest::Input(id, bytes))
    }

    /// So much of a program's output is where it belongs.
    pub fn heard(&self, id: u32, bytes: usize) {
        // A machine that is gone says so itself.
        let _ = self.lock().tell(&ToGuest::Heard(id, bytes as u32));
    }

    /// A program has taken so much of its input.
    fn taken(&self, id: u32, bytes: u32) {
        if let Some(untaken) = self.lock().untaken.get_mut(&id) {
            *untaken = untaken.saturating_sub(bytes as usize);
        }
        self.0.1.notify_all();
    }

    /// It takes none any more.
    fn takes_nothing(&self, id: u32) {
        self.lock().untaken.remove(&id);
        self.0.1.notify_all();
    }

    /// The machine has ended.
    pub fn ended(&self) {
        self.lock().untaken.clear();
        self.0.1.notify_all();
    }

    /// Rows and columns of a terminal.
    pub fn size(&self, id: u32, rows: u16, columns: u16) -> Result<(), LifeError> {
        self.lock().tell(&ToGuest::Size(id, rows, columns))
    }

    /// First of all: the job, after the files that are to be there.
    pub fn begin(&self, archive: &[u8], job: ToGuest) -> Result<(), LifeError> {
        self.files(archive)?;
        self.lock().tell(&job)
    }

    /// A tar archive for the guest's root.
    fn files(&self, archive: &[u8]) -> Result<(), LifeError> {
        let inner = self.lock();
        for piece in archive.chunks(PIECE) {
            inner.tell(&ToGuest::Files(piece.to_vec()))?;
        }
        inner.tell(&ToGuest::Files(Vec::new()))
    }

    /// The guest's /etc/hosts as the host's file is now.
    pub fn hosts(&self, folder: &Folder) -> Result<(), LifeError> {
        let path = folder.file("hosts");
        let text = std::fs::read(&path).map_err(io("read", &path))?;
        let mut archive = tar::Builder::new(Vec::new());
        super::machine_body::add_file(&mut archive, "etc/hosts", &text)?;
        self.files(&archive.into_inner().map_err(system("pack hosts"))?)
    }

    /// Starts a second process; what it says goes to `client`.
    pub fn exec(&self, command: Command, client: UnixStream) -> Result<u32, LifeError> {
        client.set_write_timeout(Some(PATIENCE)).map_err(system("set a deadline"))?;
        let mut inner = self.lock();
        inner.last += 1;
        let id = inner.last;
        inner.clients.insert(id, client);
        inner.untaken.insert(id, 0);
        let exec = GuestExec {
            id,
            argv: command.argv,
            env: command.env,
            cwd: command.cwd,
            uid: command.uid,
            gid: command.gid,
            groups: command.groups,
            stdin: command.interactive,
            terminal: command.terminal.then_some(command.size),
        };
        inner.tell(&ToGuest::Exec(Box::new(exec)))?;
        Ok(id)
    }

    /// The client of a second process has gone: it is ended, as nobody hears it any more.
    pub fn forget(&self, id: u32) {
        let mut inner = self.lock();
        if inner.clients.remove(&id).is_some() {
            let _ = inner.tell(&ToGuest::SignalExec(id, libc::SIGHUP));
            // One that reads to the end of its input ends by that.
            let _ = inner.tell(&ToGuest::Input(id, Vec::new()));
        }
    }

    /// Passes on what a second process tells.
    pub fn told(&self, id: u32, event: ExecEvent) {
        let message = match event {
            ExecEvent::Taken(n) => return self.taken(id, n),
            ExecEvent::Output(fd, bytes) => ToClient::Output(fd, bytes),
            ExecEvent::Ended(code) => ToClient::Exited(code),
            ExecEvent::Failed(why) => {
                let code = if why.contains("find in the image") { 127 } else { 126 };
                ToClient::Failed(code, why)
            }
        };
        let ended = !matches!(message, ToClient::Output(..));
        if ended {
            self.takes_nothing(id);
        }
        // Not under the lock while it is written: a client that does not listen must not keep others from their orders.
        let client = self.lock().clients.get(&id).and_then(|c| c.try_clone().ok());
        let written = client.map(|mut c| c.write_all(&message.frame()));
        if let ToClient::Output(_, bytes) = &message {
            self.heard(id, bytes.len());
        }
        if ended || !matches!(written, Some(Ok(()))) {
            self.lock().clients.remove(&id);
        }
    }
}
