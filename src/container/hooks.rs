//! Runs hooks (runtime-spec, config.md, POSIX-platform Hooks): each gets the container's state on its standard input,
//! and may be given seconds to end in.

use super::config::Hook;
use rustix::fs::MemfdFlags;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Most of a hook's errors that is passed on, bytes.
const MOST_SAID: u64 = 4096;

/// A hook that did not end well.
#[derive(Debug, thiserror::Error)]
#[error("hooks.{kind}[{index}] ({path}): {why}")]
pub struct HookError {
    /// Name of the list.
    pub kind: &'static str,
    /// Place in it.
    pub index: usize,
    /// Its program.
    pub path: String,
    /// What happened.
    pub why: String,
}

/// Runs `hooks` one after the other, each with `state` on its standard input. The first that fails ends it.
pub fn run(kind: &'static str, hooks: &[Hook], state: &[u8]) -> Result<(), HookError> {
    hooks.iter().enumerate().try_for_each(|(index, hook)| run_one(kind, index, hook, state))
}

/// Runs all of them, whatever some of them do; their failures.
pub fn run_all(kind: &'static str, hooks: &[Hook], state: &[u8]) -> Vec<HookError> {
    let run = |(index, hook)| run_one(kind, index, hook, state).err();
    hooks.iter().enumerate().filter_map(run).collect()
}

fn run_one(kind: &'static str, index: usize, hook: &Hook, state: &[u8]) -> Result<(), HookError> {
    let failed = |why: String| HookError { kind, index, path: hook.path.display().to_string(), why };
    // Files in memory instead of pipes: neither a hook that reads nothing nor one that says too much can hold us up.
    let input = filled(state).map_err(|e| failed(format!("cannot write the state: {e}")))?;
    let mut said = memory().map_err(|e| failed(e.to_string()))?;
    let errors = said.try_clone().map_err(|e| failed(e.to_string()))?;
    let mut command = Command::new(&hook.path);
    if let Some(name) = hook.args.first() {
        command.arg0(name).args(&hook.args[1..]);
    }
    command.env_clear().envs(hook.env.iter().filter_map(|e| e.split_once('=')));
    command.stdin(input).stdout(Stdio::null()).stderr(errors).process_group(0);
    let mut child = command.spawn().map_err(|e| failed(format!("cannot run it: {e}")))?;
    let ended = match hook.timeout.and_then(|s| u64::try_from(s).ok()) {
        Some(seconds) => ends_within(child.id(), Duration::from_secs(seconds)),
        None => Ok(true),
    };
    if !ended.map_err(|e| failed(e.to_string()))? {
        // The group, so that what a shell has started ends with it.
        let _ = nix::sys::signal::killpg(
            nix::unistd::Pid::from_raw(child.id() as i32),
            nix::sys::signal::Signal::SIGKILL,
        );
        let _ = child.wait();
        return Err(failed(format!("did not end within its timeout of {} s", hook.timeout.unwrap_or(0))));
    }
    let status = child.wait().map_err(|e| failed(e.to_string()))?;
    if status.success() { Ok(()) } else { Err(failed(format!("{status}{}", tail(&mut said)))) }
}

fn memory() -> std::io::Result<File> {
    Ok(File::from(rustix::fs::memfd_create("hook", MemfdFlags::CLOEXEC)?))
}

fn filled(state: &[u8]) -> std::io::Result<OwnedFd> {
    let mut file = memory()?;
    file.write_all(state)?;
    file.rewind()?;
    Ok(file.into())
}

fn tail(said: &mut File) -> String {
    let mut text = Vec::new();
    let _ = said.rewind();
    let _ = said.take(MOST_SAID).read_to_end(&mut text);
    let text = String::from_utf8_lossy(&text);
    let text = text.trim_end();
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

/// Waits for the end of a child by its pidfd, without reaping it. False: the time is over.
fn ends_within(pid: u32, most: Duration) -> std::io::Result<bool> {
    let pid = rustix::process::Pid::from_raw(pid as i32).ok_or(std::io::ErrorKind::InvalidInput)?;
    let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())?;
    let until = Instant::now() + most;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let ms = nix::poll::PollTimeout::try_from(left.as_millis()).unwrap_or(nix::poll::PollTimeout::MAX);
        let mut fds = [nix::poll::PollFd::new(pidfd.as_fd(), nix::poll::PollFlags::POLLIN)];
        match nix::poll::poll(&mut fds, ms) {
            Ok(0) if Instant::now() >= until => return Ok(false),
            Ok(0) | Err(nix::Error::EINTR) => {}
            Ok(_) => return Ok(true),
            Err(e) => return Err(e.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, timeout: Option<i64>) -> Hook {
        let args = ["sh", "-c", script].map(String::from).to_vec();
        Hook { path: "/bin/sh".into(), args, env: vec!["A=b c".into()], timeout }
    }

    #[test]
    fn the_state_comes_in_and_the_environment_is_the_hooks_own() {
        let script = r#"test "$(cat)" = state && test "$A" = "b c" && test -z "$HOME""#;
        run("poststop", &[shell(script, Some(5))], b"state").expect("hook");
    }

    #[test]
    fn a_failure_names_hook_status_and_words() {
        let hooks = [shell("true", None), shell("echo no >&2; exit 3", None)];
        let text = run("prestart", &hooks, b"").expect_err("must fail").to_string();
        assert!(text.contains("hooks.prestart[1] (/bin/sh)"), "{text}");
        assert!(text.contains('3') && text.ends_with(": no"), "{text}");
    }

    #[test]
    fn a_timeout_ends_what_it_started_as_well() {
        let from = Instant::now();
        let text = run("poststart", &[shell("sleep 60; true", Some(1))], b"").expect_err("must fail");
        assert!(text.to_string().contains("within its timeout of 1 s"), "{text}");
        assert!(from.elapsed() < Duration::from_secs(20));
    }
}
