//! Makes a campaign and submits its array.

use super::campaign::{Campaign, Mode, Task};
use super::error::{FleetError, io};
use super::slurm::ask;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const TASK: &str = include_str!("../../scripts/slurm/task");
const HOSTS: &str = include_str!("../../scripts/slurm/hosts.sbatch");
const SHARDS: &str = include_str!("../../scripts/slurm/shards.sbatch");

/// What is wanted.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The campaign's folder, to be made.
    pub dir: PathBuf,
    /// See [`Mode`].
    pub mode: Mode,
    /// A node for each task of [`Mode::Hosts`].
    pub nodes: Vec<String>,
    /// Number of tasks of [`Mode::Shards`].
    pub shards: u32,
    /// The program, as the nodes find it.
    pub taremark: PathBuf,
    /// Arguments of `taremark bench`.
    pub bench: Vec<String>,
    /// Arguments of `taremark doctor`.
    pub doctor: Vec<String>,
    /// Further arguments of sbatch.
    pub sbatch: Vec<String>,
    /// Now, UTC.
    pub now_utc: String,
}

/// Does it; the campaign with its job.
pub fn submit(wanted: &Wanted) -> Result<Campaign, FleetError> {
    let dir = &wanted.dir;
    // One that Slurm did not take may be submitted again.
    if dir.join("campaign.json").exists() && Campaign::read(dir).map_or(true, |c| c.job.is_some()) {
        return Err(FleetError::Taken { path: dir.clone() });
    }
    let mut campaign = Campaign {
        schema: 1,
        mode: wanted.mode,
        submitted_utc: wanted.now_utc.clone(),
        job: None,
        bench: wanted.bench.clone(),
        tasks: tasks(wanted),
    };
    lay_out(wanted, &campaign)?;
    let script = dir.join(if wanted.mode == Mode::Hosts { "hosts.sbatch" } else { "shards.sbatch" });
    let shown = |path: &Path| path.display().to_string();
    let mut arguments = vec![
        "--parsable".to_owned(),
        format!("--array=1-{}", campaign.tasks.len()),
        format!("--output={}/log/%a.out", shown(dir)),
        format!("--chdir={}", shown(dir)),
    ];
    // Held until each task is bound to its node.
    arguments.extend((wanted.mode == Mode::Hosts).then(|| "--hold".to_owned()));
    arguments.extend(wanted.sbatch.iter().cloned());
    arguments.extend([shown(&script), shown(dir)]);
    let said = ask("sbatch", &arguments)?;
    let job = said.trim().split(';').next().and_then(|j| j.parse().ok());
    let job: u64 = job.ok_or_else(|| FleetError::Refused {
        command: "sbatch".into(),
        why: format!("it named no job: {}", said.trim()),
    })?;
    campaign.job = Some(job);
    campaign.write(dir)?;
    for task in &campaign.tasks {
        let Some(node) = &task.node else { continue };
        let bound = [format!("JobId={job}_{}", task.index), format!("ReqNodeList={node}")];
        ask("scontrol", &[&["update".to_owned()], &bound[..]].concat())?;
    }
    if wanted.mode == Mode::Hosts {
        ask("scontrol", &["release".to_owned(), job.to_string()])?;
    }
    Ok(campaign)
}

fn tasks(wanted: &Wanted) -> Vec<Task> {
    match wanted.mode {
        Mode::Hosts => (1..)
            .zip(&wanted.nodes)
            .map(|(index, node)| Task { index, name: format!("host-{index}"), node: Some(node.clone()) })
            .collect(),
        Mode::Shards => (1..=wanted.shards)
            .map(|index| Task { index, name: format!("shard-{index}"), node: None })
            .collect(),
    }
}

fn lay_out(wanted: &Wanted, campaign: &Campaign) -> Result<(), FleetError> {
    let dir = &wanted.dir;
    for folder in ["records", "partial", "log"] {
        let folder = dir.join(folder);
        std::fs::create_dir_all(&folder).map_err(io("create", &folder))?;
    }
    let lines = |words: &[String]| words.iter().map(|w| format!("{w}\n")).collect::<String>();
    let files = [
        ("bench.args", lines(&wanted.bench)),
        ("doctor.args", lines(&wanted.doctor)),
        ("shards", format!("{}\n", campaign.tasks.len())),
        ("taremark", format!("{}\n", wanted.taremark.display())),
        ("task", TASK.to_owned()),
        ("hosts.sbatch", HOSTS.to_owned()),
        ("shards.sbatch", SHARDS.to_owned()),
    ];
    for (name, text) in files {
        let path = dir.join(name);
        std::fs::write(&path, text).map_err(io("write", &path))?;
    }
    let task = dir.join("task");
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&task, mode).map_err(io("make executable", &task))?;
    campaign.write(dir)
}
