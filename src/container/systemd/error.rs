//! Why systemd did not do as it was asked.

use std::path::PathBuf;

/// See the variants.
#[derive(Debug, thiserror::Error)]
pub enum SystemdError {
    /// It is not there.
    #[error(
        "--systemd-cgroup: systemd does not run on this host: leave it out, and cgroups are made directly"
    )]
    None,
    /// An ordinary user's is not there.
    #[error(
        "--systemd-cgroup: no systemd of this user runs (no socket in $XDG_RUNTIME_DIR): log in, or have root \
         say loginctl enable-linger, or leave it out"
    )]
    NoneOfUser,
    /// Nobody takes the call.
    #[error("connect to systemd at {path}")]
    Connect {
        /// Its socket.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// It does not believe who this is.
    #[error("systemd refused the connection: {said:?}")]
    Refused {
        /// Its words.
        said: String,
    },
    /// The connection broke.
    #[error("talk to systemd")]
    Talk {
        /// The system's reason.
        source: std::io::Error,
    },
    /// No answer.
    #[error("systemd did not answer within {seconds} s")]
    Silent {
        /// How long was waited.
        seconds: u64,
    },
    /// Not D-Bus as it is specified.
    #[error("systemd's answer is unreadable")]
    Unreadable,
    /// It said no.
    #[error("systemd's {method}: {said} ({name})")]
    Call {
        /// What was called.
        method: String,
        /// Name of the error.
        name: String,
        /// Its words.
        said: String,
    },
    /// A job that did not end well.
    #[error("systemd's job for {unit} ended as {result:?}: see systemctl status {unit}")]
    Job {
        /// The unit.
        unit: String,
        /// canceled, timeout, failed, dependency, skipped.
        result: String,
    },
    /// A path that is none of systemd's.
    #[error("linux.cgroupsPath {path:?} {why}, because of --systemd-cgroup")]
    Path {
        /// As given.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A property of the unit that is none.
    #[error("annotations[{key:?}] {why}, because of --systemd-cgroup")]
    Annotation {
        /// Its key.
        key: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The container is not where it was to be.
    #[error("systemd put the container into {found}, not into {wanted}")]
    Elsewhere {
        /// Where it is.
        found: String,
        /// Where it was to be.
        wanted: String,
    },
}
