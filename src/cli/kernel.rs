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
    /// Build a small kernel for machines from the distribution's source; takes minutes, once
    Build(BuildArguments),
    /// List the kernels in the cache; those that machines boot are marked
    Ls(LsArguments),
    /// Boot this kernel from now on: target microvm the distribution's, microvm:own a built one
    Use {
        /// Name, as `kernel ls` shows it
        name: String,
    },
}

#[derive(Debug, clap::Args)]
struct BuildArguments {
    /// Fragment of a kernel configuration on top of ours; may be given again
    #[arg(long = "config", value_name = "PATH")]
    fragments: Vec<PathBuf>,
    /// A .tar archive of a kernel tree instead of the distribution's source package
    #[arg(long, value_name = "PATH")]
    source: Option<PathBuf>,
    /// Processes at once [default: one for each processor]
    #[arg(long, short, value_name = "N", default_value_t = 0, hide_default_value = true)]
    jobs: usize,
    /// Build a kernel that is there once more, and fail if its bytes differ
    #[arg(long)]
    again: bool,
}

#[derive(Debug, clap::Args)]
struct LsArguments {
    /// As JSON
    #[arg(long)]
    json: bool,
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
    /// RAM whose pages the host's kernel may merge.
    #[arg(skip)]
    mergeable: bool,
    #[command(flatten)]
    pub others: super::others::OtherArguments,
}

impl MachineArguments {
    /// The guest's RAM is such that the host's kernel may merge its pages, if so.
    pub fn mergeable(mut self, mergeable: bool) -> Self {
        self.mergeable = mergeable;
        self
    }

    /// Options of the target; the volumes of workloads lie in `scratch`.
    pub fn options(&self, scratch: &Path) -> MicroVmOptions {
        MicroVmOptions {
            kernel: self.kernel.clone(),
            accelerator: self.accel,
            mergeable: self.mergeable,
            ..MicroVmOptions::new(scratch.to_owned())
        }
    }
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let cache_dir = cache::dir();
    match &arguments.verb {
        Verb::Fetch => show(&kernel::fetch(&cache_dir).context("fetch the kernel for machines")?)?,
        Verb::Build(b) => build(b, &cache_dir)?,
        Verb::Ls(ls) => list(ls, &cache_dir)?,
        Verb::Use { name } => show(&kernel::choose(&cache_dir, name)?)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn show(kernel: &kernel::Kernel) -> anyhow::Result<()> {
    let size = std::fs::metadata(&kernel.vmlinux)?.len();
    println!("{} ({}), {}, {} modules", kernel.release, kernel.version, decimal(size), kernel.modules.len());
    println!("{}", kernel.vmlinux.display());
    Ok(())
}

fn build(arguments: &BuildArguments, cache_dir: &Path) -> anyhow::Result<()> {
    let from = std::time::Instant::now();
    let build = kernel::Build {
        source: arguments.source.clone(),
        fragments: arguments.fragments.clone(),
        jobs: arguments.jobs,
        again: arguments.again,
    };
    let built = kernel::build(cache_dir, &build).context("build a kernel for machines")?;
    let seconds = from.elapsed().as_secs();
    println!(
        "{} {}",
        built.name,
        if built.made { format!("built in {seconds} s") } else { "is in the cache".into() }
    );
    println!("sha256:{}", built.digest);
    show(&built.kernel)
}

fn list(arguments: &LsArguments, cache_dir: &Path) -> anyhow::Result<()> {
    let kernels = kernel::list(cache_dir);
    if arguments.json {
        let row = |s: &kernel::Stored| {
            serde_json::json!({ "name": s.name, "release": s.kernel.release, "version": s.kernel.version,
                "origin": s.kernel.origin.name(), "used": s.used, "vmlinux": s.kernel.vmlinux })
        };
        let rows: Vec<_> = kernels.iter().map(row).collect();
        println!("{}", serde_json::json!({ "schema": 1, "kernels": rows }));
        return Ok(());
    }
    if kernels.is_empty() {
        println!("no kernels; `taremark kernel fetch` or `taremark kernel build` makes one");
    }
    for s in &kernels {
        let size = std::fs::metadata(&s.kernel.vmlinux).map_or(0, |m| m.len());
        let mark = if s.used { "*" } else { " " };
        println!("{mark} {}  {} ({}), {}", s.name, s.kernel.release, s.kernel.version, decimal(size));
    }
    Ok(())
}
