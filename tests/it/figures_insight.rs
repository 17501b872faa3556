//! Definitions of a start, ledgers, break-even, density and published figures: `report --export insight`.

use crate::figures::Ground;
use crate::figures_compare::{begun, phase, row, sample, shown};
use crate::support::errors;
use serde_json::Value;
use std::path::Path;
use taremark::record::schema::Sample;
use taremark::record::writer::Writer;

const MIB: f64 = 1_048_576.0;

/// Ten blocks of a process that starts in 1 ms and a machine that starts in 300.
fn record(dir: &Path, accelerator: &str) {
    let (plan, environment) = begun("here", 1, &[("process", ""), ("microvm", accelerator)]);
    let mut writer = Writer::create(dir, &plan, &environment).expect("record");
    for block in 1..=10 {
        let more = f64::from(block % 3);
        let slices = [("qemu", 30.0), ("kernel", 200.0 + more), ("guest_init", 50.0), ("workload", 20.0)];
        let (first, second) = (block * 2 - 1, block * 2);
        writer.append_phase(&phase(first, block, "process", 1.0)).expect("phase");
        let mut at = 0.0;
        for (name, ms) in slices {
            let mut phase = phase(second, block, "microvm", ms);
            (phase.phase, phase.start_ms, at) = (name.into(), at, at + ms);
            writer.append_phase(&phase).expect("phase");
        }
        for (run, target, figures) in [
            (
                first,
                "process",
                vec![
                    ("startup_ms", "ms", 1.0),
                    ("total_ms", "ms", 1.2),
                    ("stop_ms", "ms", 0.2),
                    ("pss_bytes", "bytes", MIB),
                ],
            ),
            (
                second,
                "microvm",
                vec![
                    ("startup_ms", "ms", at),
                    ("total_ms", "ms", at + 100.0),
                    ("stop_ms", "ms", 20.0),
                    ("pss_bytes", "bytes", 101.0 * MIB),
                    ("guest_ram_touched_bytes", "bytes", 40.0 * MIB),
                    ("guest_used_bytes", "bytes", 20.0 * MIB),
                    ("guest_kernel_bytes", "bytes", 8.0 * MIB),
                    ("vmm_bytes", "bytes", 61.0 * MIB),
                    ("cgroup_bytes", "bytes", 100.0 * MIB),
                    ("cgroup_anon_bytes", "bytes", 70.0 * MIB),
                    ("cgroup_kernel_bytes", "bytes", 20.0 * MIB),
                    ("page_tables_bytes", "bytes", 5.0 * MIB),
                    ("image_registry_bytes", "bytes", 9.0 * MIB),
                    ("image_shared_bytes", "bytes", 4.0 * MIB),
                    ("incremental_bytes", "bytes", 5.0 * MIB),
                    ("available_fall_bytes", "bytes", -MIB),
                ],
            ),
        ] {
            for (metric, unit, value) in figures {
                let sample = sample(run, block, 1, target, value);
                let sample =
                    Sample { metric: metric.into(), unit: unit.into(), accelerator: String::new(), ..sample };
                writer.append_sample(&sample).expect("sample");
            }
            let mut row = row(run, block, 1, target);
            row.accelerator = if target == "microvm" { accelerator.into() } else { String::new() };
            writer.append_run(&row).expect("run");
        }
    }
    writer.finish(&plan).expect("end");
}

fn insight(accelerator: &str) -> Value {
    let ground = Ground::new();
    let dir = ground.path("record");
    record(&dir, accelerator);
    let output = ground.run(&["report", &shown(&dir), "--export", "insight"]);
    assert!(output.status.success(), "{}", errors(&output));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn find(list: &Value, is: impl Fn(&Value) -> bool) -> &Value {
    list.as_array().expect("list").iter().find(|v| is(v)).expect("entry")
}

#[test]
fn one_launch_has_as_many_figures_as_definitions() {
    let all = insight("tcg");
    let ms = |counted: &str| {
        let start = find(&all["starts"], |s| s["counted"] == counted && s["target"] == "microvm");
        start["ms"]["median"].as_f64().expect("figure")
    };
    assert_eq!(
        [ms("monitor_vendor"), ms("paper"), ms("box_made"), ms("first_reply"), ms("command_returns")],
        [201.0, 231.0, 281.0, 301.0, 401.0]
    );
    let process = all["starts"].as_array().expect("starts").iter().filter(|s| s["target"] == "process");
    assert_eq!(process.count(), 2, "a bare process has no box and no kernel of its own");
}

#[test]
fn what_does_not_add_up_is_red() {
    let all = insight("kvm");
    let ledger =
        |title: &str| find(&all["ledgers"], |l| l["title"] == title && l["target"] == "microvm").clone();
    assert_eq!((&ledger("start-up")["red"], &ledger("start-up")["residual"]), (&false.into(), &0.0.into()));
    assert_eq!(ledger("memory of the machine")["red"], false);
    let cgroup = ledger("memory of the cgroup");
    let part = |name: &str| find(&cgroup["parts"], |p| p["name"] == name)["value"].as_f64();
    assert_eq!(part("cgroup_kernel_bytes less page tables"), Some(15.0 * MIB), "not counted twice");
    assert_eq!(part("page_tables_bytes"), Some(5.0 * MIB));
    let share = cgroup["residual_share"].as_f64().expect("share");
    assert!((share - 0.1).abs() < 1e-9 && cgroup["red"] == false, "{cgroup}");
    assert_eq!(ledger("image in a registry")["residual"], 0.0);
    assert_eq!(ledger("memory of the guest")["red"], true, "a third of the touched RAM is in no part");
    let run = ledger("run");
    assert_eq!((run["residual"].as_f64(), &run["red"]), (Some(80.0), &true.into()));
    assert_eq!(ledger("memory against the host")["red"], true, "the host's memory grew");
}

#[test]
fn costs_are_told_against_the_whole_and_emulation_is_no_match() {
    let all = insight("tcg");
    let even = find(&all["break_even"], |b| b["target"] == "microvm");
    assert_eq!((even["run_longer_than_ms"].as_f64(), &even["tested"]), (Some(300.0 * 20.0), &true.into()));
    assert_eq!(even["memory_more_than_bytes"].as_f64(), Some(2000.0 * MIB));
    let needed = find(&all["needed"], |n| n["target"] == "microvm");
    assert_eq!((&needed["blocks"], &needed["here"]), (&6.into(), &10.into()), "spread of 0.3 %: the fewest");
    let dense = find(&all["density"], |d| d["target"] == "microvm" && d["host_gib"] == 64);
    assert_eq!(dense["instances"], 64 * 1024 / 101);
    let beside =
        |all: &Value, what: &str| find(&all["published"], |p| p["published"]["what"] == what).clone();
    let firecracker = beside(&all, "Firecracker, at most");
    assert_eq!(firecracker["comparable"], false);
    assert!(firecracker["why"].as_str().is_some_and(|w| w.contains("tcg")), "{firecracker}");
    assert_eq!(beside(&insight("kvm"), "Firecracker, at most")["comparable"], true);
    assert_eq!(beside(&all, "crun")["comparable"], false, "no container was measured");
}
