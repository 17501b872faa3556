//! Where each task of a campaign stands.

use super::campaign::{Campaign, Task};
use super::error::FleetError;
use super::slurm::ask;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
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
    /// The last line that it wrote to its log.
    pub said: String,
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
        let word = queue.get(&task.index).or(accounts.get(&task.index)).cloned().unwrap_or_default();
        TaskStatus {
            state: if handed { State::Done } else { State::of(&word) },
            slurm: word,
            runs: rows(&(if handed { done } else { under_way }).join("runs.csv")),
            said: last_line(&dir.join("log").join(format!("{}.out", task.index))),
            task: task.clone(),
        }
    };
    Ok((campaign.tasks.iter().map(one).collect(), why))
}

impl State {
    /// Of a task that has handed over no record, by Slurm's word.
    fn of(word: &str) -> Self {
        let begins = |with: &[&str]| with.iter().any(|w| word.starts_with(w));
        match word {
            "" => Self::Lost,
            _ if begins(&["RUNNING", "COMPLETING"]) => Self::Running,
            _ if begins(&["PENDING", "REQUEUE", "CONFIG", "SUSPEND"]) => Self::Waiting,
            _ => Self::Failed,
        }
    }
}

/// Of a file of which only the end is read.
fn last_line(path: &Path) -> String {
    const END: u64 = 4096;
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = std::fs::File::open(path)?;
        let from = file.metadata()?.len().saturating_sub(END);
        file.seek(SeekFrom::Start(from))?;
        let mut text = Vec::new();
        file.take(END).read_to_end(&mut text)?;
        Ok(text)
    };
    // A log that is not there has nothing to say.
    let text = read().unwrap_or_default();
    String::from_utf8_lossy(&text).lines().rfind(|l| !l.trim().is_empty()).unwrap_or_default().to_owned()
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

/// What the accounts know, of tasks that were begun; many a cluster has none.
fn accounts(job: &str) -> Result<BTreeMap<u32, String>, FleetError> {
    let format = "--format=JobID,State,NodeList";
    let text = ask("sacct", &["--noheader", "--parsable2", "--allocations", "--jobs", job, format])?;
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
