//! What `exec` runs: a process of its own in JSON, or the container's with changes.

use super::config::{Process, RuntimeConfig, parse};
use super::error::{RuntimeError, io};
use super::validate;
use std::path::Path;

/// Differences to the container's own process.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// Program and arguments.
    pub args: Vec<String>,
    /// With a terminal.
    pub tty: bool,
    /// Uid, and gid where it is given.
    pub user: Option<(u32, Option<u32>)>,
    /// More groups.
    pub additional_gids: Vec<u32>,
    /// Working directory.
    pub cwd: Option<String>,
    /// More for the environment, `K=V`; of the same name the last one counts.
    pub env: Vec<String>,
    /// More capabilities.
    pub capabilities: Vec<String>,
    /// Sets `noNewPrivileges`.
    pub no_new_privileges: bool,
    /// AppArmor profile.
    pub apparmor: Option<String>,
    /// SELinux label.
    pub process_label: Option<String>,
}

/// From `file`, or from the container's with `changes`; checked.
pub fn process(
    file: Option<&Path>,
    changes: &Changes,
    config: &RuntimeConfig,
) -> Result<Process, RuntimeError> {
    let (path, process) = match file {
        Some(path) => (path, read(path)?),
        None => (Path::new("(arguments)"), changed(&config.process, changes)),
    };
    let checked = validate::process(&process);
    let failed = |(field, why): (String, String)| {
        let field = field.strip_prefix("process.").unwrap_or(&field).to_owned();
        RuntimeError::Process { path: path.to_owned(), field, why }
    };
    checked.map_err(failed)?;
    Ok(process)
}

fn read(path: &Path) -> Result<Process, RuntimeError> {
    let json = std::fs::read(path).map_err(io("read", path))?;
    parse(&json).map_err(|(field, why)| RuntimeError::Process { path: path.to_owned(), field, why })
}

fn changed(own: &Process, changes: &Changes) -> Process {
    let mut p = own.clone();
    p.args.clone_from(&changes.args);
    p.terminal = changes.tty;
    p.console_size = None;
    if let Some((uid, gid)) = changes.user {
        (p.user.uid, p.user.gid) = (uid, gid.unwrap_or(own.user.gid));
    }
    p.user.additional_gids.extend(&changes.additional_gids);
    if let Some(cwd) = &changes.cwd {
        p.cwd.clone_from(cwd);
    }
    for entry in &changes.env {
        let name = entry.split('=').next().unwrap_or_default();
        p.env.retain(|e| e.split('=').next() != Some(name));
        p.env.push(entry.clone());
    }
    if !changes.capabilities.is_empty() {
        let caps = p.capabilities.get_or_insert_default();
        for set in [&mut caps.bounding, &mut caps.effective, &mut caps.permitted] {
            set.extend(changes.capabilities.iter().cloned());
        }
    }
    p.no_new_privileges |= changes.no_new_privileges;
    if let Some(profile) = &changes.apparmor {
        p.apparmor_profile.clone_from(profile);
    }
    if let Some(label) = &changes.process_label {
        p.selinux_label.clone_from(label);
    }
    p
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_replace_and_add() {
        let own = Process {
            env: vec!["A=1".into(), "B=2".into()],
            cwd: "/".into(),
            args: vec!["init".into()],
            ..Process::default()
        };
        let changes = Changes {
            args: vec!["ls".into()],
            env: vec!["A=3".into()],
            user: Some((5, None)),
            capabilities: vec!["CAP_KILL".into()],
            ..Changes::default()
        };
        let p = changed(&own, &changes);
        assert_eq!((p.args[0].as_str(), p.user.uid, p.user.gid), ("ls", 5, 0));
        assert_eq!(p.env, ["B=2", "A=3"]);
        assert_eq!(p.capabilities.expect("sets").effective, ["CAP_KILL"]);
    }
}
