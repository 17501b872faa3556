//! `process.scheduler`, `process.ioPriority`, `process.execCPUAffinity` and `linux.personality`.

use super::config::{IoPriority, Personality, Scheduler};
use crate::sys::sched::{SchedAttr, set_affinity, set_attributes, set_io_priority};

/// A value that has no meaning: field and reason.
pub type Refused = (String, String);

/// linux/sched.h
const POLICIES: [(&str, u32); 8] = [
    ("SCHED_OTHER", 0),
    ("SCHED_FIFO", 1),
    ("SCHED_RR", 2),
    ("SCHED_BATCH", 3),
    ("SCHED_ISO", 4),
    ("SCHED_IDLE", 5),
    ("SCHED_DEADLINE", 6),
    ("SCHED_EXT", 7),
];
/// linux/sched.h
const FLAGS: [(&str, u64); 7] = [
    ("SCHED_FLAG_RESET_ON_FORK", 0x01),
    ("SCHED_FLAG_RECLAIM", 0x02),
    ("SCHED_FLAG_DL_OVERRUN", 0x04),
    ("SCHED_FLAG_KEEP_POLICY", 0x08),
    ("SCHED_FLAG_KEEP_PARAMS", 0x10),
    ("SCHED_FLAG_UTIL_CLAMP_MIN", 0x20),
    ("SCHED_FLAG_UTIL_CLAMP_MAX", 0x40),
];

fn lookup<T: Copy>(field: &str, table: &[(&str, T)], name: &str) -> Result<T, Refused> {
    let found = table.iter().find(|(n, _)| *n == name).map(|(_, v)| *v);
    let known = || table.iter().map(|(n, _)| *n).collect::<Vec<_>>().join(", ");
    found.ok_or_else(|| (field.to_owned(), format!("{name:?} is not one of {}", known())))
}

/// For sched_setattr(2).
pub fn attributes(s: &Scheduler) -> Result<SchedAttr, Refused> {
    let policy = lookup("process.scheduler.policy", &POLICIES, &s.policy)?;
    let flag = |(i, name): (usize, &String)| lookup(&format!("process.scheduler.flags[{i}]"), &FLAGS, name);
    let flags = s.flags.iter().enumerate().map(flag).try_fold(0, |all, f| f.map(|f| all | f))?;
    let priority = u32::try_from(s.priority)
        .map_err(|_| ("process.scheduler.priority".to_owned(), format!("{} is negative", s.priority)))?;
    let (nice, runtime, deadline, period) = (s.nice, s.runtime, s.deadline, s.period);
    Ok(SchedAttr { size: 0, policy, flags, nice, priority, runtime, deadline, period })
}

/// Class and level for ioprio_set(2).
pub fn io_priority(p: &IoPriority) -> Result<(u16, u16), Refused> {
    let classes = [("IOPRIO_CLASS_RT", 1), ("IOPRIO_CLASS_BE", 2), ("IOPRIO_CLASS_IDLE", 3)];
    let class = lookup("process.ioPriority.class", &classes, &p.class)?;
    match u16::try_from(p.priority) {
        Ok(level @ 0..=7) => Ok((class, level)),
        _ => Err(("process.ioPriority.priority".into(), format!("{} is not in 0..=7", p.priority))),
    }
}

/// For personality(2).
pub fn domain(p: &Personality) -> Result<u32, Refused> {
    if !p.flags.is_empty() {
        return Err(("linux.personality.flags".into(), "no flags are defined".into()));
    }
    lookup("linux.personality.domain", &[("LINUX", 0), ("LINUX32", 8)], &p.domain)
}

/// A list of CPUs as `0-3,7`; empty: none.
pub fn cpus(field: &str, list: &str) -> Result<Vec<usize>, Refused> {
    let bad = || (field.to_owned(), format!("{list:?} is not a list of CPUs like 0-3,7"));
    let mut all = Vec::new();
    for part in list.split(',').map(str::trim).filter(|p| !p.is_empty()) {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (from, to): (usize, usize) = (from.parse().map_err(|_| bad())?, to.parse().map_err(|_| bad())?);
        if from > to || to >= 4096 {
            return Err(bad());
        }
        all.extend(from..=to);
    }
    Ok(all)
}

/// Sets the scheduler of this process.
pub fn set_scheduler(s: &Scheduler) -> std::io::Result<()> {
    attributes(s).map_err(|(_, why)| std::io::Error::other(why)).and_then(set_attributes)
}

/// Sets the I/O priority of this process.
pub fn set_io(p: &IoPriority) -> std::io::Result<()> {
    let (class, level) = io_priority(p).map_err(|(_, why)| std::io::Error::other(why))?;
    set_io_priority(class, level)
}

/// Keeps this process on the CPUs of `list`; an empty one changes nothing.
pub fn keep_on(list: &str) -> std::io::Result<()> {
    match cpus("", list).map_err(|(_, why)| std::io::Error::other(why))? {
        none if none.is_empty() => Ok(()),
        some => set_affinity(&some),
    }
}

/// Sets the execution domain of this process.
pub fn set_personality(p: &Personality) -> std::io::Result<()> {
    let domain = domain(p).map_err(|(_, why)| std::io::Error::other(why))?;
    let domain = nix::sys::personality::Persona::from_bits_retain(domain as i32);
    nix::sys::personality::set(domain).map(drop).map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cpus() {
        assert_eq!(cpus("f", "0-2,5, 7").expect("list"), [0, 1, 2, 5, 7]);
        assert!(cpus("f", "").expect("none").is_empty());
        for bad in ["a", "3-1", "1-", "-1", "0-9999999"] {
            assert!(cpus("f", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn unknown_names_are_refused_by_field() {
        let s = Scheduler { policy: "SCHED_BEST".into(), ..Scheduler::default() };
        assert_eq!(attributes(&s).expect_err("must fail").0, "process.scheduler.policy");
        let s = Scheduler { policy: "SCHED_FIFO".into(), flags: vec!["X".into()], ..Scheduler::default() };
        assert_eq!(attributes(&s).expect_err("must fail").0, "process.scheduler.flags[0]");
        let p = IoPriority { class: "IOPRIO_CLASS_BE".into(), priority: 8 };
        assert_eq!(io_priority(&p).expect_err("must fail").0, "process.ioPriority.priority");
    }
}
