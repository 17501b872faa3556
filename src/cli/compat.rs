//! `taremark compat`: what runs in a container and what only in a machine, each cell tried here and now.

use super::failure::FAILED;
use super::kernel::MachineArguments;
use crate::machine::{cache, foreign, kernel};
use crate::measure::compat::{Cell, Places, Row, matrix};
use crate::measure::session::{Session, clean_dead};
use crate::target::container::ContainerTarget;
use crate::target::lookup::host_program;
use crate::target::microvm::MicroVmTarget;
use anyhow::Context;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Of the machine's kernel, not needed without a network.
const MODULE: &str = "virtio_net";

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// As JSON
    #[arg(long)]
    json: bool,
    /// Write it as a page of Markdown as well
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
    #[command(flatten)]
    machine: MachineArguments,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let cache_dir = cache::dir();
    // While there is a network.
    let fetched = foreign::fetch(&cache_dir).context("fetch a kernel and a shell for another processor")?;
    let out = arguments.out.as_ref().map(std::path::absolute).transpose()?;
    clean_dead()?;
    let session = Session::enter(&std::env::temp_dir())?;
    let options = arguments.machine.options(&session.scratch);
    let module = kernel::find(&cache_dir, options.kernel.as_deref())?;
    let module = module.modules.into_iter().find(|m| m.file_stem().is_some_and(|s| s == MODULE));
    let dir = tempfile::tempdir()?;
    let here = native(dir.path(), module.as_deref())?;
    let foreign_tree = foreign::tree(&fetched, "", dir.path())?;
    let elsewhere = |script: &str| {
        let said = foreign::execute(&fetched, script).map_err(|e| e.to_string())?;
        Ok((said.text, said.code))
    };
    let mut places = Places {
        container: &mut ContainerTarget::new(session.scratch.clone())?,
        machine: &mut MicroVmTarget::new(options)?,
        elsewhere: &elsewhere,
        session: &session,
        here,
        foreign: foreign_tree,
        module: MODULE.into(),
    };
    let rows = matrix(&mut places)?;
    if arguments.json {
        println!("{}", serde_json::json!({ "schema": 1, "rows": rows }));
    } else {
        rows.iter().for_each(show);
    }
    if let Some(path) = out {
        std::fs::write(&path, markdown(&rows)).with_context(|| format!("write {}", path.display()))?;
    }
    let cells = rows.iter().flat_map(|r| [Some(&r.container), Some(&r.machine), r.elsewhere.as_ref()]);
    let other = cells.flatten().filter(|c| !c.as_expected).count();
    Ok(if other == 0 { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

/// A root with this host's static shell, and the module.
fn native(dir: &Path, module: Option<&Path>) -> anyhow::Result<PathBuf> {
    let root = dir.join("native");
    for below in ["bin", "proc", "sys", "dev", "tmp"] {
        std::fs::create_dir_all(root.join(below))?;
    }
    std::fs::copy(host_program("busybox")?, root.join("bin/busybox"))?;
    for applet in ["sh", "uname", "cat", "echo", "grep", "sed", "insmod", "rmmod"] {
        std::os::unix::fs::symlink("busybox", root.join("bin").join(applet))?;
    }
    if let Some(module) = module {
        std::fs::copy(module, root.join("module.ko"))?;
    }
    Ok(root)
}

fn show(row: &Row) {
    println!("{}\n  {}", row.question, row.why);
    let line = |place: &str, cell: &Cell| {
        let verdict =
            if cell.as_expected { String::new() } else { format!("   EXPECTED: {}", cell.expected) };
        println!("  {place:<20} {}{verdict}", cell.seen);
    };
    line("container", &row.container);
    line("machine", &row.machine);
    row.elsewhere.iter().for_each(|cell| line("machine for arm64", cell));
}

fn markdown(rows: &[Row]) -> String {
    let mut text = "# What runs where\n\nMade by `taremark compat --out docs/compatibility.md`: each cell is what happened on one \
                    host when it was tried, and the command fails if one comes out otherwise than expected.\n\n\
                    | tried | container | machine | machine for arm64 | why |\n| --- | --- | --- | --- | --- |\n"
        .to_owned();
    let cell = |c: &Cell| {
        let seen = c.seen.replace('|', "\\|");
        if c.as_expected { seen } else { format!("{seen} (expected: {})", c.expected) }
    };
    for row in rows {
        let elsewhere = row.elsewhere.as_ref().map(cell).unwrap_or_else(|| "-".into());
        text += &format!(
            "| {} | {} | {} | {elsewhere} | {} |\n",
            row.question,
            cell(&row.container),
            cell(&row.machine),
            row.why
        );
    }
    text + "\nA machine for arm64 is QEMU's `virt` with Debian's kernel for that architecture, under emulation; its init is a \
            shell that runs the same script. `tare-init` is not built for it.\n"
}
