//! What a section may not say, beyond what its types hold.

use super::{Action, Seccomp, SeccompError};

/// Refuses rules without names, an errno where the action takes none, and a notification that nobody would get.
pub(super) fn check(seccomp: &Seccomp) -> Result<(), SeccompError> {
    let errno = |field: String, action: Action, errno: Option<u32>| match errno {
        Some(_) if !action.takes_errno() => Err(SeccompError::Errno { field }),
        _ => Ok(()),
    };
    let field = "linux.seccomp.defaultErrnoRet".to_owned();
    errno(field, seccomp.default_action, seccomp.default_errno_ret)?;
    for (rule, r) in seccomp.syscalls.iter().enumerate() {
        if r.names.is_empty() {
            return Err(SeccompError::NoNames { rule });
        }
        errno(format!("linux.seccomp.syscalls[{rule}].errnoRet"), r.action, r.errno_ret)?;
    }
    match &seccomp.listener_path {
        None if seccomp.listener_metadata.is_some() => Err(SeccompError::Metadata),
        None if notifies(seccomp) => Err(SeccompError::NoListener),
        _ => Ok(()),
    }
}

/// Whether anything is asked of a listener.
pub(super) fn notifies(seccomp: &Seccomp) -> bool {
    let actions = seccomp.syscalls.iter().map(|r| r.action).chain([seccomp.default_action]);
    actions.into_iter().any(|action| action == Action::Notify)
}
