//! The same for many things, a few at a time.

use super::error::ImageError;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Runs `work` on every item by `threads` threads. After the first failure no other is begun; that failure is told.
pub(super) fn each<T: Sync, R>(
    threads: usize,
    items: &[T],
    work: impl Fn(&T) -> Result<R, ImageError> + Sync,
) -> Result<(), ImageError> {
    let (next, failed, first) = (AtomicUsize::new(0), AtomicBool::new(false), Mutex::new(None));
    let run = || {
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            if failed.load(Ordering::Relaxed) {
                return;
            }
            if let Err(error) = work(item) {
                failed.store(true, Ordering::Relaxed);
                first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            }
        }
    };
    match threads.min(items.len()) {
        0 | 1 => run(),
        many => std::thread::scope(|s| (0..many).for_each(|_| drop(s.spawn(run)))),
    }
    first.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

/// As many as this process may use.
pub(super) fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_done_and_the_first_failure_ends_it() {
        let sum = AtomicUsize::new(0);
        let items: Vec<usize> = (1..=100).collect();
        each(4, &items, |n| Ok(sum.fetch_add(*n, Ordering::Relaxed))).expect("all");
        assert_eq!(sum.into_inner(), 5050);
        let done = AtomicUsize::new(0);
        let work = |n: &usize| match n {
            3 => Err(ImageError::NotFound("3".into())),
            _ => Ok(done.fetch_add(1, Ordering::Relaxed)),
        };
        each(1, &items, work).expect_err("failed");
        assert_eq!(done.into_inner(), 2);
    }
}
