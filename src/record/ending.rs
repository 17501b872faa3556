//! How a run ended.

use super::schema::RunRow;

/// The error of a run that Ctrl-C cut short, and why a bench ended then.
pub const INTERRUPTED: &str = "interrupted";

impl RunRow {
    /// Neither measured nor failed: the user ended it. It is run again where the bench is taken up.
    pub fn was_interrupted(&self) -> bool {
        self.error == INTERRUPTED
    }

    /// Whether target or workload failed.
    pub fn has_failed(&self) -> bool {
        !self.error.is_empty() && !self.was_interrupted()
    }
}
