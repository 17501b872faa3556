//! Where each task of a campaign stands.

use super::campaign::{Campaign, Task};
use super::error::FleetError;
use super::slurm::ask;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// See the variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Its record was handed over.
    Done,
    /// Slurm runs it.
    Running,
    /// Slurm has it in its queue.
    Waiting,
    /// Slurm is done with it, and there is no record.
    Failed,
    /// Neither a record nor a word of Slurm's.
    Lost,
}

/// One task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TaskStatus {
    /// The task.
    #[serde(flatten)]
    pub task: Task,
    /// Where it stands.
    pub state: State,
    /// What Slurm says: its state, node and reason.
    pub slurm: String,
    /// Runs that are written so far.
    pub runs: usize,
}

/// Of all tasks; and why the accounts could not be asked, where they could not.
pub fn status(dir: &Path, campaign: &Campaign) -> Result<(Vec<TaskStatus>, Option<String>), FleetError> {
    let job = campaign.job.map(|j| j.to_string()).unwrap_or_default();
    let (queue, accounts, why) = match job.as_str() {
        "" => (BTreeMap::new(), BTreeMap::new(), None),
        job => {
            let accounts = accounts(job);
            let why = accounts.as_ref().err().map(std::string::ToString::to_string);
            (queue(job)?, accounts.unwrap_or_default(), why)
        }
    };
    let one = |task: &Task| {
        let (done, under_way) = (dir.join("records").join(&task.name), dir.join("partial").join(&task.name));
        let handed = done.is_dir();
        let live = queue.get(&task.index);
        let past = accounts.get(&task.index);
        let state = match (handed, live.map(String::as_str), past) {
            (true, ..) => State::Done,
            (_, Some(s), _) if s.starts_with("RUNNING") || s.starts_with("COMPLETING") => State::Running,
            (_, Some(s), _)
                if ["PENDING", "REQUEUE", "CONFIG", "SUSPEND"].iter().any(|w| s.starts_with(w)) =>
            {
                State::Waiting
            }
            (_, Some(_), _) | (_, None, Some(_)) => State::Failed,
            (_, None, None) => State::Lost,
        };
        TaskStatus {
            task: task.clone(),
            state,
            slurm: live.or(past).cloned().unwrap_or_default(),
            runs: rows(&(if handed { done } else { under_way }).join("runs.csv")),
        }
    };
    Ok((campaign.tasks.iter().map(one).collect(), why))
}

fn rows(runs: &Path) -> usize {
    std::fs::read(runs).map_or(0, |t| t.iter().filter(|b| **b == b'\n').count().saturating_sub(1))
}

/// What is in the queue, by index in the array. Slurm forgets a job some minutes after its end.
fn queue(job: &str) -> Result<BTreeMap<u32, String>, FleetError> {
    let format = "--format=%K|%T %N %r";
    let said = ask("squeue", &["--noheader", "--array", "--states=all", "--jobs", job, format]);
    match said {
        Ok(text) => Ok(by_index(text.lines().filter_map(|l| l.split_once('|')))),
        Err(FleetError::Refused { why, .. }) if why.contains("Invalid job id") => Ok(BTreeMap::new()),
        Err(e) => Err(e),
    }
}

/// What the accounts know; many a cluster has none.
fn accounts(job: &str) -> Result<BTreeMap<u32, String>, FleetError> {
    let format = "--format=JobID,State,NodeList";
    let text =
        ask("sacct", &["--noheader", "--parsable2", "--allocations", "--array", "--jobs", job, format])?;
    let lines = text.lines().filter_map(|l| {
        let (id, rest) = l.split_once('|')?;
        Some((id.rsplit_once('_')?.1, rest))
    });
    Ok(by_index(lines))
}

fn by_index<'a>(lines: impl Iterator<Item = (&'a str, &'a str)>) -> BTreeMap<u32, String> {
    let words = |text: &str| text.replace('|', " ").split_whitespace().collect::<Vec<_>>().join(" ");
    lines.filter_map(|(index, rest)| Some((index.trim().parse().ok()?, words(rest)))).collect()
}
