//! Firecracker and cloud-hypervisor, as far as they can be tested without them and without KVM: a stub takes the place of
//! the program's API, checks each request against the published description, and behaves as a guest that boots.

use crate::bench::{Ground, fails};
use crate::machine::{in_machine_session, kernel_is_there, listen, machine_job};
use crate::support::{busybox, text};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use taremark::container::cgroup::Limits;
use taremark::guest::wire::{Decoder, GuestJob, Message, ToGuest, ToHost, VERSION};
use taremark::machine::hypervisor::Kind;
use taremark::target::hypervisor::HypervisorTarget;
use taremark::target::microvm::MicroVmOptions;
use taremark::target::{Job, Place, Running, Target};

/// What is wrong with `value`; a small part of JSON Schema, in which a member that is not described is wrong.
fn wrong(value: &Value, schema: &Value, at: &str) -> Vec<String> {
    let kind = schema["type"].as_str().expect("type");
    let fits = match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64(),
        "boolean" => value.is_boolean(),
        other => panic!("{other} in a description"),
    };
    if !fits {
        return vec![format!("{at} is no {kind}: {value}")];
    }
    let mut all = Vec::new();
    if let Some(values) = schema["enum"].as_array().filter(|v| !v.contains(value)) {
        all.push(format!("{at} is {value}, none of {values:?}"));
    }
    for (bound, beyond) in [("minimum", -1), ("maximum", 1)] {
        let limit = schema[bound].as_u64().zip(value.as_u64());
        if limit.is_some_and(|(limit, n)| (n as i128 - limit as i128).signum() == beyond) {
            all.push(format!("{at} is {value}, beyond its {bound}"));
        }
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.get(name).is_none() {
            all.push(format!("{at} lacks {name}"));
        }
    }
    for (name, member) in value.as_object().into_iter().flatten() {
        match schema["properties"].get(name) {
            Some(described) => all.extend(wrong(member, described, &format!("{at}.{name}"))),
            None => all.push(format!("{at}.{name} is not described")),
        }
    }
    for (n, member) in value.as_array().into_iter().flatten().enumerate() {
        all.extend(wrong(member, &schema["items"], &format!("{at}[{n}]")));
    }
    all
}

fn description(kind: Kind) -> Value {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/api");
    let json = std::fs::read(dir.join(format!("{}.json", kind.name()))).expect("description");
    serde_json::from_slice(&json).expect("JSON")
}

/// The described request that `method path` is, with its placeholder's value.
fn described(description: &Value, method: &str, path: &str) -> Option<(Value, Option<String>)> {
    for (name, schema) in description["requests"].as_object().expect("requests") {
        let (its_method, its_path) = name.split_once(' ').expect("method and path");
        let begin = its_path.split('{').next().unwrap_or_default();
        let whole = begin == its_path;
        if its_method == method && (whole && path == begin || !whole && path.starts_with(begin)) {
            return Some((schema.clone(), (!whole).then(|| path[begin.len()..].to_owned())));
        }
    }
    None
}

/// How the stub behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Well,
    /// Refuses this request.
    Refuses(&'static str),
    /// Never answers.
    Mute,
    /// Boots a guest whose init never calls.
    GuestIsSilent,
    /// Has no API.
    Absent,
}

/// What came: method, path, body.
type Seen = Vec<(String, String, Value)>;

/// Serves one connection at `api` as the monitor would.
fn serve(kind: Kind, api: &Path, how: How) -> (Seen, Option<GuestJob>) {
    let listener = UnixListener::bind(api).expect("bind");
    // As the harness would find it of a monitor that runs as its own user.
    std::fs::set_permissions(api, std::fs::Permissions::from_mode(0o777)).expect("mode");
    let (stream, _) = listener.accept().expect("accept");
    let description = description(kind);
    let mut reader = BufReader::new(stream.try_clone().expect("clone"));
    let (mut seen, mut vsock) = (Seen::new(), String::new());
    while let Some((method, path, body)) = request(&mut reader) {
        if how == How::Mute {
            std::thread::sleep(Duration::from_secs(30));
        }
        let (schema, id) = described(&description, &method, &path)
            .unwrap_or_else(|| panic!("{method} {path} is not described"));
        if schema.is_null() {
            assert!(body.is_null(), "{path} takes no body: {body}");
        } else {
            assert_eq!(wrong(&body, &schema, "body"), Vec::<String>::new(), "{method} {path}: {body}");
        }
        if let Some(id) = id {
            assert!(body.as_object().expect("object").values().any(|v| v == id.as_str()), "{path}: {body}");
        }
        if let How::Refuses(refused) = how
            && refused == path
        {
            let said = "{\"fault_message\":\"it cannot be\"}";
            let answer = format!("HTTP/1.1 400 \r\nContent-Length: {}\r\n\r\n{said}", said.len());
            (&stream).write_all(answer.as_bytes()).expect("answer");
            continue;
        }
        (&stream)
            .write_all(b"HTTP/1.1 204 \r\nServer: stub\r\nConnection: keep-alive\r\n\r\n")
            .expect("answer");
        for pointer in ["/uds_path", "/vsock/socket"] {
            vsock = body.pointer(pointer).and_then(Value::as_str).map_or(vsock, str::to_owned);
        }
        let boots = body["action_type"] == "InstanceStart" || path.ends_with("vm.boot");
        seen.push((method, path, body));
        if boots && how == How::Well {
            let job = guest(&vsock);
            // A monitor ends with its guest.
            std::fs::write(format!("{}.end", api.display()), "").expect("write");
            return (seen, Some(job));
        }
    }
    (seen, None)
}

fn request(reader: &mut BufReader<UnixStream>) -> Option<(String, String, Value)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path, version) = (words.next()?, words.next()?, words.next()?);
    assert_eq!(version, "HTTP/1.1");
    let (mut length, mut host) = (0, false);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        host |= name == "Host";
        if name == "Content-Length" {
            length = value.trim().parse().expect("length");
        }
    }
    assert!(host, "HTTP/1.1 wants a Host");
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).expect("JSON") };
    Some((method, path, body))
}

/// What our init does in a guest, told to call port 1024 of the host.
fn guest(vsock: &str) -> GuestJob {
    let mut host = UnixStream::connect(format!("{vsock}_1024")).expect("the harness does not listen");
    let mut say = |message: ToHost| host.write_all(&message.frame()).expect("say");
    say(ToHost::Hello(VERSION));
    let mut decoder = Decoder::default();
    let mut buffer = [0; 4096];
    let job = loop {
        let n = host.read(&mut buffer).expect("read");
        assert!(n > 0, "the harness hung up");
        decoder.feed(&buffer[..n]);
        if let Some(ToGuest::Job(job)) = decoder.take().expect("frame") {
            break *job;
        }
    };
    let mut say = |message: ToHost| host.write_all(&message.frame()).expect("say");
    say(ToHost::Output(1, b"hello\n".to_vec()));
    say(ToHost::Exited(0));
    job
}

/// A program that stands in for the monitor's process; its API is served by the test.
fn program(dir: &Path, script: &str) -> PathBuf {
    let path = dir.join("monitor");
    let text = format!("#!/bin/sh\ncase $1 in --version) echo 'Monitor v9.9'; exit;; esac\n{script}\n");
    std::fs::write(dir.join("text"), text).expect("script");
    // Copied by another process, as in `busybox`.
    let copied =
        std::process::Command::new("install").args(["-m", "755"]).arg(dir.join("text")).arg(&path).status();
    assert!(copied.expect("install").success());
    path
}

/// Lives until the stub's guest has ended.
const WITH_ITS_GUEST: &str = "until [ -e \"$2.end\" ]; do sleep 0.02; done";

/// Starts `job` on a stub and does `with` it; what the stub saw.
fn on_stub<T>(
    kind: Kind,
    job: &Job,
    script: &str,
    how: How,
    with: impl FnOnce(Result<&mut Running, String>) -> T,
) -> (T, Option<(Seen, Option<GuestJob>)>) {
    let dir = tempfile::tempdir().expect("folder");
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).expect("mode");
    let tools = tempfile::tempdir().expect("folder");
    std::fs::set_permissions(tools.path(), std::fs::Permissions::from_mode(0o755)).expect("mode");
    let program = program(tools.path(), script).display().to_string();
    let options = MicroVmOptions {
        boot_deadline: Duration::from_secs(if how == How::Well { 30 } else { 2 }),
        ..MicroVmOptions::new(dir.path().to_owned())
    };
    // Modules for these guests come with a fetch.
    let mut target = HypervisorTarget::new(kind, &program, options).expect("target");
    assert_eq!(target.facts().programs[0].version, "Monitor v9.9");
    assert!(target.facts().facts["untested"].contains("nobody has run it"));
    let name = format!("test-{}-monitor", std::process::id());
    let place = Place::create(dir.path(), &name, &Limits::default()).expect("place");
    let armed = target.arm(job, &place).expect("arm");
    let api = place.dir.join("monitor/api.sock");
    let served = (how != How::Absent).then(|| std::thread::spawn(move || serve(kind, &api, how)));
    let result = match target.launch(armed, &place) {
        Ok(mut running) => {
            let result = with(Ok(&mut running));
            running.finish().expect("finish");
            result
        }
        Err(e) => {
            let error = anyhow::Error::from(e);
            with(Err(error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ")))
        }
    };
    assert_eq!(place.cgroup.pids().expect("pids"), Vec::<i32>::new(), "a process is left");
    place.remove().expect("remove");
    assert_eq!(std::fs::read_dir(dir.path()).expect("folder").count(), 0, "a file is left");
    let seen = served.filter(|_| how == How::Well).map(|stub| stub.join().expect("stub"));
    (result, seen)
}

#[test]
fn every_request_is_as_published_and_the_guest_gets_the_job() {
    if !in_machine_session("hypervisors::every_request_is_as_published_and_the_guest_gets_the_job") {
        return;
    }
    let layer = busybox();
    let mut job = machine_job(layer.path(), "echo hello", true);
    (job.cpus, job.scratch_bytes) = (2, Some(16 << 20));
    for kind in [Kind::Firecracker, Kind::CloudHypervisor] {
        let (said, seen) =
            on_stub(kind, &job, WITH_ITS_GUEST, How::Well, |running| listen(running.expect("start"), ""));
        assert_eq!((said.out.as_str(), said.code), ("hello\n", Some(0)), "{said:?}");
        let (seen, told) = seen.expect("requests");
        let told = told.expect("job");
        assert_eq!((told.argv, told.scratch), (job.argv.clone(), true));
        let paths: Vec<&str> = seen.iter().map(|s| s.1.as_str()).collect();
        let body = |path: &str| &seen.iter().find(|s| s.1 == path).expect("request").2;
        if kind == Kind::Firecracker {
            let wanted = [
                "/machine-config",
                "/boot-source",
                "/drives/root",
                "/drives/scratch",
                "/network-interfaces/net",
                "/vsock",
                "/actions",
            ];
            assert_eq!(paths, wanted);
            assert_eq!(body("/machine-config")["mem_size_mib"], 256);
            assert_eq!(body("/drives/root")["is_read_only"], true);
        } else {
            assert_eq!(paths, ["/api/v1/vm.create", "/api/v1/vm.boot"]);
            let created = body("/api/v1/vm.create");
            assert_eq!(
                (&created["memory"]["size"], &created["disks"][0]["readonly"]),
                (&(256 << 20).into(), &true.into())
            );
        }
    }
}

#[test]
fn what_a_monitor_does_wrong_is_told_by_its_step() {
    if !in_machine_session("hypervisors::what_a_monitor_does_wrong_is_told_by_its_step") {
        return;
    }
    let layer = busybox();
    let job = machine_job(layer.path(), "echo hello", false);
    let fails = |script: &str, how: How, says: &[&str]| {
        let from = Instant::now();
        let (said, _) = on_stub(Kind::Firecracker, &job, script, how, |r| r.err().expect("must fail"));
        for word in says {
            assert!(said.contains(word), "{word:?} is not in: {said}");
        }
        assert!(from.elapsed() < Duration::from_secs(20), "it took {:?}", from.elapsed());
    };
    fails(
        "echo no such device >&2; exit 3",
        How::Absent,
        &["firecracker ended before its guest was up", "no such device"],
    );
    fails(
        "exec sleep 60",
        How::Refuses("/boot-source"),
        &["PUT /boot-source was refused: 400", "it cannot be"],
    );
    fails("exec sleep 60", How::GuestIsSilent, &["the guest's init did not call within 2 s"]);
    fails("exec sleep 60", How::Mute, &["PUT /machine-config was refused: no answer within 5 s"]);
}

#[test]
fn the_check_finds_what_is_wrong() {
    let schema = &description(Kind::Firecracker)["requests"]["PUT /machine-config"];
    let good = serde_json::json!({ "vcpu_count": 1, "mem_size_mib": 128 });
    assert_eq!(wrong(&good, schema, "b"), Vec::<String>::new());
    for (bad, says) in [
        (serde_json::json!({ "vcpu_count": 1 }), "b lacks mem_size_mib"),
        (
            serde_json::json!({ "vcpu_count": 33, "mem_size_mib": 1 }),
            "b.vcpu_count is 33, beyond its maximum",
        ),
        (serde_json::json!({ "vcpu_count": "1", "mem_size_mib": 1 }), "b.vcpu_count is no integer: \"1\""),
        (serde_json::json!({ "vcpu_count": 1, "mem_size_mib": 1, "x": 1 }), "b.x is not described"),
        (
            serde_json::json!({ "vcpu_count": 1, "mem_size_mib": 1, "huge_pages": "1G" }),
            "b.huge_pages is \"1G\", none of",
        ),
    ] {
        assert!(wrong(&bad, schema, "b").first().is_some_and(|w| w.starts_with(says)), "{bad}");
    }
}

#[test]
fn without_kvm_it_says_so() {
    kernel_is_there();
    let ground = Ground::new();
    let program = program(ground.path("").as_path(), "exit 1").display().to_string();
    let args = [
        "bench",
        "--quiet",
        "--target",
        "firecracker",
        "--workload",
        "hello",
        "--runs",
        "1",
        "--firecracker",
    ];
    let out = ground.path("record").display().to_string();
    let output = ground.command(&args).args([&program, "--out", &out]).output().expect("taremark");
    fails(&output, 1, &["accelerator kvm cannot be used: /dev/kvm"]);
    let missing =
        ground.command(&["bench", "--target", "cloud-hypervisor", "--out", &out]).output().expect("taremark");
    fails(&missing, 3, &["cloud-hypervisor is not on this host"]);
    let doctor = ground.command(&["doctor", "--json", "--firecracker", &program]).output().expect("taremark");
    let found: Value = serde_json::from_str(&text(&doctor)).expect("JSON");
    let one = found["targets"].as_array().expect("targets").iter().find(|t| t["target"] == "firecracker");
    let one = one.expect("firecracker");
    assert_eq!(one["state"], "not_usable", "{one}");
    assert!(one["why"].as_str().expect("why").contains("kvm cannot be used"), "{one}");
}
