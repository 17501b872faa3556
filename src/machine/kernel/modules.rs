//! The few modules that the guest needs, each after those that it needs itself.

use crate::machine::error::{MachineError, io};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Drivers of the channel, the disks, the network, and the root's file systems; ext4 and the rest are built in.
const WANTED: &[&str] = &["virtio_mmio", "virtio_console", "virtio_blk", "erofs", "overlay", "virtio_net"];

/// The same for Firecracker and cloud-hypervisor: the channel is vsock there, and the latter's devices are on PCI.
pub(super) const HYPERVISOR: &[&str] = &[
    "virtio_mmio",
    "virtio_pci",
    "vmw_vsock_virtio_transport",
    "virtio_blk",
    "erofs",
    "overlay",
    "virtio_net",
];

/// All that is wanted and there, in the order of loading. `below` is searched for `*.ko`.
pub(super) fn in_order(release: &str, below: &Path) -> Result<Vec<PathBuf>, MachineError> {
    those_in_order(release, below, WANTED)
}

/// As [`in_order`], of other modules.
pub(super) fn those_in_order(
    release: &str,
    below: &Path,
    wanted: &[&str],
) -> Result<Vec<PathBuf>, MachineError> {
    let mut found = BTreeMap::new();
    collect(below, &mut found)?;
    let mut ordered = Vec::new();
    for name in wanted.iter().filter(|name| found.contains_key(**name)) {
        add(release, name, &found, &mut ordered, 0)?;
    }
    Ok(ordered)
}

/// Fails if a wanted module is neither there nor in `modules.builtin` (Documentation/kbuild/kbuild.rst).
pub(super) fn check(release: &str, ordered: &[PathBuf], builtin: &str) -> Result<(), MachineError> {
    for module in WANTED {
        let there = ordered.iter().any(|p| name_of(p) == *module);
        let inside = builtin.lines().any(|l| name_of(Path::new(l)) == *module);
        if !there && !inside {
            return Err(MachineError::NoModule { release: release.into(), module: (*module).into() });
        }
    }
    Ok(())
}

/// What a guest has a use for; the channel it always has.
#[derive(Debug, Clone, Copy, Default)]
pub struct Drivers {
    /// A network card.
    pub network: bool,
    /// A disk.
    pub disk: bool,
    /// An image on a disk, below a layer that can be written to.
    pub layers: bool,
}

impl Drivers {
    /// Whether a module of [`WANTED`], or that one of those needs, is among them.
    pub(super) fn need(self, path: &Path) -> bool {
        match name_of(path).as_str() {
            "failover" | "net_failover" | "virtio_net" => self.network,
            "virtio_blk" => self.disk,
            "libcrc32c" | "erofs" | "overlay" => self.layers,
            _ => true,
        }
    }
}

/// Modules use `-` and `_` alike.
fn name_of(path: &Path) -> String {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    name.split(".ko").next().unwrap_or_default().replace('-', "_")
}

fn collect(dir: &Path, found: &mut BTreeMap<String, PathBuf>) -> Result<(), MachineError> {
    for entry in std::fs::read_dir(dir).map_err(io("list", dir))?.flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, found)?;
        } else if path.extension().is_some_and(|e| e == "ko") {
            found.insert(name_of(&path), path);
        }
    }
    Ok(())
}

fn add(
    release: &str,
    name: &str,
    found: &BTreeMap<String, PathBuf>,
    ordered: &mut Vec<PathBuf>,
    depth: u8,
) -> Result<(), MachineError> {
    let missing = || MachineError::NoModule { release: release.into(), module: name.into() };
    let path = found.get(name).filter(|_| depth < 16).ok_or_else(missing)?;
    if ordered.contains(path) {
        return Ok(());
    }
    let bytes = std::fs::read(path).map_err(io("read", path))?;
    for needed in depends(&bytes) {
        add(release, &needed, found, ordered, depth + 1)?;
    }
    ordered.push(path.clone());
    Ok(())
}

/// The names after `depends=` in the module's .modinfo section, which is a row of NUL-terminated strings.
fn depends(module: &[u8]) -> Vec<String> {
    const KEY: &[u8] = b"\0depends=";
    let Some(at) = module.windows(KEY.len()).position(|w| w == KEY) else { return Vec::new() };
    let value = module[at + KEY.len()..].split(|b| *b == 0).next().unwrap_or_default();
    let names = String::from_utf8_lossy(value).into_owned();
    names.split(',').filter(|n| !n.is_empty()).map(|n| n.replace('-', "_")).collect()
}

/// A module without the signature at its end (linux/module_signature.h: the signature, twelve bytes whose last four are
/// its length, big-endian, and a marker). The package's digest was checked, and checking eleven signatures costs an
/// emulated guest 100 ms; Debian's kernel takes modules without one.
pub(super) fn without_signature(module: &[u8]) -> &[u8] {
    let signed = || {
        let rest = module.strip_suffix(b"~Module signature appended~\n")?;
        let (rest, info) = rest.split_last_chunk::<12>()?;
        let length = u32::from_be_bytes([info[8], info[9], info[10], info[11]]) as usize;
        rest.get(..rest.len().checked_sub(length)?)
    };
    signed().unwrap_or(module)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_cut_off() {
        let marker = b"~Module signature appended~\n".as_slice();
        let signed = |length: u32| [b"codesig".as_slice(), &[0; 8], &length.to_be_bytes(), marker].concat();
        assert_eq!(without_signature(&signed(3)), b"code");
        assert_eq!(without_signature(&signed(99)), signed(99), "a length that lies");
        assert_eq!(without_signature(b"plain"), b"plain");
    }

    #[test]
    fn only_what_has_a_device_needs_its_drivers() {
        let kept = |drivers: Drivers| {
            let all =
                ["m/virtio.ko", "m/virtio-net.ko", "failover.ko", "virtio_blk.ko", "erofs.ko", "overlay.ko"];
            all.into_iter().filter(|name| drivers.need(Path::new(name))).collect::<Vec<_>>()
        };
        assert_eq!(kept(Drivers::default()), ["m/virtio.ko"]);
        let network = Drivers { network: true, ..Drivers::default() };
        assert_eq!(kept(network), ["m/virtio.ko", "m/virtio-net.ko", "failover.ko"]);
        let on_disk = Drivers { disk: true, layers: true, network: false };
        assert_eq!(kept(on_disk), ["m/virtio.ko", "virtio_blk.ko", "erofs.ko", "overlay.ko"]);
    }

    #[test]
    fn each_comes_after_what_it_needs() {
        let dir = tempfile::tempdir().expect("folder");
        let write = |name: &str, needs: &str| {
            let text = format!("x\0license=GPL\0depends={needs}\0name={name}\0");
            std::fs::write(dir.path().join(format!("{name}.ko")), text).expect("write");
        };
        write("virtio-mmio", "virtio,virtio_ring");
        write("virtio", "virtio_ring");
        write("virtio_ring", "");
        write("unwanted", "");
        let ordered = in_order("r", dir.path()).expect("order");
        assert_eq!(
            ordered.iter().map(|p| name_of(p)).collect::<Vec<_>>(),
            ["virtio_ring", "virtio", "virtio_mmio"]
        );
        let e = check("r", &ordered, "kernel/a/virtio_console.ko\n").expect_err("no blk").to_string();
        assert_eq!(e, "the guest kernel r has no module virtio_blk");
        write("virtio_ring", "gone");
        assert!(in_order("r", dir.path()).expect_err("a hole").to_string().ends_with("no module gone"));
    }
}
