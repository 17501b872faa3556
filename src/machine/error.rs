//! Why a machine could not be made or run.

use std::path::PathBuf;

/// See the variants.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// A file or folder.
    #[error("{step} {path}")]
    Io {
        /// What was tried.
        step: &'static str,
        /// On which path.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A system call without a path.
    #[error("{step}")]
    System {
        /// What was tried.
        step: &'static str,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A program of the host.
    #[error("{program} is not on this host (Debian's package {package} has it)")]
    Missing {
        /// Its name.
        program: String,
        /// Debian's package.
        package: &'static str,
    },
    /// A program of the host that failed.
    #[error("{program} ended with {status}: {said}")]
    Program {
        /// Its name.
        program: String,
        /// How it ended.
        status: std::process::ExitStatus,
        /// Last lines of its standard error.
        said: String,
    },
    /// There is no guest kernel yet.
    #[error("there is no guest kernel below {looked}, and none is named by --kernel or TAREMARK_KERNEL")]
    NoKernel {
        /// Folder of the cache.
        looked: PathBuf,
    },
    /// There is no kernel of our own yet.
    #[error("there is no kernel of our own below {looked}")]
    NoOwnKernel {
        /// Folder of the cache.
        looked: PathBuf,
    },
    /// The operating system on a disk was not made yet.
    #[error("there is no operating system ({flavour}) for the target vm: {looked} is not there")]
    NoSystem {
        /// Which one.
        flavour: &'static str,
        /// Where it would be.
        looked: PathBuf,
    },
    /// A name that is not in the cache.
    #[error("there is no kernel {name:?} in the cache: {known} are")]
    UnknownKernel {
        /// As asked for.
        name: String,
        /// Those that are there.
        known: String,
    },
    /// The kernel's configuration tool did not take what was wanted.
    #[error("the kernel's configuration came out other than wanted: {lost}")]
    Config {
        /// Options, with what they are and what they should be.
        lost: String,
    },
    /// The same source, configuration and compiler gave other bytes.
    #[error("kernel {name} was built again and came out different")]
    NotRepeatable {
        /// Its name in the cache.
        name: String,
    },
    /// Our own kernel was built for another host.
    #[error(
        "the kernel {release} was built for a host whose own kernel protects itself with less than this host's does"
    )]
    OtherHost {
        /// Its release.
        release: String,
    },
    /// A file that should be a kernel.
    #[error("{path} is not a kernel that can be booted: {why}")]
    BadKernel {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A driver that the guest needs is in no module and not built in.
    #[error("the guest kernel {release} has no module {module}")]
    NoModule {
        /// Release of the kernel.
        release: String,
        /// Its name.
        module: String,
    },
    /// A download that is not what the package list says.
    #[error(
        "{path} has digest {is}, and the package list says {wanted}: fetch it again after `apt-get update`"
    )]
    Digest {
        /// The file.
        path: PathBuf,
        /// As computed.
        is: String,
        /// As listed.
        wanted: String,
    },
    /// The package list lacks the kernel.
    #[error("the package list knows no {package}: run `apt-get update`, or name a kernel with --kernel")]
    NoPackage {
        /// Name of the package.
        package: String,
    },
    /// A forced accelerator that does not work.
    #[error("accelerator {wanted} cannot be used: {why}")]
    Accelerator {
        /// As asked for.
        wanted: String,
        /// Why not.
        why: String,
    },
    /// Starting QEMU.
    #[error("start QEMU")]
    Spawn(#[from] crate::sys::spawn::SpawnError),
    /// The guest talks nonsense.
    #[error("the guest's channel")]
    Wire(#[from] crate::guest::wire::WireError),
    /// The machine ended before it could be used.
    #[error("{why}")]
    Broke {
        /// One line, with the last of the console.
        why: String,
    },
    /// QEMU refused a command.
    #[error("QEMU refused {command}: {said}")]
    Qmp {
        /// The command.
        command: String,
        /// Its answer.
        said: String,
    },
    /// Firecracker or cloud-hypervisor refused a request.
    #[error("{request} was refused: {said}")]
    Api {
        /// Method and path.
        request: String,
        /// Status and body of the answer.
        said: String,
    },
    /// No answer from the guest.
    #[error("the guest did not answer {asked} within {seconds} s")]
    Silent {
        /// What was asked.
        asked: &'static str,
        /// Deadline.
        seconds: u64,
    },
}

pub(super) fn io(step: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> MachineError {
    move |source| MachineError::Io { step, path: path.to_owned(), source }
}

pub(super) fn system(step: &'static str) -> impl FnOnce(std::io::Error) -> MachineError {
    move |source| MachineError::System { step, source }
}
