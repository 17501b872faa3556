//! Runs a job to its end and gives what it said, unmeasured.

use super::error::TargetError;
use super::{EventKind, Job, Place, Target};
use crate::sys::clock::monotonic_ns;
use std::path::Path;
use std::time::Duration;

/// For the end of a job.
const DEADLINE: Duration = Duration::from_secs(60);
/// For what an ended job wrote last: its end and its output may come by different ways.
const DRAIN: Duration = Duration::from_millis(200);

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Standard output and error, as they came; or why it could not be started.
    pub text: String,
    /// Exit code; none where it did not come to one.
    pub code: Option<i32>,
}

/// Runs it below `session_dir`. Nothing of it is left.
pub fn run_to_end(
    target: &mut dyn Target,
    job: &Job,
    session_dir: &Path,
    name: &str,
) -> Result<Ended, TargetError> {
    target.prepare(job)?;
    let place = Place::create(session_dir, name, &target.outer_limits(job))?;
    let launched = target.arm(job, &place).and_then(|armed| target.launch(armed, &place));
    let mut running = match launched {
        Ok(running) => running,
        Err(e) => {
            let _ = place.remove();
            return Err(e);
        }
    };
    let mut until = monotonic_ns() + (DEADLINE + running.boot_allowance()).as_nanos() as u64;
    let (mut text, mut code) = (String::new(), None);
    while monotonic_ns() < until {
        match running.next(Duration::from_millis(20)).map(|e| e.kind) {
            Some(EventKind::Output { bytes, .. }) => text += &String::from_utf8_lossy(&bytes),
            Some(EventKind::Exited { code: ended }) => {
                code = Some(ended);
                until = until.min(monotonic_ns() + DRAIN.as_nanos() as u64);
            }
            Some(EventKind::Closed { error }) => {
                text += &error;
                break;
            }
            _ => {}
        }
    }
    let finished = running.finish();
    drop(running);
    place.remove().and(finished)?;
    Ok(Ended { text, code })
}
