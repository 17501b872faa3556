//! Facts of the host. A fact that cannot be had says why; it is never left out and never guessed.

use crate::record::schema::{Environment, FactGroup, SCHEMA};
use std::path::Path;
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

type Facts = Vec<(String, String)>;

/// All groups of facts. `folder`: that of the record, by whose server the clock is checked.
pub fn of_this_host(started_utc: &str, folder: &Path) -> Environment {
    let kinds = RefreshKind::nothing()
        .with_cpu(CpuRefreshKind::everything())
        .with_memory(MemoryRefreshKind::everything());
    let system = System::new_with_specifics(kinds);
    let asked = |ask: fn(&System) -> Facts| match &system {
        Ok(system) => ask(system),
        Err(e) => vec![("facts".to_owned(), format!("unknown: {e}"))],
    };
    let group = |name: &str, facts: Facts| FactGroup { name: name.into(), facts };
    Environment {
        schema: SCHEMA,
        started_utc: started_utc.to_owned(),
        identity: super::host_id::identity(folder),
        host: System::host_name().unwrap_or_else(|e| format!("unknown: {e}")),
        groups: vec![
            group("CPU", asked(cpu)),
            group("Memory", asked(memory)),
            group("Kernel", kernel()),
            group("Storage", storage()),
            group("Load", asked(load)),
        ],
    }
}

fn fact(facts: &mut Facts, name: &str, value: impl Into<String>) {
    facts.push((name.to_owned(), value.into()));
}

fn or_why<E: std::fmt::Display>(fact: Result<String, E>) -> String {
    fact.unwrap_or_else(|e| format!("unknown: {e}"))
}

/// Content of a file in one line, or why it cannot be had.
fn file(facts: &mut Facts, name: &str, path: &str) {
    let value = match std::fs::read_to_string(path) {
        Ok(text) => text.split_whitespace().collect::<Vec<_>>().join(" "),
        Err(e) => format!("unknown: {path}: {e}"),
    };
    fact(facts, name, value);
}

fn cpu(system: &System) -> Facts {
    let mut f = Facts::new();
    let first = system.cpus().first();
    fact(&mut f, "model", first.map_or("unknown: no CPU listed", |c| c.brand().trim()));
    fact(&mut f, "logical CPUs", system.cpus().len().to_string());
    fact(
        &mut f,
        "frequency",
        first.map_or("unknown: no CPU listed".into(), |c| format!("{} MHz", c.frequency())),
    );
    file(&mut f, "governor", "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
    file(&mut f, "turbo off", "/sys/devices/system/cpu/intel_pstate/no_turbo");
    file(&mut f, "SMT", "/sys/devices/system/cpu/smt/control");
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |key: &str| {
        info.lines().find(|l| l.starts_with(key)).and_then(|l| l.split(": ").nth(1)).unwrap_or("unknown")
    };
    fact(&mut f, "microcode", field("microcode"));
    let virtual_host = info.lines().any(|l| l.starts_with("flags") && l.contains(" hypervisor"));
    fact(&mut f, "host is itself a virtual machine", if virtual_host { "yes" } else { "no" });
    for entry in std::fs::read_dir("/sys/devices/system/cpu/vulnerabilities").into_iter().flatten().flatten()
    {
        let name = entry.file_name().to_string_lossy().into_owned();
        file(&mut f, &format!("mitigation of {name}"), &entry.path().display().to_string());
    }
    f[7..].sort();
    f
}

fn memory(system: &System) -> Facts {
    let mut f = Facts::new();
    fact(&mut f, "total", format!("{} MiB", system.total_memory() >> 20));
    fact(&mut f, "available at start", format!("{} MiB", system.available_memory() >> 20));
    fact(&mut f, "swap", format!("{} MiB", system.total_swap() >> 20));
    file(&mut f, "transparent huge pages", "/sys/kernel/mm/transparent_hugepage/enabled");
    file(&mut f, "huge pages", "/proc/sys/vm/nr_hugepages");
    file(&mut f, "KSM", "/sys/kernel/mm/ksm/run");
    file(&mut f, "overcommit", "/proc/sys/vm/overcommit_memory");
    f
}

fn kernel() -> Facts {
    let mut f = Facts::new();
    fact(&mut f, "release", or_why(System::kernel_version()));
    fact(&mut f, "system", or_why(System::long_os_version()));
    let line = std::fs::read_to_string("/proc/cmdline").map(|text| parameters(&text).to_owned());
    fact(&mut f, "command line", or_why(line));
    fact(&mut f, "file on disk", kernel_file());
    fact(&mut f, "cgroups", cgroup_mode());
    file(&mut f, "clock source", "/sys/devices/system/clocksource/clocksource0/current_clocksource");
    f
}

/// What the kernel itself was told: what stands behind `--` is for the host's init, and nobody else's business.
fn parameters(command_line: &str) -> &str {
    command_line.split(" -- ").next().unwrap_or_default().trim()
}

/// What a container has for nothing and a machine ships.
fn kernel_file() -> String {
    let Ok(release) = System::kernel_version() else { return "unknown: no release".into() };
    let places = [format!("/boot/vmlinuz-{release}"), format!("/lib/modules/{release}/vmlinuz")];
    let found = places.iter().find_map(|p| Some((p, std::fs::metadata(p).ok()?.len())));
    match found {
        Some((path, bytes)) => format!("{path}, {bytes} bytes"),
        None => "unknown: neither in /boot nor with its modules".into(),
    }
}

fn cgroup_mode() -> String {
    let v2 = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    let v1 = Path::new("/sys/fs/cgroup/memory").is_dir();
    let unified = Path::new("/sys/fs/cgroup/unified").is_dir();
    match (v2, v1, unified) {
        (true, ..) => "v2".into(),
        (false, true, true) => "hybrid: v1 controllers, v2 without them".into(),
        (false, true, false) => "v1".into(),
        _ => "unknown: nothing known is mounted on /sys/fs/cgroup".into(),
    }
}

fn storage() -> Facts {
    let mut f = Facts::new();
    let disks = sysinfo::Disks::new_with_refreshed_list();
    for disk in disks.iter().flat_map(|d| d.iter()) {
        let free = format!("{} of {} GiB free", disk.available_space() >> 30, disk.total_space() >> 30);
        let kind = disk.file_system().to_string_lossy().into_owned();
        fact(
            &mut f,
            &disk.mount_point().display().to_string(),
            format!("{kind} on {}, {free}", disk.name().to_string_lossy()),
        );
    }
    if f.is_empty() {
        fact(&mut f, "disks", "unknown: none listed");
    }
    f
}

fn load(system: &System) -> Facts {
    let mut f = Facts::new();
    let load = System::load_average().map(|l| format!("{:.2} {:.2} {:.2}", l.one, l.five, l.fifteen));
    fact(&mut f, "load before (1, 5, 15 minutes)", or_why(load));
    fact(&mut f, "steal since boot", format!("{:.0} ms", super::noise::steal_ms()));
    fact(&mut f, "uptime", or_why(System::uptime().map(|s| format!("{s} s"))));
    fact(&mut f, "CPU use now", format!("{:.0} %", system.global_cpu_usage()));
    f
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_host_has_facts_and_no_empty_one() {
        let e = super::of_this_host("2026-01-01T00:00:00Z", &std::env::temp_dir());
        assert_eq!(e.groups.len(), 5);
        for (name, value) in e.groups.iter().flat_map(|g| &g.facts) {
            assert!(!name.is_empty() && (!value.is_empty() || name == "swap"), "{name} is empty");
        }
    }

    #[test]
    fn arguments_of_the_hosts_init_are_left_out() {
        assert_eq!(super::parameters("quiet nosmt -- --key secret\n"), "quiet nosmt");
        assert_eq!(super::parameters("quiet log=a--b\n"), "quiet log=a--b");
    }
}
