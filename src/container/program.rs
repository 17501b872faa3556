//! The program of a process: found, and shown to be one that may be executed.

use super::config::Process;
use super::open::open_at;
use super::rootfs::Step;
use rustix::fs::{CWD, OFlags, ResolveFlags};
use std::ffi::CString;

/// Path, arguments, environment.
pub type Program = (CString, Vec<CString>, Vec<CString>);

/// Depth to which the kernel follows interpreters (linux/binfmts.h, BINPRM_MAX_RECURSION, is 4 rewrites).
const DEPTH: usize = 5;

/// `args[0]` as it is, or found in the PATH of the container's environment; `more` comes on top of its environment.
pub fn find<'a>(p: &'a Process, more: impl Iterator<Item = &'a String>) -> Result<Program, Step> {
    let c = |s: &String| CString::new(s.as_str()).map_err(|e| Step::new("pass", s, e.into()));
    let name = &p.args[0];
    let path = p
        .env
        .iter()
        .find_map(|e| e.strip_prefix("PATH="))
        .unwrap_or("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    let may_run = |p: &str| rustix::fs::access(p, rustix::fs::Access::EXEC_OK);
    let found = if name.contains('/') {
        may_run(name).map_err(|e| Step::new("exec", name, e.into()))?;
        name.clone()
    } else {
        let mut places = path.split(':').map(|d| format!("{d}/{name}"));
        // Engines tell "no such program" by these words.
        let missing = || std::io::Error::other(format!("executable file not found in $PATH ({path})"));
        places.find(|p| may_run(p).is_ok()).ok_or_else(|| Step::new("exec", name, missing()))?
    };
    is_a_file(&found)?;
    let args = p.args.iter().map(c).collect::<Result<Vec<_>, _>>();
    let env = p.env.iter().chain(more).map(c).collect::<Result<Vec<_>, _>>();
    Ok((c(&found)?, args?, env?))
}

/// Neither the program nor an interpreter that it names may be reached by a magic link. `/proc/self/exe` is this
/// runtime until the exec is done: executed from inside the container it could be opened there, and written to once it
/// has ended (CVE-2019-5736).
fn is_a_file(path: &str) -> Result<(), Step> {
    let mut path = path.to_owned();
    for _ in 0..DEPTH {
        let open = |flags| open_at(CWD, path.as_str(), flags, ResolveFlags::NO_MAGICLINKS);
        let quietly = OFlags::NOCTTY | OFlags::NONBLOCK;
        let file = match open(OFlags::RDONLY | quietly) {
            Ok(file) => file,
            // May be executed and not read: no script then.
            Err(rustix::io::Errno::ACCESS) => {
                return open(OFlags::PATH | quietly).map(drop).map_err(|e| magic(&path, e));
            }
            Err(e) => return Err(magic(&path, e)),
        };
        let stat = rustix::fs::fstat(&file).map_err(|e| Step::new("exec", &path, e.into()))?;
        if !rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file() {
            // What the exec would say, now instead of at the start.
            return Err(Step::new("exec", &path, std::io::Error::from_raw_os_error(libc::EACCES)));
        }
        let mut head = [0u8; 256];
        let n = rustix::io::read(&file, &mut head).unwrap_or(0);
        let Some(next) = interpreter(&head[..n]) else { return Ok(()) };
        path = next;
    }
    Ok(())
}

fn magic(path: &str, e: rustix::io::Errno) -> Step {
    match e {
        rustix::io::Errno::LOOP => {
            Step::new("exec", path, std::io::Error::other("it leads through a magic link of /proc"))
        }
        e => Step::new("exec", path, e.into()),
    }
}

/// The interpreter of a script (execve(2), Interpreter scripts).
fn interpreter(head: &[u8]) -> Option<String> {
    let line = head.strip_prefix(b"#!")?.split(|b| *b == b'\n' || *b == 0).next()?;
    let words = line.split(|b| *b == b' ' || *b == b'\t');
    let first = words.into_iter().find(|w| !w.is_empty())?;
    Some(String::from_utf8_lossy(first).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpreters_are_read_as_the_kernel_reads_them() {
        let read = |text: &str| interpreter(text.as_bytes());
        assert_eq!(read("#! /bin/sh -e\nx").as_deref(), Some("/bin/sh"));
        assert_eq!(read("#!/proc/self/exe").as_deref(), Some("/proc/self/exe"));
        assert_eq!((read("\x7fELF"), read("#!\n"), read("")), (None, None, None));
    }

    #[test]
    fn no_magic_link_is_a_program() {
        is_a_file("/bin/sh").expect("a program");
        let told = is_a_file("/proc/self/exe").expect_err("a magic link");
        assert!(told.text().contains("magic link"), "{}", told.text());
    }
}
