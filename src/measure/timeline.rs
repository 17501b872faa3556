//! Phases of a start from the milestones that were seen: each phase begins where the one before it ended, so they add
//! up to the whole by construction, and a milestone that is missing makes its neighbour longer instead of a gap.

use crate::target::{Event, EventKind};

/// A named slice, nanoseconds from t0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// Name.
    pub phase: String,
    /// Start.
    pub start_ns: u64,
    /// Length.
    pub length_ns: u64,
    /// Bound of the error of its end.
    pub error_ns: u64,
}

/// Slices from t0 to `ready_ns`. The last is `workload`: from the target's last milestone until the workload is ready.
/// Milestones after ready belong to no start and are left out; stamps from before t0 (a mapped clock's error) are
/// moved to t0.
pub fn slices(t0_ns: u64, ready_ns: u64, milestones: &[Event]) -> Vec<Slice> {
    let mut ends: Vec<(u64, &str, u64)> = milestones
        .iter()
        .filter_map(|e| match &e.kind {
            EventKind::Milestone { phase, error_ns } => Some((e.at_ns.max(t0_ns), phase.as_str(), *error_ns)),
            _ => None,
        })
        .filter(|(at, ..)| *at <= ready_ns)
        .collect();
    ends.sort_by_key(|(at, ..)| *at);
    ends.push((ready_ns, "workload", 0));
    let mut from = t0_ns;
    let mut slices = Vec::with_capacity(ends.len());
    for (at, phase, error_ns) in ends {
        slices.push(Slice {
            phase: phase.to_owned(),
            start_ns: from - t0_ns,
            length_ns: at - from,
            error_ns,
        });
        from = at;
    }
    slices
}

#[cfg(test)]
mod tests {
    use super::*;

    fn milestone(at_ns: u64, phase: &str) -> Event {
        Event { at_ns, kind: EventKind::Milestone { phase: phase.into(), error_ns: 5 } }
    }

    #[test]
    fn slices_add_up_to_the_whole() {
        let seen = [milestone(1400, "kernel"), milestone(1100, "qemu"), milestone(9000, "late")];
        let slices = slices(1000, 2000, &seen);
        let names: Vec<_> = slices.iter().map(|s| (s.phase.as_str(), s.start_ns, s.length_ns)).collect();
        assert_eq!(names, [("qemu", 0, 100), ("kernel", 100, 300), ("workload", 400, 600)]);
        assert_eq!(slices.iter().map(|s| s.length_ns).sum::<u64>(), 1000);
    }

    #[test]
    fn no_milestone_leaves_one_slice_and_an_early_one_is_moved() {
        assert_eq!(slices(10, 30, &[]).len(), 1);
        let s = slices(10, 30, &[milestone(3, "early")]);
        assert_eq!((s[0].length_ns, s[1].length_ns), (0, 20));
    }
}
