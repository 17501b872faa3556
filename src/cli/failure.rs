//! From an error to what a person reads: one line with what, where and why, a hint where there is one, and the exit
//! code.

use super::paint::{Tone, err};
use crate::fleet::FleetError;
use crate::image::ImageError;
use crate::image::registry::RegistryError;
use crate::machine::MachineError;
use crate::measure::MeasureError;
use crate::record::RecordError;
use crate::target::TargetError;
use std::io::ErrorKind;
use std::process::ExitCode;

/// A run failed or a gate was broken.
pub const FAILED: u8 = 1;
/// The arguments are wrong.
pub const USAGE: u8 = 2;
/// The host lacks something.
pub const LACKS: u8 = 3;

/// ENOSPC, as programs of the host tell it.
const FULL: &str = "No space left on device";

/// What is wrong with the arguments, found after they were parsed.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct Usage {
    /// In one line.
    pub what: String,
}

/// What the host lacks.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct Lacks {
    /// In one line.
    pub what: String,
    /// What to try.
    pub mend: String,
}

/// Prints the error and gives its exit code.
pub fn show(error: &anyhow::Error) -> ExitCode {
    if broken_pipe(error) {
        return ExitCode::SUCCESS;
    }
    tell(error);
    ExitCode::from(code(error))
}

/// As a compiler does: `error:` with what and where, and below it what to try.
pub fn tell(error: &anyhow::Error) {
    wrong(&one_line(error));
    try_this(error);
}

/// What went wrong, and where.
pub fn wrong(text: &str) {
    eprintln!("{} {text}", err(Tone::Bad, "error:"));
}

/// What to try, where that is known.
pub fn try_this(error: &anyhow::Error) {
    if let Some(hint) = hint(error) {
        eprintln!("  {} {hint}", err(Tone::Hint, "try:"));
    }
}

/// Something that a reader has to know and that ends nothing.
pub fn note(text: &str) {
    eprintln!("{} {text}", err(Tone::Care, "note:"));
}

/// The whole chain in one line, without what a cause only repeats.
pub fn one_line(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let more = cause.to_string();
        if text.is_empty() {
            text = more;
        } else if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|c| c.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == ErrorKind::BrokenPipe))
}

fn io_kind(error: &anyhow::Error) -> Option<ErrorKind> {
    // Of a program of the host there are only its words.
    let full = |e: &MachineError| matches!(e, MachineError::Program { said, .. } if said.contains(FULL));
    if error.chain().filter_map(|c| c.downcast_ref()).any(full) {
        return Some(ErrorKind::StorageFull);
    }
    error.chain().filter_map(|c| c.downcast_ref::<std::io::Error>()).map(std::io::Error::kind).last()
}

/// The exit code for it.
pub fn code(error: &anyhow::Error) -> u8 {
    for cause in error.chain() {
        if cause.is::<Usage>() {
            return USAGE;
        }
        match cause.downcast_ref() {
            Some(FleetError::Start { .. }) => return LACKS,
            Some(FleetError::Refused { why, .. }) if of_no_cluster(why) => return LACKS,
            Some(FleetError::None { .. } | FleetError::Taken { .. }) => return USAGE,
            _ => {}
        }
        if cause.is::<Lacks>() || matches!(cause.downcast_ref(), Some(TargetError::Missing { .. })) {
            return LACKS;
        }
        if let Some(
            MachineError::Missing { .. }
            | MachineError::NoKernel { .. }
            | MachineError::NoOwnKernel { .. }
            | MachineError::NoSystem { .. },
        ) = cause.downcast_ref()
        {
            return LACKS;
        }
        if let Some(MachineError::UnknownKernel { .. }) = cause.downcast_ref() {
            return USAGE;
        }
        if let Some(ImageError::Foreign { .. }) = cause.downcast_ref() {
            return LACKS;
        }
        if let Some(RecordError::Misfits(_)) = cause.downcast_ref() {
            return USAGE;
        }
        if let Some(ImageError::NotFound(_) | ImageError::BadReference { .. } | ImageError::BadDigest(_)) =
            cause.downcast_ref()
        {
            return USAGE;
        }
    }
    match io_kind(error) {
        Some(ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem | ErrorKind::StorageFull) => LACKS,
        _ => FAILED,
    }
}

pub fn hint(error: &anyhow::Error) -> Option<String> {
    for cause in error.chain() {
        if let Some(lacks) = cause.downcast_ref::<Lacks>() {
            return Some(lacks.mend.clone());
        }
        if let Some(TargetError::Missing { program, .. }) = cause.downcast_ref() {
            return Some(super::doctor::package_of(program));
        }
        if let Some(MachineError::Missing { program, .. }) = cause.downcast_ref() {
            return Some(super::doctor::package_of(program));
        }
        if let Some(hint) = cause.downcast_ref().and_then(of_record) {
            return Some(hint.into());
        }
        match cause.downcast_ref() {
            Some(FleetError::None { .. }) => {
                return Some("the folder that was given to `taremark fleet submit`".into());
            }
            Some(FleetError::Refused { why, .. }) if of_no_cluster(why) => {
                return Some("a host of the cluster, or SLURM_CONF with the path of its slurm.conf".into());
            }
            _ => {}
        }
        if let Some(FleetError::Start { program, .. }) = cause.downcast_ref() {
            return Some(super::doctor::package_of(program));
        }
        if let Some(MachineError::NoKernel { .. }) = cause.downcast_ref() {
            return Some("taremark kernel fetch".into());
        }
        if let Some(MachineError::NoSystem { flavour, .. }) = cause.downcast_ref() {
            let small = if *flavour == "small" { " --small" } else { "" };
            return Some(format!("taremark vm build{small} (a minute, once)"));
        }
        if let Some(MachineError::NoOwnKernel { .. } | MachineError::OtherHost { .. }) = cause.downcast_ref()
        {
            return Some("taremark kernel build (minutes, once)".into());
        }
        if let Some(ImageError::Foreign { host, .. }) = cause.downcast_ref() {
            return Some(format!("an image for {host}; `taremark compat` shows what else there is"));
        }
        if let Some(ImageError::NotFound(_)) = cause.downcast_ref() {
            return Some(
                "`taremark image ls` lists what is there; `taremark image import` or `load` adds one".into(),
            );
        }
        if let Some(ImageError::Registry(e)) = cause.downcast_ref() {
            return of_registry(e);
        }
        if let Some(MeasureError::NotReady { .. }) = cause.downcast_ref() {
            return Some("another --ready, or a larger --memory".into());
        }
    }
    match io_kind(error)? {
        ErrorKind::PermissionDenied if !nix::unistd::geteuid().is_root() => {
            Some("the same through sudo".into())
        }
        ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => {
            Some("another folder (--output, --out, TAREMARK_STORE)".into())
        }
        ErrorKind::StorageFull => {
            Some("free space, or another folder (--output, --out, TAREMARK_STORE)".into())
        }
        _ => None,
    }
}

/// Whether a program of Slurm found no cluster to ask.
fn of_no_cluster(why: &str) -> bool {
    ["configuration source", "Unable to contact slurm controller"].iter().any(|w| why.contains(w))
}

fn of_record(error: &RecordError) -> Option<&'static str> {
    match error {
        RecordError::Misfits(_) => Some("--leave-out, which merges the rest and lists these"),
        RecordError::Io { source, .. } if source.kind() == ErrorKind::NotFound => {
            Some("the folder of a record, as `taremark bench --out DIR` makes one")
        }
        RecordError::Busy { .. } => Some("the same once that bench has ended"),
        RecordError::Row { .. } | RecordError::Json { .. } | RecordError::Table { .. } => Some(
            "another copy of the record; `sha256sum -c SHA256SUMS` in its folder says which file was changed",
        ),
        RecordError::Huge { .. } => {
            Some("`taremark merge RECORD -o OUT`, which reads a record in pieces, then `taremark report OUT`")
        }
        _ => None,
    }
}

fn of_registry(error: &RegistryError) -> Option<String> {
    match error {
        RegistryError::NoHost(_) => {
            Some("the name with its registry's host, or `taremark image tag` first".into())
        }
        RegistryError::Denied { host, .. } => {
            Some(format!("`podman login {host}` or `docker login {host}`, or --authfile"))
        }
        e if e.is_tls() => {
            Some("--ca with the registry's authority, or --insecure for a registry of your own".into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn each_error_has_its_exit_code() {
        let full =
            Err::<(), _>(std::io::Error::from(ErrorKind::StorageFull)).context("write x").expect_err("error");
        assert_eq!((code(&full), hint(&full).is_some()), (LACKS, true));
        let unknown = anyhow::Error::from(ImageError::NotFound("a:b".into()));
        assert_eq!(code(&unknown), USAGE);
        assert_eq!(code(&anyhow::anyhow!("else")), FAILED);
        let missing = TargetError::Missing { program: "qemu-system-x86_64".into(), looked: "PATH".into() };
        let missing = anyhow::Error::from(missing).context("start");
        assert_eq!(code(&missing), LACKS);
        assert_eq!(one_line(&missing), "start: qemu-system-x86_64 is not on this host (PATH)");
    }
}
