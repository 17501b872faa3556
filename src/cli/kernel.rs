//! `taremark kernel`: fetch and ls; and the arguments that say which machine a target uses.

use super::bytes::decimal;
use crate::machine::accelerator::Wanted;
use crate::machine::{cache, kernel};
use crate::target::microvm::MicroVmOptions;
use anyhow::Context;
use clap::Subcommand;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Download the distribution's kernel for clouds, check it and unpack it into the cache; nothing is installed
    Fetch,
    /// Show the kernel that machines boot
    Ls,
}

/// Which kernel and accelerator machines use.
#[derive(Debug, Clone, clap::Args)]
pub struct MachineArguments {
    /// Kernel for machines, a bzImage or vmlinux; its modules in a folder `modules` beside it
    #[arg(long, value_name = "PATH", env = "TAREMARK_KERNEL")]
    kernel: Option<PathBuf>,
    /// Accelerator for machines: auto, kvm or tcg
    #[arg(long, value_name = "NAME", default_value = "auto")]
    accel: Wanted,
}

impl MachineArguments {
    /// Options of the target; the volumes of workloads lie in `scratch`.
    pub fn options(&self, scratch: &Path) -> MicroVmOptions {
        MicroVmOptions {
            kernel: self.kernel.clone(),
            accelerator: self.accel,
            ..MicroVmOptions::new(scratch.to_owned())
        }
    }
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let cache_dir = cache::dir();
    let kernel = match arguments.verb {
        Verb::Fetch => kernel::fetch(&cache_dir).context("fetch the kernel for machines")?,
        Verb::Ls => kernel::find(&cache_dir, None)?,
    };
    let size = std::fs::metadata(&kernel.vmlinux)?.len();
    println!("{} ({}), {}, {} modules", kernel.release, kernel.version, decimal(size), kernel.modules.len());
    println!("{}", kernel.vmlinux.display());
    Ok(ExitCode::SUCCESS)
}
