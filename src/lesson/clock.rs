//! Times whole commands from right before clone3 to their end, side by side: each round runs every command once, in an
//! order of its own and with an environment of another length. For lessons; a bench of targets knows much more.

use crate::stats::{Comparison, Interval, RESAMPLES, Random, compare, median, median_interval};
use crate::sys::clock::monotonic_ns;
use crate::sys::spawn::{PAD, Spawn, SpawnError};
use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A command and its program's path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timed {
    /// As it was given.
    pub argv: Vec<String>,
    /// Found in PATH.
    pub program: PathBuf,
}

/// From where a launch is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum From {
    /// Right before clone3; all that allocates is done before: as a bench counts its t0.
    #[default]
    Clone,
    /// Before the call of the standard library that copies the environment (a variable is added), opens /dev/null three
    /// times, puts arguments and environment together and starts the program: as hyperfine counts.
    Call,
}

/// A round's environment is longer by less than so many bytes, the value of [`PAD`]'s variable.
const LONGEST_PAD: usize = 4096;

/// What was measured of one command, milliseconds.
#[derive(Debug, Clone)]
pub struct Times {
    /// Median from t0 to the end.
    pub median_ms: f64,
    /// 95 % interval; none below fourteen rounds.
    pub interval: Option<Interval>,
    /// Against the first command, by rounds; none for the first.
    pub more: Option<Comparison>,
}

/// Why a command could not be timed.
#[derive(Debug, thiserror::Error)]
pub enum ClockError {
    /// It cannot be started.
    #[error("start {0}")]
    Start(String, #[source] SpawnError),
    /// It failed: a failing command's time says nothing.
    #[error("{command} ended with exit code {code}")]
    Failed {
        /// Its first word.
        command: String,
        /// As a shell tells it.
        code: i32,
    },
    /// The system.
    #[error("wait for {0}")]
    Wait(String, #[source] std::io::Error),
}

/// Runs all of them `rounds` times, after one round that does not count. Their output goes nowhere.
pub fn time(commands: &[Timed], rounds: usize, from: From) -> Result<Vec<Times>, ClockError> {
    let name = PAD.trim_end_matches('=');
    let others = std::env::vars_os().filter(|(n, _)| n != name);
    let mut env: Vec<OsString> =
        others.map(|(n, value)| [n.as_os_str(), "=".as_ref(), &value].into_iter().collect()).collect();
    let null = std::fs::File::options().read(true).write(true).open("/dev/null");
    let null = null.map_err(|e| ClockError::Wait("/dev/null".into(), e))?;
    let mut random = Random::new(monotonic_ns());
    let mut all = vec![Vec::with_capacity(rounds); commands.len()];
    for round in 0..=rounds {
        let pad = "x".repeat(random.index(LONGEST_PAD));
        env.push(format!("{PAD}{pad}").into());
        let mut order: Vec<usize> = (0..commands.len()).collect();
        random.shuffle(&mut order);
        for i in order {
            let ms = match from {
                From::Clone => once(&commands[i], &env, &null)?,
                From::Call => once_by_call(&commands[i], (name, &pad))?,
            };
            if round > 0 {
                all[i].push(ms);
            }
        }
        env.pop();
    }
    let first = all.first().cloned().unwrap_or_default();
    let summed = all.iter().enumerate().filter_map(|(i, values)| {
        let pairs: Vec<(f64, f64)> = first.iter().copied().zip(values.iter().copied()).collect();
        let more = if i == 0 { None } else { compare(&pairs, i as u64) };
        Some(Times {
            median_ms: median(values)?,
            interval: median_interval(values, RESAMPLES, i as u64),
            more,
        })
    });
    Ok(summed.collect())
}

fn once(command: &Timed, env: &[OsString], null: &std::fs::File) -> Result<f64, ClockError> {
    let name = || command.argv[0].clone();
    let spawn = Spawn::new(&command.program, &command.argv, env).map_err(|e| ClockError::Start(name(), e))?;
    let spawn = spawn.fd(null, 0).fd(null, 1).fd(null, 2);
    let child = spawn.start().map_err(|e| ClockError::Start(name(), e))?;
    let code = child.wait().map_err(|e| ClockError::Wait(name(), e))?;
    let ended = monotonic_ns();
    if code != 0 {
        return Err(ClockError::Failed { command: name(), code });
    }
    Ok((ended - child.t0_ns) as f64 / 1e6)
}

/// By the standard library.
fn once_by_call(command: &Timed, pad: (&str, &str)) -> Result<f64, ClockError> {
    let failed = |e| ClockError::Wait(command.argv[0].clone(), e);
    let mut call = Command::new(&command.program);
    call.args(&command.argv[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    call.env(pad.0, pad.1);
    let t0 = monotonic_ns();
    let status = call.spawn().and_then(|mut child| child.wait()).map_err(failed)?;
    let ended = monotonic_ns();
    if !status.success() {
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
        return Err(ClockError::Failed { command: command.argv[0].clone(), code });
    }
    Ok((ended - t0) as f64 / 1e6)
}

/// The program of a command's first word: a path, or found in the folders of `path`.
pub fn find(name: &str, path: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|p| p.is_file());
    }
    path.split(':').map(|d| Path::new(d).join(name)).find(|p| p.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timed(words: &[&str]) -> Timed {
        let program = find(words[0], "/bin:/usr/bin").expect("program");
        Timed { argv: words.iter().map(|w| (*w).to_owned()).collect(), program }
    }

    #[test]
    fn a_longer_command_takes_longer_and_a_failing_one_is_none() {
        for from in [From::Clone, From::Call] {
            judged(from);
        }
        assert_eq!(find("no-such-program", "/bin"), None);
    }

    #[test]
    fn each_round_has_an_environment_of_another_length_and_keeps_the_rest() {
        let folder = tempfile::tempdir().expect("folder");
        for from in [From::Clone, From::Call] {
            let seen = folder.path().join(format!("{from:?}"));
            let script = format!("set -f; echo ${{#TAREMARK_PAD}} $PATH >> {}", seen.display());
            time(&[timed(&["sh", "-c", &script])], 4, from).expect("times");
            let text = std::fs::read_to_string(seen).expect("written");
            let path = std::env::var("PATH").expect("PATH");
            let lengths: std::collections::HashSet<_> = text.lines().map(|l| l.split(' ').next()).collect();
            assert!(text.lines().all(|l| l.ends_with(&path)) && text.lines().count() == 5, "{text}");
            assert!(lengths.len() > 2, "{text}");
        }
    }

    fn judged(from: From) {
        let times = time(&[timed(&["true"]), timed(&["sleep", "0.02"])], 6, from).expect("times");
        assert!(times[0].more.is_none());
        let more = times[1].more.as_ref().expect("compared");
        assert!(more.tare > 5.0 && times[1].median_ms >= 20.0, "{times:?}");
        let error = time(&[timed(&["false"])], 1, from).expect_err("fails").to_string();
        assert_eq!(error, "false ended with exit code 1");
    }
}
