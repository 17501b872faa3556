//! Removes what a lesson made, whatever ends the lesson: Ctrl-C, a failed command, `kill -9`.
//!
//! A process of its own, outside the terminal's foreground group, waits until nobody holds the other end of its standard
//! input any more. Containers outlive the program that started them, as they should; those of a lesson shall not.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// By these names its commands know where the folder's stores and states are, and its processes are known.
pub(super) const PLACES: [(&str, &str); 2] = [("TAREMARK_STORE", "store"), ("TAREMARK_STATE", "state")];

/// With this the name of a lesson's folder begins: no other is ever removed.
pub(super) const PREFIX: &str = "taremark-lesson-";

/// Waits for the end of standard input, then ends and removes what there is of `room`. `program`: taremark.
pub fn stand(room: &Path, program: &Path) -> std::io::Result<()> {
    if !room.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX)) {
        return Err(std::io::Error::other(format!("{} is no lesson's folder", room.display())));
    }
    std::io::stdin().lock().read_to_end(&mut Vec::new())?;
    // Those that watch containers have to stay until these are removed.
    end(room, |arguments| !arguments.split(|b| *b == 0).any(|word| word == b"monitor"))?;
    let mut remove = Command::new(program);
    remove.args(["rm", "--force", "--volumes", "--all"]).envs(PLACES.map(|(n, f)| (n, room.join(f))));
    let removed = remove.stdin(Stdio::null()).stdout(Stdio::null()).status()?;
    end(room, |_| true)?;
    std::fs::remove_dir_all(room)?;
    if removed.success() { Ok(()) } else { Err(std::io::Error::other("its containers could not be removed")) }
}

/// Kills the processes of the room whose command line is meant, until none is left.
fn end(room: &Path, meant: impl Fn(&[u8]) -> bool) -> std::io::Result<()> {
    let from = Instant::now();
    loop {
        let found: Vec<Pid> = processes(room, &meant)?;
        if found.is_empty() {
            return Ok(());
        }
        if from.elapsed() > Duration::from_secs(10) {
            return Err(std::io::Error::other(format!("processes {found:?} do not end")));
        }
        for pid in found {
            // One that has ended meanwhile is no error.
            let _ = kill(pid, Signal::SIGKILL);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Those whose environment has the room's states. A zombie has none.
fn processes(room: &Path, meant: impl Fn(&[u8]) -> bool) -> std::io::Result<Vec<Pid>> {
    let mark = [b"TAREMARK_STATE=", room.join("state").as_os_str().as_bytes()].concat();
    let entries = std::fs::read_dir("/proc")?.flatten();
    let pids = entries.filter_map(|e| e.file_name().to_str()?.parse().ok());
    // What has ended, or is another user's, cannot be read.
    let read = |pid: i32, what| std::fs::read(format!("/proc/{pid}/{what}")).unwrap_or_default();
    let of_the_room = |pid: &i32| read(*pid, "environ").split(|b| *b == 0).any(|entry| entry == mark);
    Ok(pids.filter(of_the_room).filter(|pid| meant(&read(*pid, "cmdline"))).map(Pid::from_raw).collect())
}
