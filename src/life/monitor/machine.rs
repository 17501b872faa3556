//! Orders to a machine that runs, from whatever thread, and the second processes in it.

use crate::guest::wire::{GuestExec, Message, ToGuest};
use crate::life::error::{LifeError, io, system};
use crate::life::folder::Folder;
use crate::life::link::{Command, ToClient};
use crate::machine::ExecEvent;
use std::collections::HashMap;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// For the client of a second process to take output; a machine has one thread for all.
const PATIENCE: Duration = Duration::from_secs(10);
/// Largest piece of a frame.
const PIECE: usize = 512 << 10;

/// See the module.
#[derive(Clone)]
pub struct Orders(Arc<Mutex<Inner>>);

struct Inner {
    channel: UnixStream,
    clients: HashMap<u32, UnixStream>,
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
        Self(Arc::new(Mutex::new(Inner { channel, clients: HashMap::new(), last: 0 })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For the workload.
    pub fn signal(&self, number: i32) -> Result<(), LifeError> {
        self.lock().tell(&ToGuest::Signal(number))
    }

    /// For a second process.
    pub fn signal_exec(&self, id: u32, number: i32) -> Result<(), LifeError> {
        self.lock().tell(&ToGuest::SignalExec(id, number))
    }

    /// Standard input; 0 is the workload's.
    pub fn input(&self, id: u32, bytes: Vec<u8>) -> Result<(), LifeError> {
        self.lock().tell(&ToGuest::Input(id, bytes))
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
        let exec = GuestExec {
            id,
            argv: command.argv,
            env: command.env,
            cwd: command.cwd,
            uid: command.uid,
            gid: command.gid,
            groups: command.groups,
            stdin: command.interactive,
        };
        inner.tell(&ToGuest::Exec(Box::new(exec)))?;
        Ok(id)
    }

    /// The client of a second process has gone: it is ended, as nobody hears it any more.
    pub fn forget(&self, id: u32) {
        let mut inner = self.lock();
        if inner.clients.remove(&id).is_some() {
            let _ = inner.tell(&ToGuest::SignalExec(id, libc::SIGHUP));
        }
    }

    /// Passes on what a second process tells.
    pub fn told(&self, id: u32, event: ExecEvent) {
        let message = match event {
            ExecEvent::Output(fd, bytes) => ToClient::Output(fd, bytes),
            ExecEvent::Ended(code) => ToClient::Exited(code),
            ExecEvent::Failed(why) => {
                let code = if why.contains("find in the image") { 127 } else { 126 };
                ToClient::Failed(code, why)
            }
        };
        let ended = !matches!(message, ToClient::Output(..));
        // Not under the lock while it is written: a client that does not listen must not keep others from their orders.
        let client = self.lock().clients.get(&id).and_then(|c| c.try_clone().ok());
        let written = client.map(|mut c| c.write_all(&message.frame()));
        if ended || !matches!(written, Some(Ok(()))) {
            self.lock().clients.remove(&id);
        }
    }
}
