//! `taremark fleet submit`.

use crate::cli::failure::Usage;
use crate::cli::json::Json;
use crate::fleet::{Mode, Wanted, nodes, submit};
use crate::record::now_utc;
use clap::Parser;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
#[command(
    override_usage = "taremark fleet submit [OPTIONS] <CAMPAIGN> --hosts <NODES> -- <BENCH>...\n       \
                            taremark fleet submit [OPTIONS] <CAMPAIGN> --shards <N> -- --runs <R>"
)]
pub struct Arguments {
    /// Folder of the campaign, to be made, where every node sees it
    #[arg(value_name = "CAMPAIGN")]
    dir: PathBuf,
    /// The whole bench on each of these nodes, n[1-4],m7 or all: a comparison of hosts
    #[arg(long, value_name = "NODES", conflicts_with = "shards", required_unless_present = "shards")]
    hosts: Option<String>,
    /// One long bench in so many shards, on any nodes that are alike (see --constraint); needs --runs in BENCH
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..100_000))]
    shards: Option<u32>,
    /// Slurm's partition
    #[arg(long)]
    partition: Option<String>,
    /// Slurm's constraint, so that the nodes are alike
    #[arg(long)]
    constraint: Option<String>,
    /// Slurm's time limit of each task
    #[arg(long, value_name = "TIME")]
    time: Option<String>,
    /// Another argument of sbatch, as --sbatch=--qos=low; may be given again
    #[arg(long = "sbatch", value_name = "ARGUMENT", allow_hyphen_values = true)]
    more: Vec<String>,
    /// The program as the nodes find it [default: this one]
    #[arg(long, value_name = "PATH")]
    taremark: Option<PathBuf>,
    /// Arguments of `taremark bench`
    #[arg(last = true, value_name = "BENCH")]
    bench: Vec<String>,
    #[command(flatten)]
    json: Json,
}

/// What the tasks themselves say to `bench`.
const THEIRS: [&str; 5] = ["--out", "--resume", "--shard", "--after", "--no-report"];

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut bench = arguments.bench.clone();
    let given = |name: &str| bench.iter().any(|a| a == name || a.starts_with(&format!("{name}=")));
    if let Some(theirs) = THEIRS.iter().find(|t| given(t)) {
        return Err(Usage { what: format!("{theirs} is what the tasks say themselves") }.into());
    }
    if bench.iter().any(|a| a.contains('\n')) {
        return Err(Usage { what: "an argument of the bench has more than one line".into() }.into());
    }
    understood(&bench)?;
    if arguments.shards.is_some() && !given("--runs") {
        let what = "a plan in shards has a fixed length: add -- --runs N".to_owned();
        return Err(Usage { what }.into());
    }
    if !given("--seed") {
        // One for all: the shards of different seeds are no plan.
        let seed = crate::sys::clock::monotonic_ns() % 1_000_000_007;
        bench.extend(["--seed".to_owned(), seed.to_string()]);
    }
    let slurm = [
        arguments.partition.as_ref().map(|p| format!("--partition={p}")),
        arguments.constraint.as_ref().map(|c| format!("--constraint={c}")),
        arguments.time.as_ref().map(|t| format!("--time={t}")),
    ];
    let nodes = match &arguments.hosts {
        Some(list) => nodes(list, arguments.partition.as_deref())?,
        None => Vec::new(),
    };
    if arguments.hosts.is_some() && nodes.is_empty() {
        return Err(Usage { what: "there is no such node".into() }.into());
    }
    let wanted = Wanted {
        dir: std::path::absolute(&arguments.dir)?,
        mode: if arguments.shards.is_some() { Mode::Shards } else { Mode::Hosts },
        nodes,
        shards: arguments.shards.unwrap_or(0),
        taremark: arguments.taremark.clone().map_or_else(std::env::current_exe, Ok)?,
        doctor: targets(&bench),
        bench,
        sbatch: slurm.into_iter().flatten().chain(arguments.more.iter().cloned()).collect(),
        now_utc: now_utc(),
    };
    let campaign = submit(&wanted)?;
    let job = campaign.job.unwrap_or(0);
    arguments.json.or(&campaign, || {
        println!("job {job}: {} tasks in {}", campaign.tasks.len(), shown(&wanted.dir));
        println!("then: taremark fleet status {0}; taremark fleet collect {0} -o MERGED", shown(&wanted.dir));
    })?;
    Ok(ExitCode::SUCCESS)
}

/// What `bench` would not take would fail on every node.
fn understood(bench: &[String]) -> anyhow::Result<()> {
    let theirs = ["taremark", "bench", "--quiet", "--no-report", "--out", "RECORD"];
    let words = theirs.into_iter().chain(bench.iter().map(String::as_str));
    match crate::cli::Arguments::try_parse_from(words) {
        Ok(_) => Ok(()),
        Err(e) => {
            let said = e.to_string();
            let first = said.lines().next().unwrap_or_default().trim_start_matches("error: ");
            Err(Usage { what: format!("`taremark bench` does not take these: {first}") }.into())
        }
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// The targets that a node has to be able to run: those that the bench names.
fn targets(bench: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    let mut words = bench.iter();
    while let Some(word) = words.next() {
        let value = match word.strip_prefix("--target=") {
            Some(value) => Some(value.to_owned()),
            None if word == "--target" => words.next().cloned(),
            None => None,
        };
        found.extend(value.into_iter().flat_map(|v| ["--target".to_owned(), v]));
    }
    found
}
