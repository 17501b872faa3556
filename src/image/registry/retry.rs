//! Again, after a wait that doubles.

use super::error::RegistryError;
use super::options::Options;
use super::progress::{Listener, Step};
use crate::image::error::ImageError;
use std::time::Duration;

/// No wait is longer, whatever the registry asks for.
const LONGEST: Duration = Duration::from_secs(20);

/// Runs `attempt` until it goes well, fails for good, or has failed `retries` times in a row without `progress`, which
/// tells how far things are: an attempt that got further does not count.
pub(super) fn retried<T>(
    options: &Options,
    listener: Listener<'_>,
    progress: impl Fn() -> u64,
    mut attempt: impl FnMut() -> Result<T, ImageError>,
) -> Result<T, ImageError> {
    let (mut failed, mut reached) = (0, progress());
    loop {
        let error = match attempt() {
            Err(ImageError::Registry(e)) if e.passes() => e,
            other => return other,
        };
        let now = progress();
        if now > reached {
            (failed, reached) = (0, now);
        }
        if failed >= options.retries {
            return Err(error.into());
        }
        let wait = wait(options.first_wait, failed, asked(&error), rand());
        failed += 1;
        listener(&Step::Waits { why: error.to_string(), wait });
        std::thread::sleep(wait);
    }
}

fn asked(error: &RegistryError) -> Option<Duration> {
    match error {
        RegistryError::Status { retry_after_s, .. } => retry_after_s.map(Duration::from_secs),
        _ => None,
    }
}

/// `first` doubled for each failure, plus up to a quarter so that many clients do not come at once.
fn wait(first: Duration, failed: u32, asked: Option<Duration>, random: f64) -> Duration {
    let doubled = first.saturating_mul(1 << failed.min(16)).mul_f64(1.0 + random / 4.0);
    doubled.max(asked.unwrap_or_default()).min(LONGEST)
}

/// From 0 to 1; only to spread clients in time.
fn rand() -> f64 {
    let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    f64::from(nanos.subsec_nanos() % 1000) / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn broken() -> ImageError {
        let status = 503;
        RegistryError::Status {
            method: "GET",
            url: "x".into(),
            status,
            message: String::new(),
            retry_after_s: None,
        }
        .into()
    }

    #[test]
    fn waits_double_up_to_a_limit_and_heed_the_registry() {
        let ms = |f, a| wait(Duration::from_millis(100), f, a, 0.0).as_millis();
        assert_eq!([0, 1, 2, 3].map(|f| ms(f, None)), [100, 200, 400, 800]);
        assert_eq!(ms(60, None), LONGEST.as_millis());
        assert_eq!(ms(0, Some(Duration::from_secs(3))), 3000);
        assert_eq!(ms(0, Some(Duration::from_secs(3000))), LONGEST.as_millis());
    }

    #[test]
    fn gives_up_after_so_many_failures_unless_it_gets_further() {
        let options = Options { retries: 2, first_wait: Duration::ZERO, ..Options::default() };
        let (tries, done) = (Cell::new(0), Cell::new(0));
        let run = |limit: u64, further: u64| {
            tries.set(0);
            done.set(0);
            let attempt = || {
                tries.set(tries.get() + 1);
                done.set(done.get() + further);
                if tries.get() > limit { Ok(()) } else { Err(broken()) }
            };
            retried(&options, &|_| {}, || done.get(), attempt).is_ok()
        };
        assert!(!run(9, 0));
        assert_eq!(tries.get(), 3);
        assert!(run(2, 0));
        assert!(run(9, 1), "an attempt that got further counted as a failure");
        let for_good = || Err::<(), _>(RegistryError::Unknown("x".into()).into());
        let listener = |_: &Step<'_>| panic!("waited after a failure for good");
        retried(&options, &listener, || 0, for_good).expect_err("for good");
    }
}
