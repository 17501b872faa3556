//! Who answers for the system calls of `SCMP_ACT_NOTIFY` gets the descriptor of the filter, and is told of which process
//! it is (runtime-spec, config-linux.md, Seccomp and The Container Process State).

use super::error::{RuntimeError, system};
use super::procfs::Procfs;
use super::rootfs::Step;
use super::seccomp::{Filter, Seccomp};
use super::state::Saved;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use serde_json::json;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// A connection to it, made in the runtime's namespaces, and what it is told.
pub struct Agent<'a> {
    to: UnixStream,
    metadata: Option<&'a str>,
    saved: &'a Saved,
    status: &'static str,
}

impl<'a> Agent<'a> {
    /// Connects to it, where the filter has something to ask. `status`: the container's.
    pub fn connect(
        section: Option<&'a Seccomp>,
        filter: Option<&Filter>,
        saved: &'a Saved,
        status: &'static str,
    ) -> Result<Option<Self>, RuntimeError> {
        let path = section.and_then(|s| s.listener_path.as_ref());
        let Some(path) = path.filter(|_| filter.is_some_and(Filter::listens)) else { return Ok(None) };
        let to = UnixStream::connect(path).map_err(system("connect to linux.seccomp.listenerPath"))?;
        let metadata = section.and_then(|s| s.listener_metadata.as_deref());
        Ok(Some(Self { to, metadata, saved, status }))
    }

    /// Hands the listener over, in one message, and ends the connection. By the process itself, with the filter in force:
    /// what is asked of the agent from now on are the runtime's own last calls, too.
    pub fn hand_over(&self, listener: &OwnedFd, procfs: &Procfs) -> Result<(), Step> {
        let failed = |e: std::io::Error| Step::new("send the listener to", "linux.seccomp.listenerPath", e);
        let pid = procfs.own_pid().map_err(failed)?;
        let told = json!({
            "ociVersion": self.saved.oci_version,
            "fds": ["seccompFd"],
            "pid": pid,
            "metadata": self.metadata.unwrap_or_default(),
            "state": self.saved.state(self.status, if self.status == "running" { self.saved.pid } else { pid }),
        })
        .to_string();
        let fds = [listener.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        ancillary.push(SendAncillaryMessage::ScmRights(&fds));
        let text = [IoSlice::new(told.as_bytes())];
        rustix::net::sendmsg(&self.to, &text, &mut ancillary, SendFlags::NOSIGNAL)
            .map_err(|e| failed(e.into()))?;
        // The agent reads to the end; the descriptor itself is closed by the exec.
        let _ = self.to.shutdown(std::net::Shutdown::Both);
        Ok(())
    }
}
