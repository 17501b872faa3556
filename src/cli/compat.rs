//! `taremark compat`: what runs in a container and what only in a machine, each cell tried here and now.

use super::failure::FAILED;
use super::kernel::MachineArguments;
use crate::machine::foreign::{Foreign, KINDS, Kind};
use crate::machine::{cache, foreign, kernel};
use crate::measure::compat::{Cell, Emulation, Other, Places, Row, matrix};
use crate::measure::session::{Session, clean_dead};
use crate::target::container::ContainerTarget;
use crate::target::lookup::host_program;
use crate::target::microvm::MicroVmTarget;
use anyhow::Context;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Of the machine's kernel, not needed without a network.
const MODULE: &str = "failover";

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
    let fetch = |kind: &'static Kind| {
        let fetched = foreign::fetch(&cache_dir, kind);
        fetched.with_context(|| format!("fetch a kernel and a shell for {}", kind.name))
    };
    let fetched = KINDS.iter().map(fetch).collect::<anyhow::Result<Vec<_>>>()?;
    let out = arguments.out.as_ref().map(std::path::absolute).transpose()?;
    clean_dead()?;
    let session = Session::enter(&std::env::temp_dir())?;
    let options = arguments.machine.options(&session.scratch);
    let module = kernel::find(&cache_dir, options.kernel.as_deref())?;
    let module = module.modules.into_iter().find(|m| m.file_stem().is_some_and(|s| s == MODULE));
    let dir = tempfile::tempdir()?;
    let here = native(dir.path(), module.as_deref())?;
    let others = fetched.iter().map(|f| other(f, dir.path())).collect::<anyhow::Result<Vec<_>>>()?;
    let mut places = Places {
        container: &mut ContainerTarget::new(session.scratch.clone())?,
        machine: &mut MicroVmTarget::new(options)?,
        others,
        session: &session,
        here,
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
    let cells = rows.iter().flat_map(|r| [&r.container, &r.machine].into_iter().chain(r.elsewhere.values()));
    let other = cells.filter(|c| !c.as_expected).count();
    Ok(if other == 0 { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

/// How it is asked. The emulation of programs is shown once for each processor.
fn other<'a>(fetched: &'a Foreign, dir: &Path) -> anyhow::Result<Other<'a>> {
    let kind = fetched.kind;
    let below = dir.join(kind.name);
    std::fs::create_dir_all(&below)?;
    let emulation = match kind.name {
        "arm64" => Some(Emulation { emulator: "qemu-aarch64-static", elf_machine: 183 }),
        "riscv64" => Some(Emulation { emulator: "qemu-riscv64-static", elf_machine: 243 }),
        _ => None,
    };
    let run = |script: &str| {
        let said = foreign::execute(fetched, script).map_err(|e| e.to_string())?;
        Ok((said.text, said.code))
    };
    Ok(Other {
        name: kind.name,
        architecture: kind.architecture,
        processor: kind.processor,
        page: kind.page,
        run: Box::new(run),
        root: foreign::tree(fetched, "", &below)?,
        emulation,
    })
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
        println!("  {place:<31} {}{verdict}", cell.seen);
    };
    line("container", &row.container);
    line("machine", &row.machine);
    row.elsewhere.iter().for_each(|(name, cell)| line(&format!("machine for {name}"), cell));
}

fn markdown(rows: &[Row]) -> String {
    let others = KINDS.map(|k| k.name);
    let mut text = "# What runs where\n\nMade by `taremark compat --out docs/compatibility.md`: each cell is what happened on one \
                    host when it was tried, and the command fails if one comes out otherwise than expected.\n\n"
        .to_owned();
    let heads = others.map(|name| format!(" machine for {name} |"));
    text += &format!("| tried | container | machine |{} why |\n", heads.concat());
    text += &format!("| --- | --- | --- |{} --- |\n", " --- |".repeat(others.len()));
    let cell = |c: &Cell| {
        let seen = c.seen.replace('|', "\\|");
        if c.as_expected { seen } else { format!("{seen} (expected: {})", c.expected) }
    };
    for row in rows {
        let elsewhere =
            others.map(|name| format!(" {} |", row.elsewhere.get(name).map_or_else(|| "-".into(), cell)));
        let (container, machine) = (cell(&row.container), cell(&row.machine));
        let (question, why) = (&row.question, &row.why);
        text += &format!("| {question} | {container} | {machine} |{} {why} |\n", elsewhere.concat());
    }
    text + "\nA machine for another processor is QEMU's `virt` with Debian's kernel for it, under emulation; its init is a shell that \
            runs the same script. `tare-init` is not built for it. Kernels with pages of 16 KiB and those for riscv64 come from \
            Debian 13.\n"
}
