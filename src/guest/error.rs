//! Why the guest init could not go on. Its text goes to the host and is shown there.

/// One step of the guest's start that failed.
#[derive(Debug, thiserror::Error)]
#[error("{step} {on}: {source}")]
pub struct GuestError {
    /// What was tried.
    pub step: &'static str,
    /// On what; may be empty.
    pub on: String,
    /// The kernel's reason.
    pub source: std::io::Error,
}

pub(super) fn failed<E: Into<std::io::Error>>(
    step: &'static str,
    on: impl Into<String>,
) -> impl FnOnce(E) -> GuestError {
    move |e| GuestError { step, on: on.into(), source: e.into() }
}
