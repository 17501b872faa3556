//! Makes a kernel of our own: the distribution's source, our configuration, the host's compiler.
//!
//! Repeatable: the same source, configuration and compiler give the same bytes, because nothing of the host, the user
//! or the hour goes into it (Documentation/kbuild/reproducible-builds.rst). So it is kept by the digest of those three.

use super::source::{self, Source};
use super::store::{self, Origin};
use super::{Initialises, Kernel, config, needs, vmlinux};
use crate::machine::cache;
use crate::machine::error::{MachineError, io};
use crate::machine::program::{find, run};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What goes into every build and would otherwise be the host's, the user's and the hour's.
const FIXED: [(&str, &str); 6] = [
    ("KBUILD_BUILD_TIMESTAMP", "Thu Jan  1 00:00:00 UTC 1970"),
    ("KBUILD_BUILD_USER", "taremark"),
    ("KBUILD_BUILD_HOST", "taremark"),
    ("KBUILD_BUILD_VERSION", "1"),
    ("LC_ALL", "C"),
    ("TZ", "UTC"),
];
/// Programs that the kernel's Makefile calls, and Debian's packages for them.
const TOOLS: [(&str, &str); 7] = [
    ("make", "make"),
    ("gcc", "gcc"),
    ("ld", "binutils"),
    ("flex", "flex"),
    ("bison", "bison"),
    ("bc", "bc"),
    ("xz", "xz-utils"),
];

/// What is to be built.
#[derive(Debug, Clone, Default)]
pub struct Build {
    /// A .tar archive of a kernel tree instead of the distribution's package.
    pub source: Option<PathBuf>,
    /// Fragments on top of our configuration.
    pub fragments: Vec<PathBuf>,
    /// Processes of make; 0: one for each processor.
    pub jobs: usize,
    /// Build even if it is in the cache, and fail if the bytes differ.
    pub again: bool,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// Name in the cache.
    pub name: String,
    /// The kernel.
    pub kernel: Kernel,
    /// SHA-256 of its vmlinux.
    pub digest: String,
    /// False where it was in the cache.
    pub made: bool,
}

/// Builds it for this host's processor unless it is in the cache, and makes it the one that `microvm:own` boots. Takes minutes.
pub fn build(cache_dir: &Path, what: &Build) -> Result<Built, MachineError> {
    let mut more = if needs::return_thunks() { "" } else { needs::WITHOUT_RETURN_THUNKS }.to_owned();
    more += if Initialises::of_host().stack { "" } else { needs::WITHOUT_STACK_INIT };
    for path in &what.fragments {
        more += &std::fs::read_to_string(path).map_err(io("read", path))?;
        more.push('\n');
    }
    let wanted = config::merged(&more);
    let source = source::of(what.source.as_deref())?;
    let compiler = compiler()?;
    let text = config::write(&wanted);
    let parts = [source.digest.as_str(), &text, &compiler].map(str::as_bytes);
    let name = format!("own-{}", &cache::key(parts)[..16]);
    let there = store::has(cache_dir, &name);
    if there && what.again {
        repeat(cache_dir, &name, &source, &wanted, what)?;
    }
    store::made_once(cache_dir, &name, |making, made| {
        let out = make(&source, &wanted, what, making)?;
        keep(&source, &compiler, &out, made)
    })?;
    let kernel = store::choose(cache_dir, &name)?;
    let digest = cache::digest(&kernel.vmlinux)?;
    Ok(Built { name, kernel, digest, made: !there })
}

/// First lines of what compiler and linker say of themselves: another one may make other code.
fn compiler() -> Result<String, MachineError> {
    for (program, package) in TOOLS {
        find(program, package)?;
    }
    // The kernel's objtool reads its objects by it.
    let mut try_header = Command::new(find("gcc", "gcc")?);
    if run(try_header.args(["-fsyntax-only", "-include", "gelf.h", "-x", "c", "/dev/null"])).is_err() {
        return Err(MachineError::Missing { program: "gelf.h".into(), package: "libelf-dev" });
    }
    let mut text = String::new();
    for program in ["gcc", "ld"] {
        let said = run(Command::new(find(program, "gcc")?).arg("--version"))?;
        text += said.lines().next().unwrap_or_default();
        text.push('\n');
    }
    Ok(text)
}

/// Unpacks, configures and compiles below `dir`. The folder of what was made.
fn make(
    source: &Source,
    wanted: &config::Options,
    what: &Build,
    dir: &Path,
) -> Result<PathBuf, MachineError> {
    // What a user adds to the configuration may lie anywhere.
    let whole = !what.fragments.is_empty();
    let jobs = what.jobs;
    let tree = source.unpack(dir, whole)?;
    let out = dir.join("out");
    std::fs::create_dir(&out).map_err(io("create", &out))?;
    let all = dir.join("all.config");
    std::fs::write(&all, config::write(wanted)).map_err(io("write", &all))?;
    let jobs = if jobs == 0 { std::thread::available_parallelism().map_or(1, usize::from) } else { jobs };
    let step = |target: &str| {
        let mut command = Command::new(find("make", "make")?);
        command.current_dir(&tree).arg("--silent").arg(format!("-j{jobs}"));
        command.arg(format!("O={}", out.display())).arg(format!("KCONFIG_ALLCONFIG={}", all.display()));
        run(command.arg(target).envs(FIXED))
    };
    step("allnoconfig")?;
    let made = out.join(".config");
    config::check(wanted, &std::fs::read_to_string(&made).map_err(io("read", &made))?)?;
    step("vmlinux")?;
    Ok(out)
}

/// Keeps what is booted, its configuration, and what it was made of.
fn keep(source: &Source, compiler: &str, out: &Path, made: &Path) -> Result<(), MachineError> {
    store::write(made, "vmlinux", &bootable(out)?)?;
    let config = out.join(".config");
    store::write(made, "config", &std::fs::read(&config).map_err(io("read", &config))?)?;
    store::write(made, "compiler", compiler.as_bytes())?;
    let release = out.join("include/config/kernel.release");
    let release = std::fs::read_to_string(&release).map_err(io("read", &release))?;
    store::finish(made, release.trim(), &format!("built from {}", source.version), Origin::Own)
}

fn bootable(out: &Path) -> Result<Vec<u8>, MachineError> {
    let path = out.join("vmlinux");
    let bad = |why: String| MachineError::BadKernel { path: path.clone(), why };
    let file = std::fs::read(&path).map_err(io("read", &path))?;
    vmlinux::prepare(&file).map_err(bad)
}

/// Builds what is there once more, elsewhere, and compares.
fn repeat(
    cache_dir: &Path,
    name: &str,
    source: &Source,
    wanted: &config::Options,
    what: &Build,
) -> Result<(), MachineError> {
    let kept = store::choose(cache_dir, name)?;
    let dir = tempfile::tempdir_in(cache_dir).map_err(io("create in", cache_dir))?;
    let out = make(source, wanted, what, dir.path())?;
    let (is, was) = (bootable(&out)?, std::fs::read(&kept.vmlinux).map_err(io("read", &kept.vmlinux))?);
    if is == was { Ok(()) } else { Err(MachineError::NotRepeatable { name: name.to_owned() }) }
}
