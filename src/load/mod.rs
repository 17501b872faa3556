//! What `tare-load` does: the built-in workloads. No threads, no command line library: a start has to be cheap, since
//! it is a part of everything that is measured with them.
//!
//! Lines `rate N`, `write_rate N` and `read_rate N` are figures; every other line on standard output is the same on
//! each run and target, see [`crate::workload::output`].

pub mod compute;
pub mod disk;
pub mod error;
pub mod http;
pub mod memory;
pub mod sha256;
pub mod signals;
pub mod syscall;

pub use error::LoadError;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

/// What the program is told when it is told nothing it knows.
pub const USAGE: &str = "usage: tare-load hello | idle | cpu [ROUNDS] | memory [ROUNDS] | syscall [CALLS] | disk [MIB [FOLDER]] | http [PORT] | --version";

/// What `hello` prints.
pub const HELLO: &str = "hello from taremark\n";

/// Does what the arguments, without the program's name, say.
pub fn run(args: &[String], out: &mut impl Write) -> Result<(), LoadError> {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["hello"] => say(out, HELLO),
        ["idle"] => {
            let ends = signals::Ends::block()?;
            say(out, "ready\n")?;
            ends.wait()
        }
        ["cpu", ref rest @ ..] if rest.len() < 2 => {
            let done = compute::run(number(rest, compute::ROUNDS)?);
            say(out, &format!("checksum {}\nrate {:.3}\n", done.checksum, done.rate))
        }
        ["memory", ref rest @ ..] if rest.len() < 2 => say(out, &memory::run(number(rest, memory::ROUNDS)?)),
        ["syscall", ref rest @ ..] if rest.len() < 2 => {
            let calls = number(rest, syscall::CALLS)?;
            let rate = syscall::run(calls);
            say(out, &format!("calls {calls}\nrate {rate:.0}\n"))
        }
        ["disk", ref rest @ ..] if rest.len() < 3 => {
            let folder = rest.get(1).copied().unwrap_or(disk::FOLDER);
            disk::run(number(&rest[..rest.len().min(1)], disk::MIB)?, Path::new(folder), out)
        }
        ["http", ref rest @ ..] if rest.len() < 2 => {
            let port = number(rest, http::PORT.into())?;
            http::serve(u16::try_from(port).map_err(|_| LoadError::Usage)?, out)
        }
        ["--version" | "-V"] => say(out, concat!("tare-load ", env!("CARGO_PKG_VERSION"), "\n")),
        ["--help" | "-h"] => say(out, &format!("{USAGE}\n")),
        _ => Err(LoadError::Usage),
    }
}

fn number(rest: &[&str], default: u64) -> Result<u64, LoadError> {
    let Some(text) = rest.first() else { return Ok(default) };
    text.parse().ok().filter(|n| *n > 0).ok_or(LoadError::Usage)
}

/// In one write: a line is never seen by halves.
fn say(out: &mut impl Write, text: &str) -> Result<(), LoadError> {
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(|source| LoadError::Io { step: "write to standard output", source })
}

/// Units per second.
fn per_second(units: f64, took: Duration) -> f64 {
    units / took.as_secs_f64().max(1e-9)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(args: &[&str]) -> Result<String, LoadError> {
        let mut out = Vec::new();
        let args: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
        run(&args, &mut out).map(|()| String::from_utf8(out).expect("text"))
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let wrong: &[&[&str]] = &[
            &[],
            &["sing"],
            &["hello", "you"],
            &["cpu", "0"],
            &["cpu", "x"],
            &["cpu", "1", "2"],
            &["http", "70000"],
            &["disk", "1", "/tmp", "x"],
        ];
        for args in wrong {
            assert!(matches!(told(args), Err(LoadError::Usage)), "{args:?}");
        }
        assert_eq!(told(&["hello"]).expect("hello"), "hello from taremark\n");
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = told(&["disk", "1", "/nonexistent/scratch"]).expect_err("no folder").to_string();
        assert!(error.contains("/nonexistent/scratch"), "{error}");
    }
}
