//! A session: one bench on one host.

use crate::record::schema::{Environment, Plan, RunRow};
use crate::record::table::Origin;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// A measured block of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockDone {
    /// Its number, warm-up counted.
    pub block: u32,
    /// Places of it that were run.
    pub runs: u32,
    /// Those that failed.
    pub failed: u32,
}

/// A line of sessions.jsonl.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// [`super::VERSION`].
    pub schema: u32,
    /// Id of the host.
    pub host: String,
    /// Its name.
    pub host_name: String,
    /// Id of the session.
    pub session: String,
    /// Rows in runs.parquet.
    pub runs: u64,
    /// Rows in samples.parquet.
    pub samples: u64,
    /// Rows in phases.parquet.
    pub phases: u64,
    /// Measured blocks.
    pub blocks: Vec<BlockDone>,
    /// What its bench set out to do.
    pub plan: Plan,
    /// Facts of the host.
    pub environment: Environment,
    /// What was cut off and left out when its record was read.
    pub warnings: Vec<String>,
}

impl Session {
    /// Of a record's head and its runs; samples, phases and warnings are to be filled in by who reads them.
    pub(super) fn of_head(plan: Plan, environment: Environment, tally: Tally) -> Self {
        let origin = origin_of(&plan, &environment);
        Self {
            schema: super::VERSION,
            host: origin.host,
            host_name: origin.host_name,
            session: origin.session,
            runs: tally.runs,
            samples: 0,
            phases: 0,
            blocks: tally.blocks(),
            plan,
            environment,
            warnings: Vec::new(),
        }
    }

    /// Its origin, as rows have it.
    pub fn origin(&self) -> Origin {
        Origin { host: self.host.clone(), host_name: self.host_name.clone(), session: self.session.clone() }
    }

    /// Runs of a whole block.
    pub fn block_size(&self) -> u32 {
        (self.plan.targets.len() * self.plan.workloads.len()) as u32
    }

    /// For people: name and the first digits of the session.
    pub fn named(&self) -> String {
        format!("{} ({})", self.host_name, self.session.get(..8).unwrap_or(&self.session))
    }
}

/// Runs, counted one after another.
#[derive(Debug, Default)]
pub(super) struct Tally {
    runs: u64,
    /// Of each measured block its places and its failures.
    all: BTreeMap<u32, (BTreeSet<(String, String)>, u32)>,
}

impl Tally {
    /// Counts one.
    pub(super) fn add(&mut self, run: &RunRow) {
        self.runs += 1;
        // A run that Ctrl-C cut short is none: it is run again when the bench is taken up.
        if run.warmup || run.was_interrupted() {
            return;
        }
        let block = self.all.entry(run.block).or_default();
        block.0.insert((run.target.clone(), run.workload.clone()));
        block.1 += u32::from(!run.error.is_empty());
    }

    fn blocks(self) -> Vec<BlockDone> {
        let done = |(block, (places, failed)): (u32, (BTreeSet<_>, u32))| BlockDone {
            block,
            runs: places.len() as u32,
            failed,
        };
        self.all.into_iter().map(done).collect()
    }
}

/// Host and session of a record. Records of before hosts had an identity get one of what they have: the host's name, and
/// the time at which they were begun.
pub fn origin_of(plan: &Plan, environment: &Environment) -> Origin {
    let identity = &environment.identity;
    let digest = |text: String| hex::encode(&Sha256::digest(text)[..16]);
    let or = |known: &str, otherwise: String| match known {
        "" => digest(otherwise),
        known => known.to_owned(),
    };
    let name = &environment.host;
    Origin {
        host: or(&identity.host_id, format!("host name\0{name}")),
        host_name: name.clone(),
        session: or(
            &identity.session,
            format!("session\0{name}\0{}\0{}", environment.started_utc, plan.seed),
        ),
    }
}
