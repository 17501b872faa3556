//! Published figures beside the measured ones, with their definitions, and whether the two may be compared.

use super::definitions::{Counted, Start};
use serde::Serialize;

/// A figure that somebody published.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Published {
    /// What was measured.
    pub what: &'static str,
    /// Milliseconds.
    pub ms: f64,
    /// How it is counted, as the source says.
    pub definition: &'static str,
    /// Where it stands.
    pub source: &'static str,
    /// Not seen at the source itself but in a text that cites it.
    pub second_hand: bool,
    /// Our definition that comes nearest.
    pub nearest: Counted,
    /// Kind of target: `machine` or `container`.
    pub kind: &'static str,
    /// What stands between it and our figure, besides the machine it was measured on.
    pub differs: &'static str,
}

const fn published(
    (what, ms): (&'static str, f64),
    definition: &'static str,
    (source, second_hand): (&'static str, bool),
    (nearest, kind): (Counted, &'static str),
    differs: &'static str,
) -> Published {
    Published { what, ms, definition, source, second_hand, nearest, kind, differs }
}

/// None of them was measured by us or on this host.
pub const PUBLISHED: [Published; 9] = [
    published(
        ("Firecracker, at most", 125.0),
        "InstanceStart call to the start of the guest's /sbin/init",
        ("SPECIFICATION.md of firecracker-microvm/firecracker, \"Overhead\"", false),
        (Counted::MonitorVendor, "machine"),
        "a limit that is kept in CI, not a median; KVM on bare metal, serial console off, minimal kernel and root; the monitor is running before the clock starts",
    ),
    published(
        ("cloud-hypervisor, monitor and kernel", 134.3),
        "start of the monitor to the kernel's start of user space, by tracepoints: 43.7 ms of the monitor, 90.6 ms of the kernel",
        ("cloud-hypervisor/cloud-hypervisor, issue 1728, comment of 24 September 2020", false),
        (Counted::Paper, "machine"),
        "KVM",
    ),
    published(
        ("QEMU q35, SeaBIOS, bzImage", 192.0),
        "start of QEMU to the kernel's start of user space, by tracepoints",
        ("Garzarella, QEMU 4.0 boots uncompressed Linux x86_64 kernel, 2019", false),
        (Counted::Paper, "machine"),
        "KVM, another machine type and firmware",
    ),
    published(
        ("QEMU q35, qboot, PVH", 134.0),
        "start of QEMU to the kernel's start of user space, by tracepoints",
        ("Garzarella, QEMU 4.0 boots uncompressed Linux x86_64 kernel, 2019", false),
        (Counted::Paper, "machine"),
        "KVM, another machine type",
    ),
    published(
        ("LightVM", 2.3),
        "boot of a unikernel, pre-created shells",
        ("Manco et al., My VM is Lighter (and Safer) than your Container, SOSP 2017, abstract", false),
        (Counted::MonitorVendor, "machine"),
        "a unikernel on Xen with its set-up done before: another work",
    ),
    published(
        ("Kata Containers with QEMU", 710.0),
        "launch of the container to its workload's first action (to-workload): the mean that its CI expects, -40 % to +30 % allowed",
        (
            "kata-containers/kata-containers, tests/metrics/cmd/checkmetrics/ci_worker/checkmetrics-json-qemu-kata-metric8.toml at 0a4b755",
            false,
        ),
        (Counted::BoxMade, "machine"),
        "KVM; the engine's own work is in it",
    ),
    published(
        ("Docker", 100.0),
        "end to end, n = 300",
        (
            "van Rijn and Rellermeyer, A Fresh Look at the Architecture and Performance of Contemporary Isolation Platforms, Middleware 2021, arXiv 2110.11462: the figure as the project's notes cite it",
            true,
        ),
        (Counted::CommandReturns, "container"),
        "client, daemon and network set-up are in it",
    ),
    published(
        ("crun", 16.9),
        "a hundred containers of /bin/true one after another, divided by a hundred",
        ("README.md of containers/crun, \"Performance\"", false),
        (Counted::CommandReturns, "container"),
        "the same kind of call; another host",
    ),
    published(
        ("runc", 33.4),
        "a hundred containers of /bin/true one after another, divided by a hundred",
        ("README.md of containers/crun, \"Performance\"", false),
        (Counted::CommandReturns, "container"),
        "the same kind of call; another host",
    ),
];

/// A published figure and the measured one that is counted most like it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Beside {
    /// The published one.
    pub published: Published,
    /// Ours, of the first workload; none where no target of that kind was measured.
    pub measured: Option<Start>,
    /// Whether a ratio of the two says something of the boxes: never for an emulated machine.
    pub comparable: bool,
    /// In one line.
    pub why: String,
}

/// Every published figure, with what `starts` has of its kind.
pub fn of(starts: &[Start]) -> Vec<Beside> {
    let is_kind = |s: &Start, kind: &str| match kind {
        "machine" => !s.accelerator.is_empty(),
        _ => s.accelerator.is_empty() && s.target != super::summary::NET,
    };
    let beside = |p: &Published| {
        let measured = starts.iter().find(|s| s.counted == p.nearest && is_kind(s, p.kind)).cloned();
        let emulated = measured.as_ref().is_some_and(|m| m.accelerator == "tcg");
        let why = match (&measured, emulated) {
            (None, _) => "nothing of this kind was measured".to_owned(),
            (_, true) => {
                format!("ours is emulated (tcg), 10 to 50 times slower in the kernel; {}", p.differs)
            }
            _ => format!("another host; {}", p.differs),
        };
        Beside { published: *p, comparable: measured.is_some() && !emulated, measured, why }
    };
    PUBLISHED.iter().map(beside).collect()
}
