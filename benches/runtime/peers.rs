//! The runtimes that are found by name, and the floor.

use crate::tasks::Ground;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How a peer is driven.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Tarec,
    /// Another runtime with the OCI command line.
    Oci,
    /// `unshare … chroot`: the namespaces alone, by two dynamic programs.
    Unshare,
    /// fork and exec of the workload.
    Bare,
}

pub struct Peer {
    pub name: String,
    pub program: PathBuf,
    pub version: String,
    pub kind: Kind,
}

fn in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    let more = ["/usr/local/sbin", "/usr/sbin", "/sbin"];
    path.split(':').chain(more).map(|d| Path::new(d).join(name)).find(|p| p.is_file())
}

fn version(program: &Path) -> String {
    let output = Command::new(program).arg("--version").output();
    let text = output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or("unknown").to_owned()
}

/// `tarec`, and whatever else is here, or is given (`more`: names and programs), and can run the default bundle.
pub fn found(tarec: &Path, more: &[(String, PathBuf)], ground: &Ground) -> Vec<Peer> {
    let peer = |name: &str, program: PathBuf, kind| Peer {
        name: name.into(),
        version: version(&program),
        program,
        kind,
    };
    let mut peers = vec![peer("tarec", tarec.to_owned(), Kind::Tarec)];
    let mut others = more.to_vec();
    for name in ["crun", "runc", "youki"] {
        match in_path(name) {
            Some(program) => others.push((name.to_owned(), program)),
            None => eprintln!("bench-runtime: {name} is not in PATH and is left out"),
        }
    }
    for (name, program) in others {
        let candidate = peer(&name, program, Kind::Oci);
        match ground.tried(&candidate) {
            Ok(()) => peers.push(candidate),
            Err(why) => eprintln!("bench-runtime: {name} cannot run here and is left out: {why}"),
        }
    }
    if let Some(program) = in_path("unshare") {
        peers.push(peer("unshare", program, Kind::Unshare));
    }
    peers.push(Peer {
        name: "bare".into(),
        program: ground.busybox.clone(),
        version: "fork and exec of the workload".into(),
        kind: Kind::Bare,
    });
    peers
}
