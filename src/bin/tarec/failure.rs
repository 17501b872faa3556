//! What went wrong, told on stderr and in the log as engines expect it.

use crate::globals::Globals;
use std::io::Write;
use taremark::container::RuntimeError;

/// Why there is no result.
#[derive(Debug)]
pub enum Failure {
    /// Wrong arguments.
    Usage(String),
    /// Not wrong: help was asked for.
    Help(String),
    /// The verb failed.
    Runtime(RuntimeError),
    /// The verb failed, and has an exit code of its own for that.
    Coded(u8, RuntimeError),
    /// Standard output took nothing.
    Output(std::io::Error),
}

impl Failure {
    /// Wrong arguments.
    pub fn usage(what: impl Into<String>) -> Self {
        Self::Usage(what.into())
    }

    /// Tells it. The exit code.
    pub fn report(self, globals: &Globals) -> u8 {
        let (code, message) = match self {
            Self::Help(text) => {
                let _ = writeln!(std::io::stdout(), "{text}");
                return 0;
            }
            Self::Usage(text) => (2, text),
            Self::Runtime(e) => (1, chain(&e)),
            Self::Coded(code, e) => (code, chain(&e)),
            Self::Output(e) => (1, format!("write to standard output: {e}")),
        };
        let _ = writeln!(std::io::stderr(), "tarec: {message}");
        globals.log("error", &message);
        code
    }
}

impl From<RuntimeError> for Failure {
    fn from(e: RuntimeError) -> Self {
        Self::Runtime(e)
    }
}

impl From<lexopt::Error> for Failure {
    fn from(e: lexopt::Error) -> Self {
        Self::Usage(e.to_string())
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |e| e.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
