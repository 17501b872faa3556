//! Exit codes of processes that are not our children, by a pidfd that was opened while they ran.

use std::os::fd::{AsRawFd, BorrowedFd};

/// PIDFD_GET_INFO of linux/pidfd.h: `_IOWR(0xFF, 11, struct pidfd_info)` in its first version, 64 bytes.
const PIDFD_GET_INFO: u64 = (3 << 30) | (64 << 16) | (0xff << 8) | 11;
/// PIDFD_INFO_EXIT: since Linux 6.15.
const INFO_EXIT: u64 = 1 << 3;

/// struct pidfd_info, version 0.
#[repr(C)]
#[derive(Default)]
struct Info {
    mask: u64,
    cgroup: u64,
    ids: [u32; 11],
    exit_code: i32,
}

/// How the process ended: its exit code, or 128 + signal. None while it runs or is not reaped yet, or where the kernel
/// (before 6.15) does not tell.
pub fn exit_code(pidfd: BorrowedFd) -> Option<i32> {
    let mut info = Info { mask: INFO_EXIT, ..Info::default() };
    // SAFETY: the structure has the size that the request names and outlives the call.
    let r = unsafe { libc::ioctl(pidfd.as_raw_fd(), PIDFD_GET_INFO, &raw mut info) };
    if r < 0 || info.mask & INFO_EXIT == 0 {
        return None;
    }
    Some(of_status(info.exit_code))
}

/// As [`exit_code`], of a process that has ended and is not reaped: the last field of /proc/PID/stat (proc(5)). Its
/// start time, field 22, tells it from a later one of the same number.
pub fn zombie_exit_code(pid: i32, start_time: u64) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let is_it = fields.next()? == "Z" && fields.nth(18)?.parse() == Ok(start_time);
    if !is_it {
        return None;
    }
    fields.next_back()?.parse().ok().map(of_status)
}

fn of_status(status: i32) -> i32 {
    if libc::WIFSIGNALED(status) { 128 + libc::WTERMSIG(status) } else { libc::WEXITSTATUS(status) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn a_process_that_runs_has_no_exit_code_and_one_that_was_reaped_has() {
        let mut child = std::process::Command::new("sh");
        let child = child.args(["-c", "read x; exit 7"]).stdin(std::process::Stdio::piped()).spawn();
        let mut child = child.expect("start sh");
        let pid = rustix::process::Pid::from_raw(child.id() as i32).expect("pid");
        let fd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).expect("pidfd");
        assert_eq!(exit_code(fd.as_fd()), None);
        drop(child.stdin.take());
        let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).expect("stat");
        let start_time = stat.rsplit_once(')').and_then(|(_, f)| f.split_whitespace().nth(19)?.parse().ok());
        let start_time = start_time.expect("start time");
        assert_eq!(zombie_exit_code(child.id() as i32, start_time + 1), None);
        while zombie_exit_code(child.id() as i32, start_time) != Some(7) {
            assert!(std::time::Instant::now() < until, "it does not end with 7");
        }
        child.wait().expect("wait");
        let told = exit_code(fd.as_fd());
        let release = rustix::system::uname().release().to_string_lossy().into_owned();
        let mut numbers = release.split(['.', '-']).filter_map(|n| n.parse::<u32>().ok());
        let new = (numbers.next(), numbers.next()) >= (Some(6), Some(15));
        assert_eq!(told, new.then_some(7), "kernel {release}");
    }
}
