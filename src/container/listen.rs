//! Descriptors that a caller hands through to the workload: those of socket activation (sd_listen_fds(3)), then
//! `--preserve-fds` more.

use super::error::RuntimeError;

/// How many from 3 on, and what the workload's environment says about them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preserved {
    /// Number of descriptors from 3 on.
    pub count: u32,
    /// `LISTEN_FDS` and its kin.
    pub env: Vec<String>,
}

/// Reads our own environment, and makes sure that the descriptors are there.
pub fn preserved(more: u32) -> Result<Preserved, RuntimeError> {
    let var = |name: &str| std::env::var(name).ok();
    let meant = var("LISTEN_PID").is_none_or(|pid| pid == std::process::id().to_string());
    let listening = var("LISTEN_FDS").filter(|_| meant).and_then(|n| n.parse().ok()).unwrap_or(0);
    let preserved = environment(listening, more, var("LISTEN_FDNAMES"));
    for fd in 3..3 + preserved.count {
        let path = format!("/proc/self/fd/{fd}");
        if std::fs::symlink_metadata(path).is_err() {
            return Err(RuntimeError::Preserved { fd });
        }
    }
    Ok(preserved)
}

fn environment(listening: u32, more: u32, names: Option<String>) -> Preserved {
    let mut env = Vec::new();
    if listening > 0 {
        // The workload is process 1 of its pid namespace.
        env.extend([format!("LISTEN_FDS={listening}"), "LISTEN_PID=1".to_owned()]);
        env.extend(names.map(|n| format!("LISTEN_FDNAMES={n}")));
    }
    Preserved { count: listening.saturating_add(more).min(1 << 16), env }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listening_ones_come_first_and_are_named() {
        assert_eq!(environment(0, 2, None), Preserved { count: 2, env: vec![] });
        let both = environment(1, 2, Some("web".into()));
        assert_eq!(both.count, 3);
        assert_eq!(both.env, ["LISTEN_FDS=1", "LISTEN_PID=1", "LISTEN_FDNAMES=web"]);
    }
}
