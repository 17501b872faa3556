//! What has to hold in a runtime config before anything is done with it. Errors name the field by its JSON path.

use super::config::{Linux, NamespaceKind, Process, Resources, RuntimeConfig};
use super::scheduling;
use std::path::{Component, Path};

type Checked = Result<(), (String, String)>;

fn fail(field: impl Into<String>, why: impl Into<String>) -> Checked {
    Err((field.into(), why.into()))
}

/// All checks.
pub fn check(config: &RuntimeConfig) -> Checked {
    if !is_supported(&config.oci_version) {
        return fail("ociVersion", format!("{:?}: this runtime speaks 1.x, as 1.2.0", config.oci_version));
    }
    process(&config.process)?;
    hooks(config)?;
    if config.root.path.as_os_str().is_empty() {
        return fail("root.path", "is missing");
    }
    for (i, mount) in config.mounts.iter().enumerate() {
        let field = format!("mounts[{i}].destination");
        plain(&field, &mount.destination)?;
        no_nul(&field, mount.destination.as_os_str().as_encoded_bytes())?;
        no_nul(&format!("mounts[{i}].source"), mount.source.as_bytes())?;
        for (j, option) in mount.options.iter().enumerate() {
            no_nul(&format!("mounts[{i}].options[{j}]"), option.as_bytes())?;
        }
    }
    linux(config)?;
    namespaces(config)?;
    super::idmap::check(config)?;
    super::labels::check(&config.process, &config.linux.mount_label)
}

/// SemVer of the first major version.
fn is_supported(version: &str) -> bool {
    let numbers = version.split(['-', '+']).next().unwrap_or_default();
    let parts: Vec<&str> = numbers.split('.').collect();
    parts.len() == 3 && parts[0] == "1" && parts.iter().all(|p| p.parse::<u32>().is_ok())
}

/// A process, whether the container's own or one of `exec`.
pub fn process(p: &Process) -> Checked {
    if p.args.is_empty() {
        return fail("process.args", "is missing or empty: name the program to run");
    }
    if !Path::new(&p.cwd).is_absolute() {
        return fail("process.cwd", format!("{:?} is not an absolute path", p.cwd));
    }
    no_nul("process.cwd", p.cwd.as_bytes())?;
    for (list, entries) in [("args", &p.args), ("env", &p.env)] {
        for (i, entry) in entries.iter().enumerate() {
            no_nul(&format!("process.{list}[{i}]"), entry.as_bytes())?;
        }
    }
    for (i, limit) in p.rlimits.iter().enumerate() {
        let field = format!("process.rlimits[{i}]");
        if super::rlimits::resource(&limit.kind).is_none() {
            return fail(
                format!("{field}.type"),
                format!("{:?} is not a resource limit of Linux", limit.kind),
            );
        }
        if p.rlimits[..i].iter().any(|l| l.kind == limit.kind) {
            return fail(format!("{field}.type"), format!("{} is named twice", limit.kind));
        }
        if limit.soft > limit.hard {
            return fail(
                format!("{field}.soft"),
                format!("{} is more than hard, {}", limit.soft, limit.hard),
            );
        }
    }
    if p.user.umask.is_some_and(|mask| mask > 0o777) {
        return fail("process.user.umask", "is not in 0..=0777 (511)");
    }
    if p.oom_score_adj.is_some_and(|score| !(-1000..=1000).contains(&score)) {
        return fail("process.oomScoreAdj", "is not in -1000..=1000");
    }
    if let Some(scheduler) = &p.scheduler {
        scheduling::attributes(scheduler)?;
    }
    if let Some(priority) = &p.io_priority {
        scheduling::io_priority(priority)?;
    }
    if let Some(affinity) = &p.exec_cpu_affinity {
        scheduling::cpus("process.execCPUAffinity.initial", &affinity.initial)?;
        scheduling::cpus("process.execCPUAffinity.final", &affinity.last)?;
    }
    Ok(())
}

fn hooks(config: &RuntimeConfig) -> Checked {
    let Some(hooks) = &config.hooks else { return Ok(()) };
    for (kind, list) in hooks.kinds() {
        for (i, hook) in list.iter().enumerate() {
            let field = format!("hooks.{kind}[{i}]");
            if !hook.path.is_absolute() {
                return fail(format!("{field}.path"), format!("{:?} is not an absolute path", hook.path));
            }
            if hook.timeout.is_some_and(|seconds| seconds <= 0) {
                return fail(format!("{field}.timeout"), "has to be more than zero");
            }
        }
    }
    Ok(())
}

fn linux(config: &RuntimeConfig) -> Checked {
    let l = &config.linux;
    for (i, device) in l.devices.iter().enumerate() {
        plain(&format!("linux.devices[{i}].path"), &device.path)?;
        if !matches!(device.kind.as_str(), "c" | "b" | "u" | "p") {
            return fail(
                format!("linux.devices[{i}].type"),
                format!("{:?} is not c, b, u or p", device.kind),
            );
        }
        if l.devices[..i].iter().any(|d| d.path == device.path) {
            return fail(format!("linux.devices[{i}].path"), format!("{:?} is named twice", device.path));
        }
    }
    paths(l)?;
    resources(&l.resources)?;
    kernel(config)
}

/// Entries that say nothing, of the container's own limits or those of `update`.
pub fn resources(r: &Resources) -> Checked {
    let mut weights = r.block_io.iter().flat_map(|b| &b.weight_device);
    if let Some(i) = weights.position(|d| d.weight.is_none() && d.leaf_weight.is_none()) {
        let field = format!("linux.resources.blockIO.weightDevice[{i}]");
        return fail(field, "has neither weight nor leafWeight");
    }
    match r.rdma.iter().find(|(_, limit)| limit.hca_handles.is_none() && limit.hca_objects.is_none()) {
        Some((device, _)) => {
            fail(format!("linux.resources.rdma.{device}"), "has neither hcaHandles nor hcaObjects")
        }
        None => Ok(()),
    }
}

fn paths(l: &Linux) -> Checked {
    for (name, paths) in [("maskedPaths", &l.masked_paths), ("readonlyPaths", &l.readonly_paths)] {
        for (i, path) in paths.iter().enumerate() {
            plain(&format!("linux.{name}[{i}]"), path)?;
        }
    }
    if !l.rootfs_propagation.is_empty() && super::mount_options::propagation(&l.rootfs_propagation).is_none()
    {
        return fail("linux.rootfsPropagation", format!("{:?} is not a propagation", l.rootfs_propagation));
    }
    if Path::new(&l.cgroups_path).components().any(|c| matches!(c, Component::ParentDir)) {
        return fail("linux.cgroupsPath", format!("{:?} climbs out of its place", l.cgroups_path));
    }
    Ok(())
}

fn kernel(config: &RuntimeConfig) -> Checked {
    let l = &config.linux;
    super::sysctl::check(config)?;
    if l.intel_rdt.is_some() {
        return fail("linux.intelRdt", "is not supported by this runtime: remove it");
    }
    if let Some(personality) = &l.personality {
        scheduling::domain(personality)?;
    }
    for (clock, offset) in &l.time_offsets {
        if !matches!(clock.as_str(), "monotonic" | "boottime") {
            return fail(format!("linux.timeOffsets.{clock}"), "is not one of monotonic, boottime");
        }
        if offset.nanosecs >= 1_000_000_000 {
            return fail(format!("linux.timeOffsets.{clock}.nanosecs"), "is a second or more");
        }
    }
    let new_time = config.namespace(NamespaceKind::Time).is_some_and(|n| n.path.is_none());
    if !l.time_offsets.is_empty() && !new_time {
        return fail("linux.timeOffsets", "needs a new time namespace in linux.namespaces");
    }
    Ok(())
}

fn namespaces(config: &RuntimeConfig) -> Checked {
    for (i, n) in config.linux.namespaces.iter().enumerate() {
        let field = format!("linux.namespaces[{i}]");
        if config.linux.namespaces[..i].iter().any(|m| m.kind == n.kind) {
            return fail(field, format!("{:?} is named twice", n.kind));
        }
        if n.path.as_ref().is_some_and(|p| !p.is_absolute()) {
            return fail(format!("{field}.path"), "is not an absolute path");
        }
    }
    if config.namespace(NamespaceKind::Mount).is_none_or(|n| n.path.is_some()) {
        return fail(
            "linux.namespaces",
            "a new mount namespace is needed, or the host's mounts would be changed",
        );
    }
    let own_uts = config.namespace(NamespaceKind::Uts).is_some();
    for (field, name) in [("hostname", &config.hostname), ("domainname", &config.domainname)] {
        if !name.is_empty() && !own_uts {
            return fail(field, "needs a uts namespace in linux.namespaces");
        }
        if name.len() > 64 {
            return fail(field, "is longer than 64 bytes");
        }
    }
    for (name, maps) in
        [("uidMappings", &config.linux.uid_mappings), ("gidMappings", &config.linux.gid_mappings)]
    {
        if let Some(i) = maps.iter().position(|m| m.size == 0) {
            return fail(format!("linux.{name}[{i}].size"), "maps no id");
        }
    }
    match config.namespace(NamespaceKind::User) {
        Some(n) if n.path.is_none() && config.linux.uid_mappings.is_empty() => {
            fail("linux.uidMappings", "a new user namespace needs mappings")
        }
        Some(n) if n.path.is_none() && config.linux.gid_mappings.is_empty() => {
            fail("linux.gidMappings", "a new user namespace needs mappings")
        }
        None if !config.linux.uid_mappings.is_empty() => {
            fail("linux.uidMappings", "needs a user namespace in linux.namespaces")
        }
        _ => Ok(()),
    }
}

fn no_nul(field: &str, bytes: &[u8]) -> Checked {
    if bytes.contains(&0) { fail(field, "contains a NUL character") } else { Ok(()) }
}

/// Absolute, and without `..`.
fn plain(field: &str, path: &Path) -> Checked {
    let climbs = path.components().any(|c| matches!(c, Component::ParentDir));
    if path.is_absolute() && !climbs {
        Ok(())
    } else {
        fail(field, format!("{path:?} is not a plain absolute path"))
    }
}
