//! Records of hosts that never were, with effects that are known: what a report on them has to find.

use serde::Serialize;
use std::path::Path;
use taremark::measure::schedule::block_order;
use taremark::record::schema::*;
use taremark::stats::Random;

/// Spread between hosts, of logarithms.
pub const BETWEEN: f64 = 0.04;
/// Spread of the runs of one host.
pub const WITHIN: f64 = 0.08;
/// Drift that hits all runs of a block.
const DRIFT: f64 = 0.03;
/// Start-up of `hello` as a bare process, ms.
pub const NET_MS: f64 = 10.0;
/// Container over process.
pub const RATIO: f64 = 2.5;
/// The newer model's start-ups over the older's.
pub const NEWER: f64 = 0.85;
/// A slow host's start-ups over those of its like.
pub const SLOW: f64 = 1.4;

const METRICS_OF_A_RUN: [&str; 10] = [
    "startup_ms",
    "stop_ms",
    "total_ms",
    "cpu_ms",
    "setup_ms",
    "harness_ms",
    "harness_cpu_ms",
    "channel_ms",
    "pss_bytes",
    "cgroup_peak_bytes",
];
const TARGETS: [&str; 2] = ["process", "container"];
const WORKLOADS: [&str; 2] = ["hello", "http"];

/// How many.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Hosts.
    pub hosts: u32,
    /// Measured blocks; each has 40 samples.
    pub blocks: u32,
    /// What all values are drawn from, with the number of the host.
    pub seed: u64,
}

/// Name of a host.
pub fn name(host: u32) -> String {
    format!("node{host:04}")
}

/// Hosts that are slow: every 150th from the 17th.
pub fn is_slow(host: u32) -> bool {
    host % 150 == 17
}

/// Hosts whose runs spread five times as far: every 400th from the 34th.
pub fn is_restless(host: u32) -> bool {
    host % 400 == 34
}

/// Writes host number `host` into the folder `dir`.
pub fn host(dir: &Path, size: Size, host: u32) -> std::io::Result<()> {
    std::fs::create_dir_all(dir)?;
    let mut random = Random::new(size.seed * 1_000_000 + 77_000 + u64::from(host));
    let newer = host.is_multiple_of(3);
    let own = (BETWEEN * random.normal()).exp()
        * if newer { NEWER } else { 1.0 }
        * if is_slow(host) { SLOW } else { 1.0 };
    let spread = if is_restless(host) { 5.0 * WITHIN } else { WITHIN };
    let plan = plan(size);
    json(&dir.join("environment.json"), &environment(host, newer))?;
    json(&dir.join("plan.json"), &plan)?;
    let mut tables = [table(dir, "runs")?, table(dir, "samples")?, table(dir, "phases")?];
    let mut run = 0;
    for block in 1..=size.blocks + 1 {
        let drift = DRIFT * random.normal();
        for (order, slot) in (1..).zip(block_order(plan.seed, block, 2, 2)) {
            run += 1;
            let level = own * (drift + spread * random.normal()).exp();
            one_run(&mut tables, (run, block, order), (slot.target, slot.workload), level, &mut random)?;
        }
    }
    tables.iter_mut().try_for_each(csv::Writer::flush)
}

type Table = csv::Writer<std::fs::File>;

fn table(dir: &Path, name: &str) -> std::io::Result<Table> {
    Ok(csv::Writer::from_writer(std::fs::File::create(dir.join(format!("{name}.csv")))?))
}

fn json(path: &Path, value: &impl Serialize) -> std::io::Result<()> {
    std::fs::write(path, serde_json::to_vec_pretty(value)?)
}

fn one_run(
    tables: &mut [Table; 3],
    (run, block, order): (u32, u32, u32),
    (target, workload): (usize, usize),
    level: f64,
    random: &mut Random,
) -> std::io::Result<()> {
    let [runs, samples, phases] = tables;
    let (target_name, workload_name) = (TARGETS[target], WORKLOADS[workload]);
    let gross = if target == 1 { RATIO } else { 1.0 };
    let startup = NET_MS * gross * (1.0 + workload as f64) * level;
    let warmup = block == 1;
    for (at, metric) in METRICS_OF_A_RUN.iter().enumerate() {
        // The start-up carries the effects; the rest are figures of their own that have none.
        let value = match at {
            0 => startup,
            8 | 9 => (at as f64) * 1e6 * gross * (0.01 * random.normal()).exp(),
            _ => (at as f64) * (0.05 * random.normal()).exp(),
        };
        samples.serialize(Sample {
            schema: SCHEMA,
            run,
            block,
            order,
            target: target_name.into(),
            workload: workload_name.into(),
            accelerator: String::new(),
            metric: (*metric).into(),
            unit: unit_of(metric).unwrap_or_default().into(),
            value: Some((value * 1e6).round() / 1e6),
            warmup,
            error: String::new(),
        })?;
    }
    phases.serialize(Phase {
        phase: "workload".into(),
        start_ms: 0.0,
        duration_ms: (startup * 1e6).round() / 1e6,
        error_ms: 0.0,
        schema: SCHEMA,
        run,
        block,
        accelerator: String::new(),
        workload: workload_name.into(),
        target: target_name.into(),
        warmup,
    })?;
    Ok(runs.serialize(RunRow {
        schema: SCHEMA,
        run,
        block,
        order,
        target: target_name.into(),
        workload: workload_name.into(),
        accelerator: String::new(),
        warmup,
        started_utc: "2026-01-01T00:00:00.000Z".into(),
        image_digest: "sha256:1".into(),
        job_digest: format!("sha256:{workload}"),
        output_digest: format!("sha256:{workload}"),
        exit_code: Some(0),
        load1: 0.1,
        steal_ms: 0.0,
        error: String::new(),
        env_pad_bytes: 0,
        waited_ms: 0.0,
        waited_for: String::new(),
    })?)
}

fn plan(size: Size) -> Plan {
    let target = |name: &str| TargetFacts {
        name: name.into(),
        description: "simulated".into(),
        accelerator: String::new(),
        programs: Vec::new(),
        facts: Default::default(),
    };
    let workload = |name: &str| WorkloadFacts {
        name: name.into(),
        description: "simulated".into(),
        image: "simulated:latest".into(),
        image_digest: "sha256:1".into(),
        argv: vec![name.into()],
        env: Vec::new(),
        user: "0:0".into(),
        cwd: "/".into(),
        ready: "exit".into(),
        service: false,
    };
    Plan {
        schema: SCHEMA,
        taremark: env!("CARGO_PKG_VERSION").into(),
        profile: "simulated".into(),
        seed: 5,
        min_blocks: size.blocks,
        max_blocks: size.blocks,
        warmup_blocks: 1,
        budget_s: 3600.0,
        cache: "warm".into(),
        cpus: 1,
        memory_bytes: 1 << 28,
        settle_ms: 200,
        targets: TARGETS.map(target).into(),
        workloads: WORKLOADS.map(workload).into(),
        schedule: Schedule::default(),
        ended_by: "blocks".into(),
    }
}

fn environment(host: u32, newer: bool) -> Environment {
    let group = |name: &str, fact: &str, value: String| FactGroup {
        name: name.into(),
        facts: vec![(fact.into(), value)],
    };
    // Ids in another order than the numbers, as those of real hosts are.
    let id = u128::from(host).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
    Environment {
        schema: SCHEMA,
        started_utc: "2026-01-01T00:00:00.000Z".into(),
        host: name(host),
        identity: Identity {
            host_id: format!("{id:032x}"),
            host_id_from: "machine-id".into(),
            session: format!("{:032x}", id ^ 1),
            architecture: "x86_64".into(),
            clock_offset_s: Some(0.0),
        },
        groups: vec![
            group("CPU", "model", if newer { "Model B" } else { "Model A" }.into()),
            group("Kernel", "release", format!("6.{}", host % 2)),
        ],
    }
}
