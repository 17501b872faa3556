//! Targets that are other people's programs: built-in rows, and the user's own in TOML files.

use super::failure::Usage;
use super::targets::{KNOWN, MORE};
use crate::machine::hypervisor::Kind;
use crate::target::hypervisor::HypervisorTarget;
use crate::target::microvm::MicroVmOptions;
use crate::target::rows::{self, Row, RowError};
use std::path::{Path, PathBuf};

/// Which other targets there are.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct OtherArguments {
    /// A TOML file with further targets [default: ~/.config/taremark/targets.toml, where it is]
    #[arg(long = "targets", value_name = "FILE", env = "TAREMARK_TARGETS")]
    files: Vec<PathBuf>,
    /// Firecracker's program, for target firecracker [default: the one in PATH]
    #[arg(long, value_name = "PATH", env = "TAREMARK_FIRECRACKER")]
    firecracker: Option<PathBuf>,
    /// cloud-hypervisor's program, for target cloud-hypervisor [default: the one in PATH]
    #[arg(long, value_name = "PATH", env = "TAREMARK_CLOUD_HYPERVISOR")]
    cloud_hypervisor: Option<PathBuf>,
}

/// Targets of other monitors than QEMU.
pub const MONITORS: [Kind; 2] = [Kind::Firecracker, Kind::CloudHypervisor];

impl OtherArguments {
    /// The built-in rows and the user's; a later one takes the place of an earlier one of its name.
    pub fn rows(&self) -> anyhow::Result<Vec<Row>> {
        let mut rows = rows::built_in()?;
        let own = own_file().filter(|_| self.files.is_empty());
        let taken: Vec<&str> = KNOWN.into_iter().chain(MORE).collect();
        for file in own.iter().chain(&self.files) {
            for row in rows::read(file, &taken).map_err(as_usage)? {
                match rows.iter_mut().find(|r| r.name == row.name) {
                    Some(same) => *same = row,
                    None => rows.push(row),
                }
            }
        }
        Ok(rows)
    }
}

impl OtherArguments {
    /// A monitor's target, where KVM can run it.
    pub fn monitor(&self, kind: Kind, options: MicroVmOptions) -> anyhow::Result<HypervisorTarget> {
        let named = match kind {
            Kind::Firecracker => &self.firecracker,
            Kind::CloudHypervisor => &self.cloud_hypervisor,
        };
        let program = named.as_ref().map_or(kind.name().into(), |p| p.display().to_string());
        let target = HypervisorTarget::new(kind, &program, options)?;
        target.check_kvm()?;
        Ok(target)
    }
}

fn as_usage(error: RowError) -> anyhow::Error {
    match error {
        RowError::Bad { .. } => Usage { what: error.to_string() }.into(),
        RowError::Io { .. } => error.into(),
    }
}

/// `$XDG_CONFIG_HOME/taremark/targets.toml`, or below `~/.config` (XDG Base Directory Specification); none if it is not
/// there.
fn own_file() -> Option<PathBuf> {
    let base = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|p| p.is_absolute());
    let base = base.or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".config")))?;
    Some(base.join("taremark/targets.toml")).filter(|p| p.is_file())
}
