//! The least memory with which a workload still runs on a target, found by halving.

use super::error::MeasureError;
use super::images::Ready;
use super::run::{Setting, run_once};
use super::session::Session;
use crate::target::{Job, Target};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Steps of memory that are told apart.
pub const STEP: u64 = 1 << 20;
/// Runs in a row that the answer has to hold; one is luck where memory is given out in random order.
pub const HOLDS: u32 = 3;

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Least {
    /// The least that held.
    pub bytes: u64,
    /// Why it does not run with a step less.
    pub below: String,
    /// Runs that it took.
    pub runs: u32,
}

/// Halves between nothing and `most`, with which it has to run. `say` is told each try.
pub fn least(
    target: &mut dyn Target,
    ready: &Ready,
    session: &Session,
    interrupted: &AtomicBool,
    say: impl Fn(u64, Option<&str>),
) -> Result<Least, MeasureError> {
    let mut runs = 0;
    let mut holds = |memory_bytes: u64| -> Result<Option<String>, MeasureError> {
        for _ in 0..HOLDS {
            if interrupted.load(Ordering::Relaxed) {
                return Err(MeasureError::Interrupted);
            }
            runs += 1;
            let name = format!("{}-least-{runs}", session.name);
            let setting =
                Setting { session_dir: &session.dir, name: &name, settle: Duration::ZERO, interrupted };
            let job = Job { memory_bytes, ..ready.job.clone() };
            if let Err(e) = target
                .prepare(&job)
                .map_err(|source| MeasureError::Target { step: "prepare", source })
                .and_then(|_| run_once(target, &ready.workload, &job, &setting))
            {
                let why = chain(&e);
                say(memory_bytes, Some(&why));
                return Ok(Some(why));
            }
        }
        say(memory_bytes, None);
        Ok(None)
    };
    let most = ready.job.memory_bytes;
    if let Some(why) = holds(most)? {
        return Err(MeasureError::Broke { target: ready.workload.name.clone(), why });
    }
    let (found, below) = halve(most / STEP, |steps| holds(steps * STEP))?;
    Ok(Least { bytes: found * STEP, below: below.unwrap_or_else(|| "there is no less".into()), runs })
}

/// The least number up to `most`, which holds, that holds, and why the one below does not; `fails` says why one does not.
fn halve<E>(
    most: u64,
    mut fails: impl FnMut(u64) -> Result<Option<String>, E>,
) -> Result<(u64, Option<String>), E> {
    let (mut low, mut high, mut why) = (0, most, None);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        match fails(middle)? {
            Some(reason) => (low, why) = (middle, Some(reason)),
            None => high = middle,
        }
    }
    Ok((high, why))
}

fn chain(e: &MeasureError) -> String {
    let mut text = e.to_string();
    let mut source = std::error::Error::source(e);
    while let Some(cause) = source {
        text += &format!(": {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halving_finds_the_least_and_says_why_not_less() {
        for wanted in 1..=64 {
            let mut tried = 0;
            let fails = |n: u64| {
                tried += 1;
                Ok::<_, ()>((n < wanted).then(|| format!("{n} is too little")))
            };
            let (found, why) = halve(64, fails).expect("halve");
            assert_eq!(found, wanted);
            assert_eq!(why, (wanted > 1).then(|| format!("{} is too little", wanted - 1)));
            assert!(tried <= 6, "{tried} tries for {wanted}");
        }
        assert_eq!(halve(64, |_| Err::<Option<String>, _>("stop")), Err("stop"));
    }
}
