//! What is to be run, the same for every target.

use crate::sys::spawn::PAD;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::path::PathBuf;

/// One workload with its image, limits and surroundings.
#[derive(Debug, Clone)]
pub struct Job {
    /// Workload's name; a legal host name.
    pub name: String,
    /// Digest of the image's manifest.
    pub image_digest: String,
    /// Unpacked layers, top first: what overlayfs wants as its lower directories.
    pub lower_dirs: Vec<PathBuf>,
    /// Argument vector; `argv[0]` is an absolute path in the image or looked up in the image's PATH.
    pub argv: Vec<String>,
    /// `K=V`.
    pub env: Vec<String>,
    /// Working directory in the image.
    pub cwd: String,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Further groups.
    pub groups: Vec<u32>,
    /// CPUs: cgroup quota, or `-smp`.
    pub cpus: u32,
    /// Bytes: cgroup limit, or `-m`.
    pub memory_bytes: u64,
    /// Whether the workload is reached over the network.
    pub network: bool,
    /// TCP port on which it is ready when it answers, where it is a server that is known by that.
    pub port: Option<u16>,
    /// Bytes of a writable volume at `/scratch`, where it needs one.
    pub scratch_bytes: Option<u64>,
}

/// What a target was really told, read back from what was handed to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Told {
    /// See [`Job::argv`].
    pub argv: Vec<String>,
    /// See [`Job::env`].
    pub env: Vec<String>,
    /// See [`Job::cwd`].
    pub cwd: String,
    /// See [`Job::uid`].
    pub uid: u32,
    /// See [`Job::gid`].
    pub gid: u32,
    /// See [`Job::cpus`].
    pub cpus: u32,
    /// See [`Job::memory_bytes`].
    pub memory_bytes: u64,
}

impl Told {
    /// `sha256:` over its JSON. Equal digests are the proof that two targets were given the same work. The padding of the
    /// environment is left out: its length differs from block to block, and is recorded there.
    pub fn digest(&self) -> String {
        let mut plain = self.clone();
        plain.env.retain(|e| !e.starts_with(PAD));
        let json = serde_json::to_vec(&plain).unwrap_or_default();
        format!("sha256:{}", hex::encode(Sha256::digest(json)))
    }
}

impl Job {
    /// The same with an environment that is `bytes` longer; as it is where that is too little for a variable.
    pub fn padded(&self, bytes: u32) -> Self {
        let mut job = self.clone();
        if let Some(length) = (bytes as usize).checked_sub(PAD.len()) {
            job.env.push(format!("{PAD}{}", "x".repeat(length)));
        }
        job
    }

    /// What a target that follows the job is told.
    pub fn told(&self) -> Told {
        Told {
            argv: self.argv.clone(),
            env: self.env.clone(),
            cwd: self.cwd.clone(),
            uid: self.uid,
            gid: self.gid,
            cpus: self.cpus,
            memory_bytes: self.memory_bytes,
        }
    }
}
