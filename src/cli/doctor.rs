//! `taremark doctor`: each target is tried with a real run, so that what is called usable has just been used.

use super::failure::{LACKS, one_line};
use super::paint::{Tone, out};
use super::{kernel, targets};
use crate::image::store::Store;
use crate::measure::images::{Limits, Ready, ready};
use crate::measure::run::{Setting, run_once};
use crate::measure::session::{Session, clean_dead};
use crate::target::{Target, TargetError};
use crate::workload::builtin;
use serde::Serialize;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Remove what killed benches left: processes, cgroups, folders
    #[arg(long)]
    clean: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
    /// Only this target; may be given again
    #[arg(long = "target", value_name = "NAME", value_delimiter = ',', conflicts_with = "clean")]
    targets: Vec<String>,
    #[command(flatten)]
    machine: kernel::MachineArguments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Usable,
    Degraded,
    NotUsable,
    /// Somebody else's program that is not there; nothing is lacking without it.
    Absent,
}

/// What was found of one target.
#[derive(Debug, Serialize)]
struct Finding {
    target: String,
    state: State,
    /// Start-up of `hello`, milliseconds, from the run that was tried.
    startup_ms: Option<f64>,
    why: String,
    mend: String,
}

/// All of it.
#[derive(Debug, Serialize)]
struct Findings {
    schema: u32,
    targets: Vec<Finding>,
    removed: Vec<String>,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if !arguments.targets.is_empty() {
        targets::named(&arguments.targets, &arguments.machine.others.rows()?)?;
    }
    let removed = clean_dead()?.into_iter().map(|l| l.session).collect::<Vec<_>>();
    if arguments.clean {
        let tables = clean_containers()?;
        if arguments.json {
            println!("{}", serde_json::json!({ "schema": 1, "removed": removed, "tables": tables }));
        } else if removed.is_empty() && tables.is_empty() {
            println!("nothing was left by killed benches and containers");
        }
        removed
            .iter()
            .filter(|_| !arguments.json)
            .for_each(|r| println!("removed what session {r} had left"));
        let tables = tables.iter().filter(|_| !arguments.json);
        tables.for_each(|t| println!("removed the rules {t} of a container that is gone"));
        return Ok(ExitCode::SUCCESS);
    }
    let findings = Findings { schema: 1, targets: find(&arguments.machine, &arguments.targets), removed };
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&findings)?);
    } else {
        findings.targets.iter().for_each(show);
        let absent = findings.targets.iter().filter(|f| f.state == State::Absent);
        let absent: Vec<&str> = absent.map(|f| f.target.as_str()).collect();
        if !absent.is_empty() {
            println!("not on this host: {}", absent.join(", "));
        }
    }
    let usable = |f: &Finding| f.state != State::NotUsable;
    // Another runtime is no lack, unless it was asked for.
    let wanted = |f: &&Finding| !arguments.targets.is_empty() || targets::KNOWN.contains(&f.target.as_str());
    let known = findings.targets.iter().filter(wanted);
    Ok(if known.into_iter().all(usable) { ExitCode::SUCCESS } else { ExitCode::from(LACKS) })
}

/// What containers have left whose monitors were killed: the same as before any of their commands, and the rules of
/// those whose folders are gone as well.
fn clean_containers() -> anyhow::Result<Vec<String>> {
    let path = crate::life::folder::default_root();
    if !path.is_dir() {
        return Ok(Vec::new());
    }
    Ok(crate::life::network::nft::sweep(&super::containers::open()?)?)
}

fn show(finding: &Finding) {
    let state = match finding.state {
        State::Usable => out(Tone::Good, "usable"),
        State::Degraded => out(Tone::Care, "degraded"),
        State::NotUsable => out(Tone::Bad, "not usable"),
        State::Absent => return,
    };
    let took = finding.startup_ms.map(|ms| format!("  hello in {ms:.1} ms")).unwrap_or_default();
    println!("{:<12} {state}{took}", finding.target);
    let indented = |text: &str| textwrap(text, 66).iter().for_each(|l| println!("             {l}"));
    if !finding.why.is_empty() {
        indented(&finding.why);
    }
    if !finding.mend.is_empty() {
        indented(&format!("{} {}", out(Tone::Hint, "try:"), finding.mend));
    }
}

/// Breaks at spaces; a word that is longer than the line stays whole.
pub fn textwrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().map_or(0, |l| l.chars().count());
        if last > 0 && last + 1 + word.chars().count() > width {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

fn find(machine: &kernel::MachineArguments, wanted: &[String]) -> Vec<Finding> {
    let surroundings = || -> anyhow::Result<(Session, Ready)> {
        let session = Session::enter(&std::env::temp_dir())?;
        let store = Store::open(&Store::default_root())?;
        let hello =
            builtin::find("hello").ok_or_else(|| anyhow::anyhow!("workload hello is not built in"))?;
        let job = ready(&store, &hello, Limits { cpus: 1, memory_bytes: 256 << 20 })?;
        Ok((session, job))
    };
    let (session, job) = match surroundings() {
        Ok(made) => made,
        Err(e) => return targets::KNOWN.iter().map(|t| broken(t, &e)).collect(),
    };
    let rows = match machine.others.rows() {
        Ok(rows) => rows,
        Err(e) => return vec![broken("--targets", &e)],
    };
    let others: Vec<&str> = rows.iter().map(|r| r.name.as_str()).collect();
    let names = ["process", "container"].into_iter().chain(others.iter().copied()).chain(["microvm"]);
    let monitors = super::others::MONITORS.map(|k| k.name());
    let names = names.chain(monitors);
    let mut findings = Vec::new();
    let names: Vec<&str> =
        if wanted.is_empty() { names.collect() } else { wanted.iter().map(String::as_str).collect() };
    for name in names {
        let made = targets::make(&[name], &session, machine, false);
        let tried = made.and_then(|mut t| {
            let target = t.remove(0);
            attempt(target, &job, &session)
        });
        match tried {
            Err(e)
                if wanted.is_empty()
                    && (others.contains(&name) || monitors.contains(&name))
                    && is_missing(&e) =>
            {
                findings.push(absent(name, &e));
            }
            Err(e) => findings.push(broken(name, &e)),
            Ok(finding) => findings.push(finding),
        }
    }
    findings
}

fn absent(target: &str, error: &anyhow::Error) -> Finding {
    Finding { state: State::Absent, mend: String::new(), ..broken(target, error) }
}

fn is_missing(error: &anyhow::Error) -> bool {
    error.chain().any(|c| matches!(c.downcast_ref(), Some(TargetError::Missing { .. })))
}

fn attempt(mut target: Box<dyn Target>, job: &Ready, session: &Session) -> anyhow::Result<Finding> {
    target.prepare(&job.job)?;
    let facts = target.facts().clone();
    let name = format!("{}-doctor-{}", session.name, facts.name.replace(':', "-"));
    let interrupted = AtomicBool::new(false);
    let setting =
        Setting { session_dir: &session.dir, name: &name, settle: Duration::ZERO, interrupted: &interrupted };
    let outcome = run_once(target.as_mut(), &job.workload, &job.job, &setting)?;
    let startup = outcome.samples.iter().find(|s| s.0 == "startup_ms").map(|s| s.1);
    let emulated = facts.accelerator == "tcg";
    let accelerator = facts.facts.get("accelerator").cloned().unwrap_or_default();
    let untested = facts.facts.get("untested").map(|why| format!("untested: {why}"));
    Ok(Finding {
        target: facts.name,
        state: if emulated { State::Degraded } else { State::Usable },
        startup_ms: startup,
        why: if emulated {
            format!("emulation, marked tcg everywhere: {accelerator}")
        } else {
            untested.unwrap_or(accelerator)
        },
        mend: if emulated {
            "a host whose KVM runs guests; figures of tcg are not the cost of a virtual machine".into()
        } else {
            String::new()
        },
    })
}

fn broken(target: &str, error: &anyhow::Error) -> Finding {
    let mend = super::failure::hint(error).unwrap_or_default();
    Finding {
        target: target.to_owned(),
        state: State::NotUsable,
        startup_ms: None,
        why: one_line(error),
        mend,
    }
}

/// How a missing program is had on Debian and Ubuntu.
pub fn package_of(program: &str) -> String {
    let package = match program {
        "qemu-system-aarch64" => "qemu-system-arm",
        "qemu-system-riscv64" => "qemu-system-misc",
        p if p.starts_with("qemu-system") => "qemu-system-x86",
        "mkfs.erofs" => "erofs-utils",
        "mkfs.ext4" => "e2fsprogs",
        "sbatch" | "scontrol" | "squeue" | "sacct" | "sinfo" => "slurm-client",
        "qemu-img" => "qemu-utils",
        "grub-mkimage" => "grub-common",
        p if p.starts_with("/usr/lib/grub/") => "grub-pc-bin",
        "tarec" | "tare-init" | "tare-load" => {
            return "cargo build --bins, or TAREMARK_LIBEXEC with the folder that has it".into();
        }
        other => other,
    };
    format!("sudo apt-get install {package}")
}
