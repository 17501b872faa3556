//! What runs where: the same questions asked in a container, in a machine, and in a machine with another processor. Every
//! cell is what really happened, beside what was to be expected.

mod emulated;
mod questions;

use super::error::MeasureError;
use super::session::Session;
use crate::image::import::{ImportOptions, import};
use crate::image::store::Store;
use crate::target::once::{Ended, run_to_end};
use crate::target::{Job, Target};
use questions::{Expected, QUESTIONS, Question};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A machine with another processor.
pub struct Other<'a> {
    /// As people are told.
    pub name: &'static str,
    /// OCI's name of its architecture.
    pub architecture: &'static str,
    /// What `uname -m` says there.
    pub processor: &'static str,
    /// A page of memory, as the kernel writes it.
    pub page: &'static str,
    /// What it does with a script.
    pub run: Box<Runs<'a>>,
    /// A root file system for it.
    pub root: PathBuf,
    /// For the emulation by binfmt_misc.
    pub emulation: Option<Emulation>,
}

/// Runs a script: what that said, and its exit code; or why it could not be run.
pub type Runs<'a> = dyn Fn(&str) -> Result<(String, i32), String> + 'a;

/// How programs for it are told and run.
pub struct Emulation {
    /// QEMU's for programs.
    pub emulator: &'static str,
    /// Number of the processor in an ELF header (`e_machine`).
    pub elf_machine: u8,
}

/// What is asked, and where.
pub struct Places<'a> {
    /// Ours.
    pub container: &'a mut dyn Target,
    /// A microVM.
    pub machine: &'a mut dyn Target,
    /// Machines with other processors.
    pub others: Vec<Other<'a>>,
    /// Where runs live.
    pub session: &'a Session,
    /// A root file system for this host's processor, with a shell.
    pub here: PathBuf,
    /// A module of the machine's kernel that it can do without, in `here` as `/module.ko`: its name.
    pub module: String,
}

/// One place's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cell {
    /// What happened, in a few words.
    pub seen: String,
    /// What was to be expected.
    pub expected: String,
    /// Whether it is that.
    pub as_expected: bool,
}

/// One question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// What was tried.
    pub question: String,
    /// Why it comes out so.
    pub why: String,
    /// In a container.
    pub container: Cell,
    /// In a machine.
    pub machine: Cell,
    /// In machines with another processor, by their names; none where that adds nothing.
    pub elsewhere: BTreeMap<String, Cell>,
}

/// Asks all of them.
pub fn matrix(places: &mut Places) -> Result<Vec<Row>, MeasureError> {
    let mut rows = Vec::new();
    for question in QUESTIONS {
        rows.push(ask(question, places)?);
    }
    for other in 0..places.others.len() {
        rows.extend(foreign(places, other)?);
    }
    Ok(rows)
}

fn ask(question: &Question, places: &mut Places) -> Result<Row, MeasureError> {
    let script = question.script.replace("MODULE", &places.module);
    let (session, here) = (places.session, places.here.clone());
    let container = answer(places.container, session, &here, &script);
    let machine = answer(places.machine, session, &here, &script);
    let expected = |o: &Other| Some((o.name.to_owned(), (question.elsewhere)(o)?));
    let asked = places.others.iter().filter_map(|o| Some((o, expected(o)?)));
    let elsewhere = asked.map(|(o, (name, e))| (name, cell(&in_other(o, &script), e))).collect();
    Ok(Row {
        question: question.what.into(),
        why: question.why.into(),
        container: cell(&container, question.container),
        machine: cell(&machine, question.machine),
        elsewhere,
    })
}

fn in_other(other: &Other, script: &str) -> Ended {
    match (other.run)(script) {
        Ok((text, code)) => Ended { text, code: Some(code) },
        Err(why) => Ended { text: why, code: None },
    }
}

/// A failure to start is an answer, too.
fn answer(target: &mut dyn Target, session: &Session, root: &Path, script: &str) -> Ended {
    let name = format!("{}-compat-{}", session.name, target.facts().name.replace(':', "-"));
    run_to_end(target, &job(root, script), &session.dir, &name)
        .unwrap_or_else(|e| Ended { text: chain(&e), code: None })
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |e| e.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn job(root: &Path, script: &str) -> Job {
    Job {
        name: "compat".into(),
        // Roots of this verb lie in folders of their own, which are part of a disk's key.
        image_digest: "sha256:compat".into(),
        lower_dirs: vec![root.to_owned()],
        argv: ["sh", "-c", script].map(String::from).to_vec(),
        env: vec!["PATH=/bin".into()],
        cwd: "/".into(),
        uid: 0,
        gid: 0,
        groups: Vec::new(),
        cpus: 1,
        memory_bytes: 256 << 20,
        network: false,
        port: None,
        scratch_bytes: None,
    }
}

fn cell(ended: &Ended, expected: Expected) -> Cell {
    let seen = ended.text.lines().rev().find(|l| !l.trim().is_empty()).unwrap_or_default().trim();
    let seen = match ended.code {
        Some(0) => seen.to_owned(),
        Some(code) => format!("{seen} (exit code {code})"),
        None => format!("{seen} (not started)"),
    };
    let (as_expected, expected) = expected.judge(&seen, ended.code);
    Cell { seen, expected, as_expected }
}

/// An image for another processor, in four ways. None for a second machine with the same processor.
fn foreign(places: &mut Places, other: usize) -> Result<Option<Row>, MeasureError> {
    let Some(emulation) = &places.others[other].emulation else { return Ok(None) };
    let other = &places.others[other];
    let (session, root) = (places.session, other.root.clone());
    let refused = refusal(&root, other.architecture)?;
    let forced = answer(places.container, session, &root, "uname -m");
    let emulated = emulated::in_private(&root, emulation)?;
    let machine = answer(places.machine, session, &root, "uname -m");
    let parts = [
        cell(&refused, Expected::NotForThisHost(other.architecture)),
        cell(&forced, Expected::Says("Exec format error")),
        cell(&emulated, Expected::Says(other.processor)),
    ];
    let names = ["as it is", "forced", "with binfmt_misc and an emulator, in a user namespace"];
    let joined = |of: fn(&Cell) -> &str| {
        let parts = names.iter().zip(&parts).map(|(name, cell)| format!("{name}: {}", of(cell)));
        parts.collect::<Vec<_>>().join("; ")
    };
    let container = Cell {
        seen: joined(|c| &c.seen),
        expected: joined(|c| &c.expected),
        as_expected: parts.iter().all(|p| p.as_expected),
    };
    let elsewhere = cell(&in_other(other, "uname -m"), Expected::Says(other.processor));
    Ok(Some(Row {
        question: format!("an image for linux/{}", other.architecture),
        why:
            "a container's programs run on the host's processor; a machine's on that which it has or emulates"
                .into(),
        container,
        machine: cell(&machine, Expected::Says("Exec format error")),
        elsewhere: [(other.name.to_owned(), elsewhere)].into(),
    }))
}

/// What the suite says of it before anything is started.
fn refusal(root: &Path, architecture: &str) -> Result<Ended, MeasureError> {
    let failed = |e: crate::image::ImageError| MeasureError::Image {
        reference: "foreign".into(),
        source: Box::new(e),
    };
    let system = |step| move |source| MeasureError::System { step, source };
    let dir = tempfile::tempdir().map_err(system("create a temporary folder"))?;
    let store = Store::open(dir.path()).map_err(failed)?;
    let mut archive = tar::Builder::new(Vec::new());
    archive.follow_symlinks(false);
    archive.append_dir_all(".", root).map_err(system("pack an image"))?;
    let bytes = archive.into_inner().map_err(system("pack an image"))?;
    let options = ImportOptions { architecture: Some(architecture.into()), ..ImportOptions::default() };
    let reference = "foreign:latest".parse().map_err(failed)?;
    let image = import(&store, bytes.as_slice(), &reference, &options).map_err(failed)?;
    Ok(match image.check_host() {
        Ok(()) => Ended { text: "it was not refused".into(), code: Some(0) },
        Err(e) => Ended { text: e.to_string(), code: None },
    })
}
