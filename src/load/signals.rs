//! Being told to end. A service is PID 1 of its container, and for PID 1 a signal without a handler does nothing; so
//! SIGTERM and SIGINT are blocked and fetched.

use super::error::LoadError;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// The two signals, blocked.
pub struct Ends(SigSet);

impl Ends {
    /// Blocks them: do it before saying that the service is ready, or the signal may come first.
    pub fn block() -> Result<Self, LoadError> {
        let mut set = SigSet::empty();
        set.add(Signal::SIGTERM);
        set.add(Signal::SIGINT);
        set.thread_block().map_err(|e| LoadError::Io { step: "block SIGTERM", source: e.into() })?;
        Ok(Self(set))
    }

    /// Sleeps until one comes.
    pub fn wait(&self) -> Result<(), LoadError> {
        self.0.wait().map(drop).map_err(|e| LoadError::Io { step: "wait for SIGTERM", source: e.into() })
    }

    /// Readable once one has come.
    pub fn descriptor(&self) -> Result<SignalFd, LoadError> {
        SignalFd::with_flags(&self.0, SfdFlags::SFD_CLOEXEC)
            .map_err(|e| LoadError::Io { step: "make a signal descriptor", source: e.into() })
    }
}
