//! `taremark fleet status`.

use crate::cli::failure::FAILED;
use crate::fleet::{Campaign, State, TaskStatus, status};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Folder of the campaign
    #[arg(value_name = "CAMPAIGN")]
    dir: PathBuf,
    /// For programs
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let campaign = Campaign::read(&arguments.dir)?;
    let (tasks, why) = status(&arguments.dir, &campaign)?;
    let bad = |t: &TaskStatus| matches!(t.state, State::Failed | State::Lost);
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&tasks)?);
        why.iter().for_each(|why| eprintln!("note: {}", without_accounts(why)));
    } else {
        tasks.iter().for_each(show);
        let count = |state| tasks.iter().filter(|t| t.state == state).count();
        println!(
            "{} done, {} running, {} waiting, {} failed, {} lost",
            count(State::Done),
            count(State::Running),
            count(State::Waiting),
            count(State::Failed),
            count(State::Lost)
        );
        // Where all is well, nobody misses the accounts.
        why.filter(|_| tasks.iter().any(bad)).iter().for_each(|w| println!("note: {}", without_accounts(w)));
    }
    Ok(if tasks.iter().any(bad) { ExitCode::from(FAILED) } else { ExitCode::SUCCESS })
}

fn without_accounts(why: &str) -> String {
    format!("by squeue and the campaign's folder alone, what Slurm forgot is lost here: {why}")
}

fn show(status: &TaskStatus) {
    let state = match status.state {
        State::Done => "done",
        State::Running => "running",
        State::Waiting => "waiting",
        State::Failed => "failed",
        State::Lost => "lost",
    };
    let node = status.task.node.as_deref().map(|n| format!(" on {n}")).unwrap_or_default();
    println!("{:<12} {state:<8} {:>6} runs{node}  {}", status.task.name, status.runs, status.slurm);
    if matches!(status.state, State::Failed | State::Lost) && !status.said.is_empty() {
        println!("             {}", status.said);
    }
}
