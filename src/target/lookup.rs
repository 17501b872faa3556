//! Finds programs: in an image (beneath its root, never outside), beside this program, and on the host.

use super::error::TargetError;
use super::job::Job;
use crate::record::schema::Program;
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Absolute path, in the image, of `argv[0]`: as it is, or found in the PATH of the image's environment, as a shell
/// and the other targets do.
pub fn program_in_image(job: &Job, root: &Path) -> Result<String, TargetError> {
    program_in_root(&job.argv, &job.env, &job.cwd, root)
}

/// As [`program_in_image`], of a process that no job describes.
pub fn program_in_root(
    argv: &[String],
    env: &[String],
    cwd: &str,
    root: &Path,
) -> Result<String, TargetError> {
    let name = argv.first().cloned().unwrap_or_default();
    let path = env.iter().find_map(|e| e.strip_prefix("PATH=")).unwrap_or("/usr/bin:/bin");
    let candidates: Vec<String> = if name.starts_with('/') {
        vec![name.clone()]
    } else if name.contains('/') {
        vec![Path::new(cwd).join(&name).display().to_string()]
    } else {
        path.split(':').map(|dir| format!("{dir}/{name}")).collect()
    };
    let missing = || TargetError::NotInImage { program: name.clone(), looked: candidates.join(", ") };
    let dir = rustix::fs::open(root, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .map_err(|e| TargetError::Io { step: "open", path: root.to_owned(), source: e.into() })?;
    let there = |p: &&String| {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        openat2(&dir, p.trim_start_matches('/'), flags, Mode::empty(), ResolveFlags::IN_ROOT).is_ok()
    };
    candidates.iter().find(there).cloned().ok_or_else(missing)
}

static OWN: OnceLock<Option<PathBuf>> = OnceLock::new();

/// Where the running program lies. Asked first before a session is entered: in a mount namespace that was made below a changed
/// root, the kernel names the file by its place outside.
pub fn own_path() -> Option<&'static Path> {
    OWN.get_or_init(|| std::env::current_exe().ok()).as_deref()
}

/// A program of ours: `TAREMARK_LIBEXEC`, beside the running program, or above it (tests run from `deps/`).
pub fn own_program(name: &str) -> Result<PathBuf, TargetError> {
    let mut dirs: Vec<PathBuf> =
        std::env::var_os("TAREMARK_LIBEXEC").map(PathBuf::from).into_iter().collect();
    if let Some(exe) = own_path() {
        dirs.extend(exe.ancestors().skip(1).take(2).map(Path::to_owned));
        dirs.extend(exe.parent().and_then(Path::parent).map(|p| p.join("lib/taremark")));
    }
    let found = dirs.iter().map(|d| d.join(name)).find(|p| p.is_file());
    let looked = dirs.iter().map(|d| d.display().to_string()).collect::<Vec<_>>().join(", ");
    found.ok_or(TargetError::Missing { program: name.to_owned(), looked })
}

/// A program of the host, in PATH and in the folders for administrators, which PATH lacks under sudo.
pub fn host_program(name: &str) -> Result<PathBuf, TargetError> {
    if name.contains('/') {
        let path = PathBuf::from(name);
        return if path.is_file() {
            Ok(path)
        } else {
            Err(TargetError::Missing { program: name.into(), looked: name.into() })
        };
    }
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/local/sbin:/usr/sbin:/sbin";
    let found = path.split(':').map(|d| Path::new(d).join(name)).find(|p| p.is_file());
    found.ok_or(TargetError::Missing { program: name.to_owned(), looked: path })
}

/// Version (first line of `program --version`) and digest of a program's file.
pub fn identify(name: &str, path: &Path) -> Result<Program, TargetError> {
    identify_by(name, path, path, &["--version".to_owned()])
}

/// As [`identify`], with another command that prints the version.
pub fn identify_by(name: &str, path: &Path, by: &Path, arguments: &[String]) -> Result<Program, TargetError> {
    let output =
        std::process::Command::new(by).args(arguments).output().map_err(super::error::io("run", by))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text.lines().next().map(str::trim).filter(|l| !l.is_empty());
    let said = || String::from_utf8_lossy(&output.stderr).lines().next().unwrap_or_default().to_owned();
    let version = version.filter(|_| output.status.success());
    let version = version.ok_or_else(|| TargetError::NoVersion { program: by.to_owned(), said: said() })?;
    Ok(Program { name: name.to_owned(), version: version.to_owned(), digest: digest(path)? })
}

/// `sha256:<hex>` of a file.
pub fn digest(path: &Path) -> Result<String, TargetError> {
    let mut file = std::fs::File::open(path).map_err(super::error::io("open", path))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0u8; 1 << 16];
    loop {
        let n = std::io::Read::read(&mut file, &mut buffer).map_err(super::error::io("read", path))?;
        if n == 0 {
            return Ok(format!("sha256:{}", hex::encode(hash.finalize())));
        }
        hash.update(&buffer[..n]);
    }
}
