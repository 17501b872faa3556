//! The operating system's files: packages by mmdebstrap, and the few files of ours.

use super::super::error::{MachineError, io};
use super::super::program::{find, run};
use super::{Flavour, boot};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the keys of Debian's archive are.
pub(in super::super) const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// In both. The kernel's own initramfs is made by initramfs-tools, ACPI's power button is heeded by logind over D-Bus.
const ALWAYS: &str = "systemd-sysv,dbus,udev,kmod,initramfs-tools,zstd";
/// Unit, generator and mount of our part: path, mode, text.
const FILES: [(&str, u32, &str); 5] = [
    (
        "etc/systemd/system/run-taremark.mount",
        0o644,
        "[Unit]\nDescription=taremark's part\n[Mount]\nWhat=/dev/disk/by-id/virtio-taremark\nWhere=/run/taremark\nType=erofs\nOptions=ro\n",
    ),
    (
        "etc/systemd/system/taremark.service",
        0o644,
        "[Unit]\nDescription=taremark: the workload\nRequires=run-taremark.mount\nAfter=run-taremark.mount network.target \
         systemd-logind.service\n[Service]\nType=exec\nExecStart=/run/taremark/tare-init --in-system\n\
         StandardOutput=null\nStandardError=journal+console\nTimeoutStopSec=5\n[Install]\nWantedBy=multi-user.target\n",
    ),
    // Stamps the debug port when systemd starts: generators are the first that it runs.
    (
        "etc/systemd/system-generators/taremark",
        0o755,
        "#!/bin/sh\nexec /usr/lib/taremark/tare-init --stamp-kernel\n",
    ),
    ("etc/fstab", 0o644, "/dev/vda1 / ext4 errors=remount-ro 0 1\n"),
    ("etc/hostname", 0o644, "debian\n"),
];

/// For that generator, which needs a program that can write to a port; whatever else is ours comes on a disk of its own.
const STAMP: &str = "usr/lib/taremark/tare-init";

/// The files of an operating system.
pub(super) struct Tree {
    pub dir: PathBuf,
    /// A line for each package with its version.
    pub packages: String,
    pub flavour: Flavour,
    release: String,
    kernel: String,
}

impl Tree {
    pub fn version(&self) -> String {
        let (packages, release) = (self.packages.lines().count(), self.release.trim());
        format!("Debian {release} ({}), {packages} packages, kernel {}", self.flavour.name(), self.kernel)
    }
}

/// Makes it below `dir`.
pub(super) fn make(flavour: Flavour, init: &Path, dir: &Path) -> Result<Tree, MachineError> {
    let mmdebstrap = find("mmdebstrap", "mmdebstrap")?;
    boot::check()?;
    let sources = dir.join("sources.list");
    let (text, suite) = sources_of_this_host()?;
    std::fs::write(&sources, text).map_err(io("write", &sources))?;
    let tree = dir.join("tree");
    let (variant, packages) = match flavour {
        Flavour::Full => ("standard", "linux-image-amd64,openssh-server,libpam-systemd"),
        Flavour::Small => ("minbase", "linux-image-cloud-amd64"),
    };
    let mut command = Command::new(find("unshare", "util-linux")?);
    command.arg("--mount").arg(mmdebstrap).args(["--quiet", "--mode=root", "--format=directory"]);
    command.arg(format!("--variant={variant}")).arg(format!("--include={ALWAYS},{packages}"));
    if Path::new(KEYRING).is_file() {
        command.arg(format!("--keyring={KEYRING}"));
    }
    if flavour == Flavour::Small {
        for path in ["doc", "man", "locale", "info"] {
            command.arg(format!("--dpkgopt=path-exclude=/usr/share/{path}/*"));
        }
    }
    run(command.arg(&suite).arg(&tree).arg(&sources))?;
    ours(&tree, init)?;
    let query = ["--showformat=${Package} ${Version}\\n", "--show"];
    let mut dpkg = Command::new(find("dpkg-query", "dpkg")?);
    let packages = run(dpkg.arg("--admindir").arg(tree.join("var/lib/dpkg")).args(query))?;
    let version = tree.join("etc/debian_version");
    let release = std::fs::read_to_string(&version).map_err(io("read", &version))?;
    let link = tree.join("vmlinuz");
    let kernel = std::fs::read_link(&link).map_err(io("read the link", &link))?;
    let kernel = kernel.to_string_lossy().trim_start_matches("boot/vmlinuz-").to_owned();
    Ok(Tree { dir: tree, packages, flavour, release, kernel })
}

/// apt's sources of Debian on this host, as lines of a sources.list, and the suite.
pub(in super::super) fn sources_of_this_host() -> Result<(String, String), MachineError> {
    let format = "deb $(REPO_URI) $(RELEASE) $(COMPONENT)";
    let wanted = ["Identifier: Packages", "Origin: Debian"];
    let apt_get = find("apt-get", "apt")?;
    let text = run(Command::new(apt_get).args(["indextargets", "--format", format]).args(wanted))?;
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines.dedup();
    let mut suites = lines.iter().filter_map(|l| l.split_whitespace().nth(2));
    let suite = suites.rfind(|s| !s.contains('-')).map(str::to_owned);
    let suite = suite.ok_or_else(|| MachineError::NoPackage { package: "source of Debian".into() })?;
    Ok((lines.join("\n") + "\n", suite))
}

fn ours(tree: &Path, init: &Path) -> Result<(), MachineError> {
    use std::os::unix::fs::PermissionsExt;
    for (name, mode, text) in FILES {
        let path = tree.join(name);
        let parent = path.parent().unwrap_or(tree);
        std::fs::create_dir_all(parent).map_err(io("create", parent))?;
        std::fs::write(&path, text).map_err(io("write", &path))?;
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(&path, mode).map_err(io("set the mode of", &path))?;
    }
    let stamp = tree.join(STAMP);
    let parent = stamp.parent().unwrap_or(tree);
    std::fs::create_dir_all(parent).map_err(io("create", parent))?;
    std::fs::copy(init, &stamp).map_err(io("copy to", &stamp))?;
    let wanted = tree.join("etc/systemd/system/multi-user.target.wants/taremark.service");
    let unit = "/etc/systemd/system/taremark.service";
    std::os::unix::fs::symlink(unit, &wanted).map_err(io("create", &wanted))?;
    // Made anew by systemd at each first start, as on every image that is cloned.
    let id = tree.join("etc/machine-id");
    std::fs::write(&id, "").map_err(io("write", &id))
}
