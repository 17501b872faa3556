//! Signals around the start of a child.

/// All signals blocked while a child runs on our memory, so that none of our handlers runs in it.
pub(super) struct BlockedSignals {
    /// As it was.
    pub before: libc::sigset_t,
}

impl BlockedSignals {
    pub fn new() -> Self {
        // SAFETY: both sets are initialised by the calls that get them.
        unsafe {
            let mut all = std::mem::zeroed();
            let mut before = std::mem::zeroed();
            libc::sigfillset(&mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
            Self { before }
        }
    }
}

impl Drop for BlockedSignals {
    fn drop(&mut self) {
        // SAFETY: `before` came from pthread_sigmask.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.before, core::ptr::null_mut()) };
    }
}

/// In a child before its exec: every signal does what it does by default. An ignored one stays ignored over an exec,
/// and ours may be: Rust's runtime ignores SIGPIPE, and a shell SIGINT for what it starts in the background.
pub fn default_signals() {
    const LAST: i32 = 64;
    // SAFETY: plain calls with an action of our own; those that cannot be changed fail and stay as they are.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = libc::SIG_DFL;
        for signal in 1..=LAST {
            libc::sigaction(signal, &action, core::ptr::null_mut());
        }
    }
}
