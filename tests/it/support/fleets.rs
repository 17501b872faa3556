//! Records of hosts that a test makes up, written by the library's own writer.

use crate::figures_compare::{begun, phase, row, sample};
use std::path::{Path, PathBuf};
use taremark::record::schema::{FactGroup, Identity, Plan};
use taremark::record::shard::Shard;
use taremark::record::writer::Writer;

/// A host's session.
#[derive(Debug, Clone)]
pub struct Made {
    pub host: u32,
    pub session: u32,
    pub blocks: u32,
    pub shard: Option<Shard>,
    pub ended_by: &'static str,
    /// Blocks that are not there.
    pub without: Vec<u32>,
    /// Start-up of a block on a target.
    pub startup: fn(u32, u32, &str) -> f64,
}

impl Made {
    pub fn new(host: u32, session: u32) -> Self {
        let startup = |host, block, target: &str| {
            let hash = (host * 7919 + block * 104_729 + target.len() as u32 * 31) % 101;
            let gross = if target == "process" { 1.0 } else { 2.5 };
            10.0 * gross * (1.0 + f64::from(hash) / 1000.0)
        };
        Self { host, session, blocks: 6, shard: None, ended_by: "blocks", without: Vec::new(), startup }
    }

    pub fn shard(host: u32, index: u32, of: u32) -> Self {
        Self { shard: Some(Shard { index, of }), ..Self::new(host, 100 + index) }
    }

    pub fn plan(&self) -> Plan {
        let (mut plan, _) = begun("", 1, &[("process", ""), ("container", "")]);
        (plan.min_blocks, plan.max_blocks, plan.warmup_blocks) = (self.blocks, self.blocks, 1);
        plan.schedule.shard = self.shard;
        plan.ended_by = self.ended_by.into();
        plan
    }

    /// Writes it; `change` has the last word on plan and identity.
    pub fn write_as(&self, dir: &Path, change: impl FnOnce(&mut Plan, &mut Identity)) -> PathBuf {
        let mut plan = self.plan();
        let (_, mut environment) = begun(&format!("host{:04}", self.host), 1, &[]);
        environment.identity = Identity {
            host_id: format!("{:032x}", 0x1000 + self.host),
            host_id_from: "machine-id".into(),
            session: format!("{:032x}", u64::from(self.host) * 1000 + u64::from(self.session)),
            architecture: "x86_64".into(),
            clock_offset_s: Some(0.0),
        };
        let facts = |name: &str, fact: &str, value: String| FactGroup {
            name: name.into(),
            facts: vec![(fact.into(), value)],
        };
        environment.groups = vec![
            facts("CPU", "model", format!("Model {}", self.host % 2)),
            facts("Kernel", "release", format!("6.{}", self.host % 3)),
        ];
        change(&mut plan, &mut environment.identity);
        let mut writer = Writer::create(dir, &plan, &environment).expect("record");
        let mut run = 0;
        for block in (1..=self.blocks + 1).filter(|b| plan.takes(*b) && !self.without.contains(b)) {
            for (order, target) in (1..).zip(["process", "container"]) {
                run += 1;
                let value = (self.startup)(self.host, block, target);
                let mut s = sample(run, block, order, target, value);
                let mut p = phase(run, block, target, value);
                let mut r = row(run, block, order, target);
                (s.warmup, p.warmup, r.warmup) = (block == 1, block == 1, block == 1);
                writer.append_sample(&s).expect("sample");
                writer.append_phase(&p).expect("phase");
                writer.append_run(&r).expect("run");
            }
        }
        writer.finish(&plan).expect("end");
        dir.to_owned()
    }

    pub fn write(&self, dir: &Path) -> PathBuf {
        self.write_as(dir, |_, _| {})
    }
}
