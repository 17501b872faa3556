//! `taremark kernel`: fetch and ls; and the arguments that say which machine a target uses.

use super::bytes::decimal;
use super::json::Json;
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
    Fetch(Json),
    /// Build a small kernel for machines from the distribution's source; takes minutes, once
    Build(BuildArguments),
    /// List the kernels in the cache; those that machines boot are marked
    Ls(Json),
    /// Boot this kernel from now on: target microvm the distribution's, microvm:own a built one
    Use(UseArguments),
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
    #[command(flatten)]
    json: Json,
}

#[derive(Debug, clap::Args)]
struct UseArguments {
    /// Name, as `kernel ls` shows it
    name: String,
    #[command(flatten)]
    json: Json,
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
        Verb::Fetch(json) => {
            tell(*json, &kernel::fetch(&cache_dir).context("fetch the kernel for machines")?)?;
        }
        Verb::Build(b) => build(b, &cache_dir)?,
        Verb::Ls(ls) => list(*ls, &cache_dir)?,
        Verb::Use(u) => tell(u.json, &kernel::choose(&cache_dir, &u.name)?)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(json: Json, kernel: &kernel::Kernel) -> anyhow::Result<()> {
    json.or(&as_json(kernel), || show(kernel))
}

fn show(kernel: &kernel::Kernel) {
    let size = decimal(length(kernel));
    println!("{} ({}), {size}, {} modules", kernel.release, kernel.version, kernel.modules.len());
    println!("{}", kernel.vmlinux.display());
}

fn length(kernel: &kernel::Kernel) -> u64 {
    std::fs::metadata(&kernel.vmlinux).map_or(0, |m| m.len())
}

fn as_json(kernel: &kernel::Kernel) -> serde_json::Value {
    serde_json::json!({ "release": kernel.release, "version": kernel.version, "origin": kernel.origin.name(),
        "vmlinux": kernel.vmlinux, "bytes": length(kernel), "modules": kernel.modules.len() })
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
    let mut told = as_json(&built.kernel);
    told["name"] = built.name.clone().into();
    told["digest"] = format!("sha256:{}", built.digest).into();
    told["made"] = built.made.into();
    arguments.json.or(&told, || {
        let how = if built.made { format!("built in {seconds} s") } else { "is in the cache".into() };
        println!("{} {how}", built.name);
        println!("sha256:{}", built.digest);
        show(&built.kernel);
    })
}

fn list(json: Json, cache_dir: &Path) -> anyhow::Result<()> {
    let kernels = kernel::list(cache_dir);
    if json.json {
        let row = |s: &kernel::Stored| {
            let mut row = as_json(&s.kernel);
            row["name"] = s.name.clone().into();
            row["used"] = s.used.into();
            row
        };
        let rows: Vec<_> = kernels.iter().map(row).collect();
        return super::json::print(&serde_json::json!({ "schema": 1, "kernels": rows }));
    }
    if kernels.is_empty() {
        println!("no kernels; `taremark kernel fetch` or `taremark kernel build` makes one");
    }
    for s in &kernels {
        let size = length(&s.kernel);
        let mark = if s.used { "*" } else { " " };
        println!("{mark} {}  {} ({}), {}", s.name, s.kernel.release, s.kernel.version, decimal(size));
    }
    Ok(())
}
