//! Turns the Chrome trace that `tarec --trace` writes into milestones of the run's time line.

use super::event::{Event, EventKind};
use serde::Deserialize;
use std::path::Path;

/// A complete event of the Chrome trace format; `ts` and `dur` are microseconds of CLOCK_MONOTONIC.
#[derive(Deserialize)]
struct Span {
    name: String,
    ts: f64,
    dur: f64,
}

/// Milestones at the ends of the spans, in the order of time. A file that is missing or cut gives none: the time then
/// belongs to the phase around it, and nothing is invented.
pub fn milestones(path: &Path) -> Vec<Event> {
    let Ok(json) = std::fs::read(path) else { return Vec::new() };
    let Ok(values) = serde_json::from_slice::<Vec<serde_json::Value>>(&json) else { return Vec::new() };
    let spans = values.into_iter().filter(|v| v.get("ph").is_none_or(|p| p == "X"));
    let mut spans: Vec<Span> = spans.filter_map(|v| serde_json::from_value(v).ok()).collect();
    spans.sort_by(|a, b| (a.ts + a.dur).total_cmp(&(b.ts + b.dur)));
    spans
        .into_iter()
        .map(|s| Event {
            at_ns: ((s.ts + s.dur) * 1000.0) as u64,
            kind: EventKind::Milestone { phase: s.name, error_ns: 0 },
        })
        .collect()
}
