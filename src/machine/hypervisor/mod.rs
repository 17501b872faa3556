//! Firecracker and cloud-hypervisor: other people's monitors of machines, driven by their published API on a unix socket.
//! They need KVM. The kernel, the initramfs and the disk are those of our own machines; the guest's init is reached over
//! vsock instead of a virtio port, because these monitors have no such ports, or are quicker with it.
//!
//! Written from the API's published description, and tested against that (tests/it/hypervisors.rs): nobody has run it on
//! the real programs yet.

mod http;
mod requests;
mod start;

pub use http::Request;
pub use requests::{Guest, requests};
pub use start::Armed;

use super::error::MachineError;
use super::kernel::Kernel;
use super::kernel::for_hypervisors;
use std::path::Path;

/// Why figures of these targets are to be doubted.
pub const UNTESTED: &str =
    "written from the published API and tested against its description; nobody has run it on a real one yet";
/// Port on the host that the guest's init connects to.
pub const VSOCK_PORT: u32 = 1024;

/// Which monitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// github.com/firecracker-microvm/firecracker
    Firecracker,
    /// github.com/cloud-hypervisor/cloud-hypervisor
    CloudHypervisor,
}

impl Kind {
    /// Name of its program and of the target.
    pub fn name(self) -> &'static str {
        match self {
            Self::Firecracker => "firecracker",
            Self::CloudHypervisor => "cloud-hypervisor",
        }
    }

    /// Option that names the socket of its API.
    pub(super) fn api_option(self) -> &'static str {
        match self {
            Self::Firecracker => "--api-sock",
            Self::CloudHypervisor => "--api-socket",
        }
    }
}

/// The kernel with the drivers that a guest of these monitors needs.
pub fn kernel(cache_dir: &Path, given: Option<&Path>) -> Result<Kernel, MachineError> {
    for_hypervisors(&super::kernel::find(cache_dir, given)?)
}
