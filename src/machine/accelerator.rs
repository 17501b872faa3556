//! Which accelerator this host really has. KVM is believed only after our own guest has booted under it in time: there
//! are hosts whose /dev/kvm opens and makes virtual machines, and cannot run one.

use super::error::{MachineError, io, system};
use super::kernel::{Initialises, Kernel};
use super::qemu::{Accelerator, Qemu};
use super::{Armed, Machine, MachineEvent, Memory};
use super::{cache, initramfs};
use crate::sys::port;
use crate::sys::spawn::CgroupPlace;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// For the probe's guest to reach its init. Real hardware needs a fraction of a second.
const PROBE_DEADLINE: Duration = Duration::from_secs(4);
const PROBE_MEMORY: u64 = 256 << 20;

/// What the user asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Wanted {
    /// KVM if it works, else TCG.
    #[default]
    Auto,
    /// This one, or an error.
    Only(Accelerator),
}

impl std::str::FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "kvm" => Ok(Self::Only(Accelerator::Kvm)),
            "tcg" => Ok(Self::Only(Accelerator::Tcg)),
            _ => Err(format!("accelerator {text:?}: use auto, kvm or tcg")),
        }
    }
}

/// What is used, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The one.
    pub accelerator: Accelerator,
    /// One line for people.
    pub reason: String,
}

/// The probe's result, kept for this boot of the host.
#[derive(Debug, Serialize, Deserialize)]
struct Probed {
    /// /proc/sys/kernel/random/boot_id and digests of QEMU and the kernel: what the result holds for.
    key: String,
    kvm: bool,
    reason: String,
}

/// Decides; probes at most once for each boot of the host, QEMU and guest kernel.
pub fn choose(
    wanted: Wanted,
    cache_dir: &Path,
    qemu: &Qemu,
    kernel: &Kernel,
    init: &Path,
) -> Result<Choice, MachineError> {
    if wanted == Wanted::Only(Accelerator::Tcg) {
        return Ok(Choice { accelerator: Accelerator::Tcg, reason: "asked for".into() });
    }
    let probed = kvm(cache_dir, qemu, kernel, init)?;
    if probed.kvm {
        return Ok(Choice { accelerator: Accelerator::Kvm, reason: probed.reason });
    }
    if wanted == Wanted::Only(Accelerator::Kvm) {
        return Err(MachineError::Accelerator { wanted: "kvm".into(), why: probed.reason });
    }
    Ok(Choice { accelerator: Accelerator::Tcg, reason: format!("KVM cannot be used: {}", probed.reason) })
}

fn kvm(cache_dir: &Path, qemu: &Qemu, kernel: &Kernel, init: &Path) -> Result<Probed, MachineError> {
    let device = Path::new("/dev/kvm");
    let no = |reason: String| Ok(Probed { key: String::new(), kvm: false, reason });
    match std::fs::File::options().read(true).write(true).open(device) {
        Ok(_) => {}
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return no("there is no /dev/kvm".into()),
        Err(e) => return no(format!("/dev/kvm cannot be opened ({e}): join the group kvm, or try sudo")),
    }
    let boot = Path::new("/proc/sys/kernel/random/boot_id");
    let boot = std::fs::read_to_string(boot).map_err(io("read", boot))?;
    let digests = [cache::digest(&qemu.program)?, cache::digest(&kernel.vmlinux)?];
    let key = cache::key([boot.trim(), &digests[0], &digests[1]].map(str::as_bytes));
    let path = cache_dir.join("accelerator.json");
    if let Some(probed) = remembered(&path, &key) {
        return Ok(probed);
    }
    let initramfs = initramfs::build(cache_dir, init, kernel)?;
    let (kvm, reason) = probe(qemu, kernel, initramfs)?;
    let probed = Probed { key, kvm, reason };
    cache::put(&path, |to| {
        let json = serde_json::to_vec_pretty(&probed).unwrap_or_default();
        std::fs::write(to, json).map_err(io("write", to))
    })?;
    Ok(probed)
}

fn remembered(path: &Path, key: &str) -> Option<Probed> {
    let probed: Probed = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    (probed.key == key).then_some(probed)
}

/// Boots our guest under KVM and waits for its init's first stamp.
fn probe(qemu: &Qemu, kernel: &Kernel, initramfs: PathBuf) -> Result<(bool, String), MachineError> {
    let dir = tempfile::tempdir().map_err(system("create a temporary folder"))?;
    let machine = Machine {
        qemu: qemu.clone(),
        accelerator: Accelerator::Kvm,
        cpus: 1,
        memory_bytes: PROBE_MEMORY,
        kernel: kernel.clone(),
        initramfs,
        tsc_khz: 0,
        root: None,
        scratch: None,
        network: None,
        memory: Memory::Fresh,
        isolated: true,
        initialises: Initialises::of_host(),
        parameters: Vec::new(),
    };
    let armed = Armed::new(&machine, None, None, CgroupPlace::default(), dir.path())?;
    let mut running = armed.boot_deadline(PROBE_DEADLINE).start()?;
    let from = Instant::now();
    let verdict = loop {
        match running.next(Duration::from_millis(50)) {
            Some((_, MachineEvent::Stamp(port::KERNEL))) => {
                break (true, format!("a guest booted under it in {} ms", from.elapsed().as_millis()));
            }
            Some((_, MachineEvent::Closed(why))) => {
                break (false, format!("/dev/kvm opens, but no guest runs under it: {why}"));
            }
            _ => {}
        }
    };
    Ok(verdict)
}
