//! What whoever reads a merged record has to know of its hosts.

use super::session::Session;
use super::sources::Source;
use crate::record::now_utc;
use std::collections::{BTreeMap, BTreeSet};

/// Clocks of hosts differ by less where they are kept at all, seconds.
const CLOCK_S: f64 = 60.0;

/// Of the sessions alone.
pub(super) fn of(sessions: &[&Session]) -> Vec<String> {
    let mut notes: Vec<String> = sessions.iter().filter_map(|s| wrong_clock(s)).collect();
    notes.extend(clones(sessions));
    notes.extend(programs(sessions));
    notes.extend(sessions.iter().flat_map(|s| s.warnings.iter().map(|w| format!("{}: {w}", s.named()))));
    notes
}

fn wrong_clock(session: &Session) -> Option<String> {
    let offset = session.environment.identity.clock_offset_s.filter(|o| o.abs() > CLOCK_S)?;
    let way = if offset > 0.0 { "ahead of" } else { "behind" };
    Some(format!(
        "the clock of {} is {} {way} its folder's server; no figure hangs on it",
        session.named(),
        span(offset.abs())
    ))
}

fn span(seconds: f64) -> String {
    if seconds >= 3600.0 { format!("{:.1} h", seconds / 3600.0) } else { format!("{:.0} s", seconds) }
}

/// One id with two names: a disk that was copied with its machine-id.
fn clones(sessions: &[&Session]) -> Vec<String> {
    let mut names: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for s in sessions {
        names.entry(&s.host).or_default().insert(&s.host_name);
    }
    let cloned = names.into_iter().filter(|(_, n)| n.len() > 1);
    cloned
        .map(|(id, n)| {
            let n: Vec<&str> = n.into_iter().collect();
            format!(
                "{} have one host id, {}: their machine-id was cloned, and they count as one host",
                n.join(", "),
                id.get(..8).unwrap_or(id)
            )
        })
        .collect()
}

/// Programs of which the hosts have different builds.
fn programs(sessions: &[&Session]) -> Vec<String> {
    let mut builds: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for program in sessions.iter().flat_map(|s| &s.plan.targets).flat_map(|t| &t.programs) {
        builds.entry(&program.name).or_default().insert(&program.digest);
    }
    let many = builds.into_iter().filter(|(_, b)| b.len() > 1);
    many.map(|(name, b)| format!("{name} is not the same on all hosts: {} builds", b.len())).collect()
}

/// Sessions that have not begun yet, by this host's clock. Not written down: it hangs on when one asks.
pub(super) fn of_now(sources: &[Source]) -> Vec<String> {
    // RFC 3339 in UTC sorts as time does; to the minute.
    let now: String = now_utc().chars().take(16).collect();
    let ahead = sources.iter().filter(|s| *s.session.environment.started_utc > *format!("{now}:59.999Z"));
    ahead
        .map(|s| {
            let (named, started) = (s.session.named(), &s.session.environment.started_utc);
            format!("{named} began at {started}, which is yet to come: its clock or this one's is wrong")
        })
        .collect()
}
