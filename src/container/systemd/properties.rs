//! `linux.resources` as properties of a unit (systemd.resource-control(5)). What systemd has no property for is written to
//! the cgroup alone, as is everything else besides: the two have to say the same, or systemd would undo it at its next
//! look.

use super::wire::Value;
use crate::container::cgroup::weight_of;
use crate::container::config::{BlockIo, Cpu, Memory, Resources};
use std::collections::BTreeMap;

pub(super) type Properties = Vec<(&'static str, Value)>;

/// No limit.
const INFINITY: u64 = u64::MAX;
/// The kernel's period of a CPU quota, microseconds.
const PERIOD_US: u64 = 100_000;

/// Those of a scope that is there or is to be.
pub(super) fn of(r: &Resources, v2: bool) -> Properties {
    let mut all = Properties::new();
    if let Some(m) = &r.memory {
        memory(m, v2, &mut all);
    }
    if let Some(c) = &r.cpu {
        cpu(c, v2, &mut all);
    }
    if let Some(pids) = &r.pids {
        all.push(("TasksMax", Value::Number(limit(pids.limit))));
    }
    if let Some(b) = &r.block_io {
        block_io(b, v2, &mut all);
    }
    if v2 {
        unified(&r.unified, &mut all);
    }
    all
}

/// Zero and less: none.
fn limit(value: i64) -> u64 {
    u64::try_from(value).ok().filter(|v| *v > 0).unwrap_or(INFINITY)
}

fn memory(m: &Memory, v2: bool, all: &mut Properties) {
    let max = m.limit.filter(|l| *l != 0);
    if let Some(max) = max {
        all.push((if v2 { "MemoryMax" } else { "MemoryLimit" }, Value::Number(limit(max))));
    }
    if !v2 {
        return;
    }
    if let Some(low) = m.reservation.filter(|r| *r > 0) {
        all.push(("MemoryLow", Value::Number(limit(low))));
    }
    // The specification's is memory and swap together, systemd's is swap alone.
    match (m.swap.filter(|s| *s != 0), max) {
        (Some(swap), _) if swap < 0 => all.push(("MemorySwapMax", Value::Number(INFINITY))),
        (Some(swap), Some(max)) if max > 0 => {
            all.push(("MemorySwapMax", Value::Number((swap - max).max(0) as u64)));
        }
        _ => {}
    }
}

fn cpu(c: &Cpu, v2: bool, all: &mut Properties) {
    if let Some(shares) = c.shares.filter(|s| *s > 0) {
        all.push(if v2 {
            ("CPUWeight", Value::Number(weight_of(shares)))
        } else {
            ("CPUShares", Value::Number(shares))
        });
    }
    let period = c.period.filter(|p| *p > 0);
    if let Some(quota) = c.quota.filter(|q| *q != 0) {
        quota_of(u64::try_from(quota).ok(), period, all);
    } else if let Some(period) = period {
        all.push(("CPUQuotaPeriodUSec", Value::Number(period)));
    }
    if v2 {
        for (name, list) in [("AllowedCPUs", &c.cpus), ("AllowedMemoryNodes", &c.mems)] {
            all.extend(mask(list).map(|mask| (name, Value::Bytes(mask))));
        }
    }
}

/// systemd keeps a quota in whole hundredths of a CPU: rounded up, so that what is written to the cgroup fits into it.
fn quota_of(quota: Option<u64>, period: Option<u64>, all: &mut Properties) {
    let per_second = quota.map(|q| {
        let exact = q.saturating_mul(1_000_000) / period.unwrap_or(PERIOD_US);
        exact.div_ceil(10_000) * 10_000
    });
    all.push(("CPUQuotaPerSecUSec", Value::Number(per_second.unwrap_or(INFINITY))));
    all.extend(period.map(|p| ("CPUQuotaPeriodUSec", Value::Number(p))));
}

/// `0-3,7` as bits, the first one lowest. None for what is no such list: the kernel says so.
fn mask(list: &str) -> Option<Vec<u8>> {
    const MOST: usize = 8192;
    let mut bits = Vec::new();
    for part in list.split(',').map(str::trim).filter(|p| !p.is_empty()) {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (from, to) = (from.parse::<usize>().ok()?, to.parse::<usize>().ok().filter(|to| *to < MOST)?);
        for n in from..=to {
            if bits.len() <= n / 8 {
                bits.resize(n / 8 + 1, 0u8);
            }
            bits[n / 8] |= 1 << (n % 8);
        }
    }
    (!bits.is_empty()).then_some(bits)
}

fn block_io(b: &BlockIo, v2: bool, all: &mut Properties) {
    if let Some(weight) = b.weight.filter(|w| *w > 0) {
        // 10 to 1000 becomes 1 to 10000, as it is written to the cgroup.
        let unified = 1 + (u64::from(weight).clamp(10, 1000) - 10) * 9999 / 990;
        all.push(if v2 {
            ("IOWeight", Value::Number(unified))
        } else {
            ("BlockIOWeight", Value::Number(u64::from(weight)))
        });
    }
    if !v2 {
        return;
    }
    for (name, rates) in [
        ("IOReadBandwidthMax", &b.throttle_read_bps_device),
        ("IOWriteBandwidthMax", &b.throttle_write_bps_device),
        ("IOReadIOPSMax", &b.throttle_read_iops_device),
        ("IOWriteIOPSMax", &b.throttle_write_iops_device),
    ] {
        let of: Vec<_> =
            rates.iter().map(|d| (format!("/dev/block/{}:{}", d.major, d.minor), d.rate)).collect();
        if !of.is_empty() {
            all.push((name, Value::Rates(of)));
        }
    }
}

/// Files of v2 that systemd has a property for.
fn unified(files: &BTreeMap<String, String>, all: &mut Properties) {
    const NUMBERS: [(&str, &str); 7] = [
        ("cpu.weight", "CPUWeight"),
        ("memory.high", "MemoryHigh"),
        ("memory.low", "MemoryLow"),
        ("memory.min", "MemoryMin"),
        ("memory.max", "MemoryMax"),
        ("memory.swap.max", "MemorySwapMax"),
        ("pids.max", "TasksMax"),
    ];
    let number = |text: &str| if text.trim() == "max" { Some(INFINITY) } else { text.trim().parse().ok() };
    let put = |all: &mut Properties, name: &'static str, value| {
        // Named twice, the last one is what the cgroup has.
        all.retain(|(other, _)| *other != name);
        all.push((name, value));
    };
    for (file, text) in files {
        if let Some((_, name)) = NUMBERS.iter().find(|(f, _)| f == file) {
            number(text).into_iter().for_each(|n| put(all, name, Value::Number(n)));
        }
        match file.as_str() {
            "cpu.max" => {
                let mut words = text.split_whitespace();
                let quota = words.next().and_then(number).filter(|q| *q != INFINITY);
                let mut both = Properties::new();
                quota_of(quota, words.next().and_then(|p| p.parse().ok()), &mut both);
                both.into_iter().for_each(|(name, value)| put(all, name, value));
            }
            "cpuset.cpus" => mask(text).into_iter().for_each(|m| put(all, "AllowedCPUs", Value::Bytes(m))),
            "cpuset.mems" => {
                mask(text).into_iter().for_each(|m| put(all, "AllowedMemoryNodes", Value::Bytes(m)));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn properties(resources: serde_json::Value, v2: bool) -> Properties {
        of(&serde_json::from_value(resources).expect("resources"), v2)
    }

    #[test]
    fn limits_become_properties() {
        let resources = json!({
            "memory": {"limit": 1000, "swap": 1500, "reservation": 10},
            "cpu": {"shares": 1024, "quota": 50_001, "period": 100_000, "cpus": "0-2,9", "mems": "0"},
            "pids": {"limit": 7},
            "blockIO": {"weight": 10, "throttleReadBpsDevice": [{"major": 8, "minor": 1, "rate": 5}]},
            "unified": {"memory.high": "max", "pids.max": "9", "cpu.max": "max 5000", "rdma.max": "x"},
        });
        let n = Value::Number;
        let wanted = [
            ("MemoryMax", n(1000)),
            ("MemoryLow", n(10)),
            ("MemorySwapMax", n(500)),
            ("CPUWeight", n(39)),
            ("AllowedCPUs", Value::Bytes(vec![7, 2])),
            ("AllowedMemoryNodes", Value::Bytes(vec![1])),
            ("IOWeight", n(1)),
            ("IOReadBandwidthMax", Value::Rates(vec![("/dev/block/8:1".into(), 5)])),
            ("CPUQuotaPerSecUSec", n(INFINITY)),
            ("CPUQuotaPeriodUSec", n(5000)),
            ("MemoryHigh", n(INFINITY)),
            ("TasksMax", n(9)),
        ];
        assert_eq!(properties(resources.clone(), true), wanted);
        let v1: Vec<&str> = properties(resources, false).into_iter().map(|(name, _)| name).collect();
        let wanted = [
            "MemoryLimit",
            "CPUShares",
            "CPUQuotaPerSecUSec",
            "CPUQuotaPeriodUSec",
            "TasksMax",
            "BlockIOWeight",
        ];
        assert_eq!(v1, wanted);
    }

    #[test]
    fn quotas_are_rounded_up_and_none_is_infinity() {
        let quota = |c| properties(json!({ "cpu": c }), true)[0].1.clone();
        assert_eq!(quota(json!({"quota": 50_001})), Value::Number(510_000));
        assert_eq!(quota(json!({"quota": -1})), Value::Number(INFINITY));
        assert_eq!(quota(json!({"period": 7})), Value::Number(7));
        assert_eq!(
            properties(json!({"memory": {"limit": -1}}), true),
            [("MemoryMax", Value::Number(INFINITY))]
        );
        for wrong in ["x", "3-x", "1-99999999", ""] {
            assert_eq!(mask(wrong), None, "{wrong}");
        }
    }
}
