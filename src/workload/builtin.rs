//! The workloads that are known by name.

use super::{ImageSource, Readiness, Reply, Workload};

/// Program of the embedded image.
pub const PROGRAM: &str = "/tare-load";
/// Size of the volume that `disk` gets: its file of 32 MiB, and as much again for the file system.
const SCRATCH_BYTES: u64 = 64 << 20;
/// For getting ready, and for a task to end: a machine without hardware virtualisation is some ten times slower.
const DEADLINE_S: u64 = 60;

/// All of them, small ones first.
pub fn builtin() -> Vec<Workload> {
    let mut all = vec![hello(), idle(), http()];
    all.extend([
        task("cpu", "SHA-256 and floating point, on one processor"),
        task("memory", "sequential and random access to 64 MiB"),
        task("syscall", "the cheapest system call, over and over"),
        Workload {
            scratch_bytes: Some(SCRATCH_BYTES),
            ..task("disk", "32 MiB written, made durable and read past the page cache")
        },
    ]);
    all.extend([redis(), nginx(), python()]);
    all
}

/// The one of this name.
pub fn find(name: &str) -> Option<Workload> {
    builtin().into_iter().find(|w| w.name == name)
}

/// Any image: a task where it is ready by its end, else a service, reached over the network where readiness asks so.
/// With an empty `argv` the image's own runs.
pub fn custom(reference: &str, ready: Readiness, argv: Vec<String>) -> Workload {
    let (service, network) = match ready {
        Readiness::Exit => (false, false),
        Readiness::Line(_) => (true, false),
        Readiness::Tcp(_) | Readiness::Http { .. } => (true, true),
    };
    Workload {
        name: host_name(reference),
        description: reference.to_owned(),
        image: ImageSource::Reference(reference.to_owned()),
        argv,
        network,
        ready,
        service,
        ..blank()
    }
}

/// Last part of a reference's path, without tag and digest, as a legal host name (RFC 1123).
fn host_name(reference: &str) -> String {
    let path = reference.split('@').next().unwrap_or_default();
    let last = path.rsplit('/').next().unwrap_or_default().split(':').next().unwrap_or_default();
    let legal: String =
        last.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(63).collect();
    let trimmed = legal.trim_matches('-').to_ascii_lowercase();
    if trimmed.is_empty() { "custom".into() } else { trimmed }
}

fn blank() -> Workload {
    Workload {
        name: String::new(),
        description: String::new(),
        image: ImageSource::Builtin,
        argv: Vec::new(),
        env: Vec::new(),
        network: false,
        scratch_bytes: None,
        ready: Readiness::Exit,
        service: false,
        reply: None,
        deadline_s: DEADLINE_S,
    }
}

fn load(name: &str, description: &str) -> Workload {
    let argv = vec![PROGRAM.to_owned(), name.to_owned()];
    Workload { name: name.into(), description: description.into(), argv, ..blank() }
}

/// Ready by its end.
fn task(name: &str, description: &str) -> Workload {
    load(name, description)
}

/// Ready by its line; ends at once, so that start-up and the whole are both measured.
fn hello() -> Workload {
    Workload {
        ready: Readiness::Line("hello from taremark".into()),
        ..load("hello", "prints one line and ends: the box alone")
    }
}

fn idle() -> Workload {
    Workload {
        ready: Readiness::Line("ready".into()),
        service: true,
        ..load("idle", "does nothing until it is stopped: the memory of the box alone")
    }
}

fn http() -> Workload {
    served(8080, "hello from taremark\n", load("http", "a small web service"))
}

fn served(port: u16, body: &str, workload: Workload) -> Workload {
    let path = "/".to_owned();
    Workload {
        network: true,
        service: true,
        ready: Readiness::Http { port, path: path.clone() },
        reply: Some(Reply::Http { port, path, expect: body.into() }),
        ..workload
    }
}

/// Its image is made by `scripts/images/NAME`; argv and the rest are the image's own.
fn application(name: &str, description: &str) -> Workload {
    let image = ImageSource::Reference(format!("taremark/{name}:latest"));
    Workload { name: name.into(), description: description.into(), image, ..blank() }
}

fn redis() -> Workload {
    let port = 6379;
    Workload {
        network: true,
        service: true,
        ready: Readiness::Tcp(port),
        reply: Some(Reply::Bytes { port, send: b"PING\r\n".to_vec(), expect: b"+PONG\r\n".to_vec() }),
        ..application("redis", "the key-value store, without persistence")
    }
}

fn nginx() -> Workload {
    served(80, "hello from nginx\n", application("nginx", "the web server, one worker, one static page"))
}

fn python() -> Workload {
    served(8000, "hello from python\n", application("python", "a small web service in Python"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_host_names_and_found() {
        let all = builtin();
        let names: HashSet<&str> = all.iter().map(|w| w.name.as_str()).collect();
        assert_eq!(names.len(), all.len());
        for w in &all {
            assert_eq!(host_name(&w.name), w.name);
            assert_eq!(find(&w.name).as_ref(), Some(w));
        }
        assert_eq!(find("nothing"), None);
    }

    #[test]
    fn what_is_asked_over_the_network_has_one() {
        for w in builtin() {
            let asked = w.reply.is_some() || matches!(w.ready, Readiness::Tcp(_) | Readiness::Http { .. });
            assert_eq!(asked, w.network, "{}", w.name);
            assert!(w.service || w.reply.is_none(), "{} may be gone before it is asked", w.name);
            assert!(!(w.service && w.ready == Readiness::Exit), "{} can never be ready", w.name);
        }
    }

    #[test]
    fn a_reference_becomes_a_host_name() {
        for (reference, name) in [
            ("taremark/redis:latest", "redis"),
            ("host:5000/a/My_App:1.2", "my-app"),
            ("host:5000/app@sha256:00", "app"),
            ("_:x", "custom"),
        ] {
            let w = custom(reference, Readiness::Tcp(1), Vec::new());
            assert_eq!((w.name.as_str(), w.network, w.service), (name, true, true));
        }
        let task = custom("a:1", Readiness::Exit, vec!["x".into()]);
        assert!(!task.service && !task.network && task.argv == ["x"]);
    }
}
