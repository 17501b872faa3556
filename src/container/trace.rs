//! The time line of a start: spans of CLOCK_MONOTONIC, kept in memory until the workload runs, then written in Chrome's
//! trace format (complete events, `ph` X; it opens in Perfetto).

use crate::sys::clock::monotonic_ns;
use serde::{Deserialize, Serialize};

/// A named span.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Step.
    pub name: String,
    /// Start, nanoseconds.
    pub from_ns: u64,
    /// End, nanoseconds.
    pub to_ns: u64,
}

/// Spans so far; each begins where the last one ended.
#[derive(Debug)]
pub struct Trace {
    last_ns: u64,
    spans: Vec<Span>,
    wanted: bool,
}

impl Trace {
    /// A time line that begins now; one that is not `wanted` stays empty and costs nothing.
    pub fn new(wanted: bool) -> Self {
        Self { last_ns: if wanted { monotonic_ns() } else { 0 }, spans: Vec::new(), wanted }
    }

    /// One for the init, which begins now.
    pub fn again(&self) -> Self {
        Self::new(self.wanted)
    }

    /// The step that was going on ends now.
    pub fn done(&mut self, name: &str) {
        if !self.wanted {
            return;
        }
        let now = monotonic_ns();
        self.spans.push(Span { name: name.to_owned(), from_ns: self.last_ns, to_ns: now });
        self.last_ns = now;
    }

    /// What was gathered.
    pub fn into_spans(self) -> Vec<Span> {
        self.spans
    }
}

/// The file. A row, by process and thread, for each list of spans.
pub fn chrome(rows: &[((i32, i32), &[Span])]) -> String {
    let mut events = Vec::new();
    for ((pid, tid), spans) in rows {
        for s in *spans {
            let (ts, dur) = (s.from_ns as f64 / 1000.0, (s.to_ns - s.from_ns) as f64 / 1000.0);
            events.push(format!(
                r#"{{"name":"{}","ph":"X","ts":{ts:.3},"dur":{dur:.3},"pid":{pid},"tid":{tid}}}"#,
                s.name
            ));
        }
    }
    format!("[\n{}\n]\n", events.join(",\n"))
}
