//! The host's kernel merges same pages of those who asked for it (Documentation/admin-guide/mm/ksm.rst), and needs a while.

use super::super::error::{MeasureError, io};
use super::super::memory::available_bytes;
use crate::record::density::Merged;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const KSM: &str = "/sys/kernel/mm/ksm";
/// It has settled when a whole scan changed the number of merged pages by less.
const SETTLED: f64 = 0.05;
/// No longer than this.
const DEADLINE: Duration = Duration::from_secs(120);
/// As the knobs are while it is waited for: run, pages at a time, milliseconds between two times.
const HASTE: [(&str, u64); 3] = [("pages_to_scan", 20_000), ("sleep_millisecs", 10), ("run", 1)];

fn read(name: &str) -> Option<u64> {
    std::fs::read_to_string(Path::new(KSM).join(name)).ok()?.trim().parse().ok()
}

fn write(name: &str, value: u64) -> Result<(), MeasureError> {
    let path = Path::new(KSM).join(name);
    std::fs::write(&path, value.to_string()).map_err(io("write", &path))
}

/// Whether it merges now.
pub(super) fn is_on() -> bool {
    read("run") == Some(1)
}

/// The knobs as they were, put back when dropped.
struct Kept(Vec<(&'static str, u64)>);

impl Drop for Kept {
    fn drop(&mut self) {
        for (name, value) in &self.0 {
            // 2 takes apart what was merged; then as it was.
            if *name == "run" && *value == 0 {
                let _ = write(name, 2);
            }
            let _ = write(name, *value);
        }
    }
}

/// Merges until it has settled.
pub(super) fn until_settled(interrupted: &AtomicBool) -> Result<Merged, MeasureError> {
    let kept = Kept(HASTE.iter().filter_map(|(name, _)| Some((*name, read(name)?))).collect());
    let off = available_bytes().unwrap_or_default();
    HASTE.iter().try_for_each(|(name, value)| write(name, *value))?;
    let from = Instant::now();
    let (mut scans, mut last) = (read("full_scans").unwrap_or_default(), 0.0_f64);
    let mut whole = 0;
    while from.elapsed() < DEADLINE && !interrupted.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(50));
        let now = read("full_scans").unwrap_or_default();
        if now == scans {
            continue;
        }
        (scans, whole) = (now, whole + 1);
        let sharing = read("pages_sharing").unwrap_or_default() as f64;
        // A page is merged at the second scan that finds it unchanged.
        if whole > 2 && (sharing - last).abs() <= SETTLED * sharing {
            break;
        }
        last = sharing;
    }
    let merged = Merged {
        settled_s: from.elapsed().as_secs_f64(),
        available_off_bytes: off,
        available_on_bytes: available_bytes().unwrap_or_default(),
        sharing_bytes: read("pages_sharing").unwrap_or_default() * rustix::param::page_size() as u64,
    };
    drop(kept);
    Ok(merged)
}
