//! The one schema of a record. Measuring writes it, reporting reads it, and they meet nowhere else.
//!
//! A record folder holds `plan.json` ([`Plan`]), `environment.json` ([`Environment`]), `runs.csv` ([`RunRow`]),
//! `samples.csv` ([`Sample`]) and `phases.csv` ([`Phase`]), written while the bench goes on and flushed line by line;
//! and, made from those by `report`: `summary.csv`, `summary.json`, `charts/`, `report.md`, `report.html`.
//! Every JSON file has a `schema` member and every CSV row a `schema` column with [`SCHEMA`].

use super::shard::Shard;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of every file of a record. A reader refuses a higher one by name.
pub const SCHEMA: u32 = 1;

/// What a bench set out to do, written before the first run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Version of taremark that wrote it.
    pub taremark: String,
    /// `quick`, `standard`, `full` or `custom`.
    pub profile: String,
    /// Seed of the shuffle of each block.
    pub seed: u64,
    /// Least and most number of measured blocks.
    pub min_blocks: u32,
    /// See `min_blocks`.
    pub max_blocks: u32,
    /// Warm-up blocks that come first; recorded and marked.
    pub warmup_blocks: u32,
    /// Time budget in seconds for all blocks together.
    pub budget_s: f64,
    /// `warm` or `cold`.
    pub cache: String,
    /// CPUs given to each run: cgroup quota for process and container, `-smp` for machines.
    pub cpus: u32,
    /// Memory given to each run, bytes: cgroup limit for process and container, `-m` for machines.
    pub memory_bytes: u64,
    /// Wait between ready and the memory probes, milliseconds.
    pub settle_ms: u64,
    /// Targets, in the order in which tables show them; `process` is the net.
    pub targets: Vec<TargetFacts>,
    /// Workloads, in the order in which tables show them.
    pub workloads: Vec<WorkloadFacts>,
    /// Conditions of the schedule, and how its length was settled.
    #[serde(default)]
    pub schedule: Schedule,
    /// Why the bench ended: `precision`, `blocks`, `budget`, `interrupted`; empty while it runs.
    #[serde(default)]
    pub ended_by: String,
}

/// Conditions of the schedule, and how its length was settled.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Schedule {
    /// CPUs that runs are kept on; the harness keeps to the others where there are any. Empty: not pinned.
    pub pin: Vec<u32>,
    /// Each block's environment gets a variable of a random length up to this (Mytkowicz et al., "Producing Wrong Data
    /// Without Doing Anything Obviously Wrong!", 2009); 0: none.
    pub env_pad_bytes: u32,
    /// Longest wait for a quiet host before a block, seconds; 0: none.
    pub quiet_wait_s: f64,
    /// Width wanted of the 95 % interval of a start-up's ratio to the net, from end to end: 0.05 is 5 %.
    pub width_wanted: Option<f64>,
    /// What the pilot said, once.
    pub pilot: Option<Pilot>,
    /// When the bench was taken up again, UTC, RFC 3339.
    pub resumed_utc: Vec<String>,
    /// Which part of the plan is run, where it is divided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    /// Blocks of the shard that another session of it holds whole, and that are not run again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub done_elsewhere: Vec<u32>,
}

impl Plan {
    /// Whether block `block` (from 1, warm-up counted) is run in this record. Warm-up belongs to each session.
    pub fn takes(&self, block: u32) -> bool {
        let Some(measured) = block.checked_sub(self.warmup_blocks).filter(|m| *m > 0) else { return true };
        let mine = self.schedule.shard.is_none_or(|s| s.has(measured));
        mine && !self.schedule.done_elsewhere.contains(&block)
    }
}

/// What the first blocks said about the length of the rest.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Pilot {
    /// Blocks that it had.
    pub blocks: u32,
    /// Blocks that the wanted width needs in all.
    pub needed: u32,
    /// The workload that needs them.
    pub workload: String,
    /// Standard deviation between blocks of the logarithm of its start-up: drift, which pairing removes.
    pub between_blocks: f64,
    /// The same within a block.
    pub within_blocks: f64,
}

/// A target as it was found on this host. One that cannot say its version is not measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TargetFacts {
    /// `process`, `container`, `oci:runc`, `microvm`, … ; the second of an A/A pair ends in `#2`.
    pub name: String,
    /// One line for people: what it is.
    pub description: String,
    /// `kvm` or `tcg` for machines, else empty.
    #[serde(default)]
    pub accelerator: String,
    /// Every program used, with version and digest.
    pub programs: Vec<Program>,
    /// Further facts (machine type, kernel release, root format, overlay, …), shown in the report.
    #[serde(default)]
    pub facts: BTreeMap<String, String>,
}

/// A program that took part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Program {
    /// Name, e.g. `qemu-system-x86_64`.
    pub name: String,
    /// First line of its version output, or the package's version.
    pub version: String,
    /// `sha256:<hex>` of the file.
    pub digest: String,
}

/// A workload: image, what runs in it, and how one knows that it is ready.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkloadFacts {
    /// `hello`, `redis`, …
    pub name: String,
    /// One line for people.
    pub description: String,
    /// Reference of the image.
    pub image: String,
    /// Digest of its manifest.
    pub image_digest: String,
    /// Argument vector.
    pub argv: Vec<String>,
    /// Environment, `K=V`.
    pub env: Vec<String>,
    /// User as `uid:gid`.
    pub user: String,
    /// Working directory.
    pub cwd: String,
    /// `line:TEXT`, `tcp:PORT`, `http:URL` or `exit`.
    pub ready: String,
    /// True where it stays until stopped (memory is probed); false where it ends by itself.
    pub service: bool,
}

/// One launch of one workload on one target: a row of `runs.csv`, failed ones too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunRow {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Number of the run in the order of execution, from 1.
    pub run: u32,
    /// Block, from 1; warm-up blocks are counted too.
    pub block: u32,
    /// Place within its block, from 1.
    pub order: u32,
    /// [`TargetFacts::name`].
    pub target: String,
    /// [`WorkloadFacts::name`].
    pub workload: String,
    /// `kvm`, `tcg` or empty.
    pub accelerator: String,
    /// Marked, and left out of every summary.
    pub warmup: bool,
    /// UTC, RFC 3339 with milliseconds.
    pub started_utc: String,
    /// Digest of the image that was launched.
    pub image_digest: String,
    /// `sha256:` of what the target was really told: argv, env, user, cwd, CPUs, memory. Equal, or no comparison.
    pub job_digest: String,
    /// `sha256:` of the checked part of the output.
    pub output_digest: String,
    /// Exit code of the workload, where it had one.
    pub exit_code: Option<i32>,
    /// Host's one-minute load before the run.
    pub load1: f64,
    /// Steal time during the run, milliseconds over all CPUs.
    pub steal_ms: f64,
    /// Empty, or why the run failed, in one line.
    pub error: String,
    /// Length of the variable by which this block's environment was made longer.
    #[serde(default)]
    pub env_pad_bytes: u32,
    /// Wait for a quiet host before this run, milliseconds.
    #[serde(default)]
    pub waited_ms: f64,
    /// What was not quiet, or empty.
    #[serde(default)]
    pub waited_for: String,
}

/// One value of one metric from one run: a row of `samples.csv`.
///
/// Figures that belong to an image or a preparation and to no run (sizes, unpacking, building a disk) have run,
/// block and order 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sample {
    /// [`SCHEMA`].
    pub schema: u32,
    /// [`RunRow::run`], or 0.
    pub run: u32,
    /// [`RunRow::block`], or 0.
    pub block: u32,
    /// [`RunRow::order`], or 0.
    pub order: u32,
    /// [`TargetFacts::name`].
    pub target: String,
    /// [`WorkloadFacts::name`].
    pub workload: String,
    /// `kvm`, `tcg` or empty.
    pub accelerator: String,
    /// One of [`METRICS`].
    pub metric: String,
    /// `ms`, `bytes`, `1/s`, `MiB/s`, `us`.
    pub unit: String,
    /// Absent only where `error` says why.
    pub value: Option<f64>,
    /// From a warm-up run.
    pub warmup: bool,
    /// Why there is no value.
    pub error: String,
}

/// A named slice of a run's time line: a row of `phases.csv`. The phases of a run follow one another without gap
/// from t0 to ready; later ones (`stop`) have a start after ready.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Phase {
    /// [`SCHEMA`].
    pub schema: u32,
    /// [`RunRow::run`].
    pub run: u32,
    /// [`RunRow::block`].
    pub block: u32,
    /// [`TargetFacts::name`].
    pub target: String,
    /// [`WorkloadFacts::name`].
    pub workload: String,
    /// `kvm`, `tcg` or empty.
    pub accelerator: String,
    /// From a warm-up run.
    pub warmup: bool,
    /// e.g. `spawn`, `namespaces`, `rootfs`, `qemu`, `kernel`, `guest_init`, `workload`.
    pub phase: String,
    /// From t0, milliseconds.
    pub start_ms: f64,
    /// Length, milliseconds.
    pub duration_ms: f64,
    /// Bound of the clock mapping's error, milliseconds; 0 for stamps of the host's own clock.
    pub error_ms: f64,
}

/// Facts of the host. Part of every result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Environment {
    /// [`SCHEMA`].
    pub schema: u32,
    /// UTC, RFC 3339.
    pub started_utc: String,
    /// Host name.
    pub host: String,
    /// Who it is; empty in records of before it was known.
    #[serde(default)]
    pub identity: Identity,
    /// Groups (`cpu`, `memory`, `kernel`, `cgroup`, `storage`, `accelerator`, …) of named facts, in order of display.
    pub groups: Vec<FactGroup>,
}

/// Which host, and which bench on it. Reveals no secret: see docs/fleet.md.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Identity {
    /// 128 bits as hexadecimal digits; the same after a reboot.
    pub host_id: String,
    /// `machine-id`, `DMI` or `host name`.
    pub host_id_from: String,
    /// 128 random bits as hexadecimal digits, drawn once for each bench.
    pub session: String,
    /// As Rust names it: `x86_64`, `aarch64`.
    pub architecture: String,
    /// The host's clock less that of the file server that holds the record, seconds.
    pub clock_offset_s: Option<f64>,
}

/// Named facts of one kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FactGroup {
    /// Title for people.
    pub name: String,
    /// Name and value; a fact that could not be had has the value `unknown: <why>`.
    pub facts: Vec<(String, String)>,
}

/// Name, unit and one-line definition of each metric. `METHOD` (docs/method.md) has the long form.
pub const METRICS: &[(&str, &str, &str)] = &[
    (
        "startup_ms",
        "ms",
        "ready - t0: from right before the system call that starts the target until the harness sees the workload's readiness",
    ),
    (
        "stop_ms",
        "ms",
        "gone - stop request: until processes are reaped and mounts, cgroups, network and files of the run are removed",
    ),
    ("total_ms", "ms", "gone - t0, less the settle time and the probes"),
    ("cpu_ms", "ms", "processor time of the whole run's cgroup, host side"),
    (
        "setup_ms",
        "ms",
        "what an engine does for each run before t0: cgroup, bundle or root file system, network; never part of start-up",
    ),
    (
        "harness_ms",
        "ms",
        "what the harness itself adds to a run: wall time around it less set-up, total, settling and probes",
    ),
    ("harness_cpu_ms", "ms", "processor time of the harness's own process during a run, its probes included"),
    (
        "channel_ms",
        "ms",
        "latency of the target's output channel: one way through a pipe, or half the round trip of an echo to a guest; never subtracted",
    ),
    ("pss_bytes", "bytes", "proportional set size, summed over all processes of the run, from smaps_rollup"),
    ("uss_bytes", "bytes", "private clean + private dirty, summed over all processes of the run"),
    ("rss_bytes", "bytes", "resident set size, summed over all processes of the run"),
    ("cgroup_bytes", "bytes", "charged to the run's fresh cgroup when probed"),
    ("cgroup_peak_bytes", "bytes", "most that was ever charged to the run's fresh cgroup"),
    ("cgroup_anon_bytes", "bytes", "anonymous memory in the run's cgroup"),
    ("cgroup_file_bytes", "bytes", "page cache in the run's cgroup"),
    ("cgroup_shmem_bytes", "bytes", "shared memory and tmpfs in the run's cgroup"),
    ("cgroup_kernel_bytes", "bytes", "kernel memory charged to the run's cgroup, page tables among it"),
    ("page_tables_bytes", "bytes", "page tables of all processes of the run, VmPTE of /proc/PID/status"),
    (
        "available_fall_bytes",
        "bytes",
        "fall of the host's MemAvailable from before set-up to the probe: all that the run cost, and whatever else happened meanwhile",
    ),
    ("guest_ram_touched_bytes", "bytes", "QEMU's PSS in the named mapping that is the guest's RAM"),
    ("vmm_bytes", "bytes", "QEMU's PSS outside the guest's RAM"),
    ("guest_used_bytes", "bytes", "the guest's MemTotal - MemAvailable"),
    ("guest_kernel_bytes", "bytes", "configured RAM - the guest's MemTotal"),
    (
        "image_registry_bytes",
        "bytes",
        "sum of the image's distinct compressed blobs: config, manifest and layers",
    ),
    ("image_shared_bytes", "bytes", "of these, blobs that another image of the same bench has too"),
    ("incremental_bytes", "bytes", "what this image adds where the bench's other images are there already"),
    (
        "image_unpacked_bytes",
        "bytes",
        "unpacked root file system, apparent size of its regular files, hard links once",
    ),
    ("image_allocated_bytes", "bytes", "unpacked root file system, blocks allocated"),
    ("disk_bytes", "bytes", "root disk of a machine, as its format stores it"),
    ("os_disk_bytes", "bytes", "disk with a whole operating system, as its format stores it"),
    ("os_disk_virtual_bytes", "bytes", "the same disk as the guest sees it"),
    ("os_disk_transfer_bytes", "bytes", "the same disk compressed by zstd at level 3"),
    ("kernel_bytes", "bytes", "guest kernel file that is booted"),
    ("initramfs_bytes", "bytes", "initramfs that is booted"),
    ("firmware_bytes", "bytes", "firmware that QEMU loads"),
    ("snapshot_bytes", "bytes", "saved state of a machine: RAM that is not zero, and its devices"),
    (
        "shipped_bytes",
        "bytes",
        "what must be shipped to run it: the image's registry bytes for process and container; disks + kernel + initramfs + firmware for a machine",
    ),
    (
        "transfer_bytes",
        "bytes",
        "the same compressed by one codec, zstd at level 3, so that images and machines compare alike: the image's tree as one tar for process and container; each of a machine's files",
    ),
    (
        "prepare_ms",
        "ms",
        "what a user pays once for each image on this target: unpack, or disk and initramfs; for a restored machine also coming up and being saved",
    ),
    ("rate", "1/s", "the workload's own rate"),
    ("write_rate", "MiB/s", "the disk workload's sequential write rate, fdatasync included"),
    ("read_rate", "MiB/s", "the disk workload's sequential read rate, page cache bypassed"),
];

/// Unit of a metric of [`METRICS`].
pub fn unit_of(metric: &str) -> Option<&'static str> {
    METRICS.iter().find(|m| m.0 == metric).map(|m| m.1)
}
