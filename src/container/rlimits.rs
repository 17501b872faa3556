//! Resource limits by their names.

use super::config::Rlimit;
use super::error::{RuntimeError, system};
use crate::sys::process::set_limit_of;
use nix::sys::resource::{Resource, setrlimit};

/// Sets one for the calling process.
pub fn set(limit: &Rlimit) -> Result<(), std::io::Error> {
    let unknown = || std::io::Error::other(format!("{} is not a resource limit of Linux", limit.kind));
    setrlimit(resource(&limit.kind).ok_or_else(unknown)?, limit.soft, limit.hard).map_err(Into::into)
}

/// Sets them for the init of a container in a user namespace, which has no right to raise them itself.
pub fn set_of(pid: i32, limits: &[Rlimit]) -> Result<(), RuntimeError> {
    limits.iter().filter_map(|l| Some((l, resource(&l.kind)?))).try_for_each(|(l, resource)| {
        set_limit_of(pid, resource as u32, l.soft, l.hard).map_err(system("set process.rlimits"))
    })
}

/// The one of this name.
pub fn resource(name: &str) -> Option<Resource> {
    Some(match name {
        "RLIMIT_AS" => Resource::RLIMIT_AS,
        "RLIMIT_CORE" => Resource::RLIMIT_CORE,
        "RLIMIT_CPU" => Resource::RLIMIT_CPU,
        "RLIMIT_DATA" => Resource::RLIMIT_DATA,
        "RLIMIT_FSIZE" => Resource::RLIMIT_FSIZE,
        "RLIMIT_LOCKS" => Resource::RLIMIT_LOCKS,
        "RLIMIT_MEMLOCK" => Resource::RLIMIT_MEMLOCK,
        "RLIMIT_MSGQUEUE" => Resource::RLIMIT_MSGQUEUE,
        "RLIMIT_NICE" => Resource::RLIMIT_NICE,
        "RLIMIT_NOFILE" => Resource::RLIMIT_NOFILE,
        "RLIMIT_NPROC" => Resource::RLIMIT_NPROC,
        "RLIMIT_RSS" => Resource::RLIMIT_RSS,
        "RLIMIT_RTPRIO" => Resource::RLIMIT_RTPRIO,
        "RLIMIT_RTTIME" => Resource::RLIMIT_RTTIME,
        "RLIMIT_SIGPENDING" => Resource::RLIMIT_SIGPENDING,
        "RLIMIT_STACK" => Resource::RLIMIT_STACK,
        _ => return None,
    })
}
