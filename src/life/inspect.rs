//! `inspect`: everything that is known, in the shape and with the names of podman's.

use super::folder::Folder;
use super::ports::Published;
use super::spec::{NetworkMode, Spec};
use super::state::{State, Status};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// RFC 3339; podman's zero time for 0.
pub fn time_of(ms: u64) -> String {
    if ms == 0 {
        return "0001-01-01T00:00:00Z".into();
    }
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000);
    at.ok().and_then(|t| t.format(&Rfc3339).ok()).unwrap_or_default()
}

/// One element of the list that is printed.
pub fn inspect(folder: &Folder, spec: &Spec, state: &State) -> Value {
    let running = state.status == Status::Running;
    let paused = super::pause::is_paused(spec, state);
    let health = super::health::of(folder, spec.health.as_ref()).map(|h| {
        let checked = |c: &super::health::Checked| {
            let (start, end) = (time_of(c.start_ms), time_of(c.end_ms));
            json!({"Start": start, "End": end, "ExitCode": c.exit_code, "Output": c.output})
        };
        let log: Vec<Value> = h.log.iter().map(checked).collect();
        json!({"Status": h.status.as_str(), "FailingStreak": h.failing_streak, "Log": log})
    });
    let mounts: Vec<Value> = spec
        .volumes
        .iter()
        .map(|v| {
            json!({
                "Type": if v.name.is_some() { "volume" } else { "bind" },
                "Name": v.name,
                "Source": v.host,
                "Destination": v.inside,
                "RW": !v.read_only,
            })
        })
        .collect();
    json!({
        "Id": spec.id,
        "Created": time_of(spec.created_ms),
        "Path": spec.argv.first(),
        "Args": spec.argv.get(1..).unwrap_or_default(),
        "State": {
            "Status": if paused { "paused" } else { state.status.as_str() },
            "Running": running,
            "Paused": paused,
            "Pid": if running { state.process.pid } else { 0 },
            "ConmonPid": if running { state.monitor.pid } else { 0 },
            "ExitCode": state.exit_code.unwrap_or(if state.status == Status::Exited { -1 } else { 0 }),
            "Error": state.error,
            "StartedAt": time_of(state.started_ms),
            "FinishedAt": time_of(state.finished_ms),
            "Health": health,
            "CgroupPath": format!("/{}", spec.cgroup()),
        },
        "Image": spec.image_digest,
        "ImageName": spec.image,
        "Name": spec.name,
        "Target": spec.target.as_str(),
        "LogPath": folder.file("log"),
        "Mounts": mounts,
        "NetworkSettings": network(spec, state),
        "Config": {
            "Hostname": spec.hostname,
            "User": spec.user,
            "Tty": spec.terminal,
            "OpenStdin": spec.interactive,
            "Env": spec.env,
            "Cmd": spec.argv,
            "WorkingDir": spec.cwd,
            "StopSignal": spec.stop_signal,
            "Healthcheck": spec.health,
        },
        "HostConfig": {
            "NetworkMode": spec.network.to_string(),
            "AutoRemove": spec.remove,
            "ReadonlyRootfs": spec.read_only,
            "NanoCpus": spec.cpus.map_or(0, |c| (c * 1e9) as u64),
            "Memory": spec.memory_bytes.unwrap_or(0),
            "Runtime": spec.runtime.as_deref().unwrap_or("tarec"),
        },
    })
}

fn network(spec: &Spec, state: &State) -> Value {
    let address = state.address.map(|a| a.to_string()).unwrap_or_default();
    let mut networks = Map::new();
    if let NetworkMode::Bridge(name) = &spec.network {
        let mac = state.address.map(super::network::mac_of).map(|m| m.map(|b| format!("{b:02x}")).join(":"));
        networks.insert(
            name.clone(),
            json!({
                "IPAddress": address,
                "IPPrefixLen": super::network::PREFIX,
                "MacAddress": mac.unwrap_or_default(),
                "Aliases": [spec.name, spec.hostname],
            }),
        );
    }
    let by = (!state.ports.is_empty()).then_some(state.published_by);
    json!({ "IPAddress": address, "Ports": ports(&state.ports), "PublishedBy": by, "PublishedWhy": state.published_why, "Networks": networks })
}

fn ports(all: &[Published]) -> Value {
    let mut ports = Map::new();
    for p in all {
        let key = format!("{}/{}", p.inside, p.protocol.as_str());
        let host = json!({ "HostIp": p.address.to_string(), "HostPort": p.host.to_string() });
        let list = ports.entry(key).or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(list) = list {
            list.push(host);
        }
    }
    Value::Object(ports)
}
