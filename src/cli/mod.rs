//! The command line: one file a verb. Arguments become a validated plan, a plan becomes one call; only this room
//! prints.
//!
//! Exit codes: 0 all well, 1 a run failed, 2 usage, 3 the host lacks something.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod aa;
mod ablate;
mod adapt;
mod bench;
mod bytes;
mod compare;
mod compat;
mod completions;
mod containers;
mod cp;
mod create;
mod density;
mod doctor;
mod duration;
mod exec;
mod failure;
mod fleet;
mod healthcheck;
mod history;
mod image;
mod inspect;
mod json;
mod kernel;
mod kill;
mod learn;
mod least;
mod logs;
mod man;
mod medians;
mod merge;
mod monitor;
mod others;
mod paint;
mod pause;
mod pipe;
mod port;
mod profile;
mod progress;
mod ps;
mod report;
mod restart;
mod resume;
mod rm;
mod run;
mod shard;
mod shell_lines;
mod start;
mod stats;
mod stop;
mod table;
mod targets;
mod template;
#[cfg(test)]
mod tests;
mod time;
mod vm;
mod volume;
mod wait;
mod workloads;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use std::process::ExitCode;

/// Weighs the box, not the load: start-up, image size and memory of containers and microVMs.
#[derive(Debug, Parser)]
#[command(
    name = "taremark",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,
    /// Colours in what is printed
    #[arg(
        long,
        value_name = "WHEN",
        value_enum,
        default_value = "auto",
        global = true,
        hide_possible_values = true
    )]
    color: paint::When,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the same workloads on every target and write a record with its report
    Bench(bench::Arguments),
    /// Say what can be measured on this host, and how to mend what cannot
    Doctor(doctor::Arguments),
    /// Write tables, charts and report of a record anew
    Report(report::Arguments),
    /// Say by how much two records differ and how surely, and whether limits hold
    Compare(compare::Arguments),
    /// Join records of many hosts and shards into one
    Merge(merge::Arguments),
    /// The same bench on many hosts of a Slurm cluster: submit, look, collect
    Fleet(fleet::Arguments),
    /// Show how figures moved over many records, and where their level changed
    History(history::Arguments),
    /// Measure the same target twice, over and over: false alarms and the noise floor
    Aa(aa::Arguments),
    /// How many instances fit, what one more costs, and several starts at once
    Density(density::Arguments),
    /// Find the least memory with which a workload runs on a target
    LeastMemory(least::Arguments),
    /// What runs in a container and what only in a machine, tried here
    Compat(compat::Arguments),
    /// Import, load, list, inspect and remove images
    Image(image::Arguments),
    /// Run an image in a container, a microVM, or as a bare process
    Run(Box<run::Arguments>),
    /// Make a container without starting it
    Create(Box<create::Arguments>),
    /// Start containers that were made or have ended
    Start(start::Arguments),
    /// Stop containers and start them
    Restart(restart::Arguments),
    /// Let containers stand still
    Pause(pause::Arguments),
    /// Let containers that stand still go on
    Unpause(pause::Arguments),
    /// List containers
    Ps(ps::Arguments),
    /// Show what a container has written
    Logs(logs::Arguments),
    /// Run a second process in a container
    Exec(exec::Arguments),
    /// Stop containers: ask, wait, kill
    Stop(stop::Arguments),
    /// Send containers a signal
    Kill(kill::Arguments),
    /// Remove containers
    Rm(rm::Arguments),
    /// Show all that is known of containers as JSON
    Inspect(inspect::Arguments),
    /// Show what containers use
    Stats(stats::Arguments),
    /// Copy files between a container and the host
    Cp(cp::Arguments),
    /// Make, list, inspect and remove volumes
    Volume(volume::Arguments),
    /// Check a container's health now
    Healthcheck(healthcheck::Arguments),
    /// Wait for containers to end and print their exit codes
    Wait(wait::Arguments),
    /// Show where a container's ports are published
    Port(port::Arguments),
    /// Watch a container (started by `run`)
    #[command(hide = true)]
    Monitor(monitor::Arguments),
    /// Fetch, build, list and choose kernels for machines
    Kernel(kernel::Arguments),
    /// Make and list the operating systems that the targets vm and vm:small boot
    Vm(vm::Arguments),
    /// Lessons that do the thing on this machine
    Learn(learn::Arguments),
    /// Time commands side by side
    Time(time::Arguments),
    /// Print a shell's completions
    Completions(completions::Arguments),
    /// Print the manual page, or write all of them into a folder
    Man(man::Arguments),
}

/// The process's arguments; a usage error has the colours that are wanted.
fn parsed() -> Result<Arguments, clap::Error> {
    let color = paint::asked(std::env::args_os()).of_clap();
    let matches = Arguments::command().color(color).try_get_matches()?;
    Arguments::from_arg_matches(&matches)
}

/// Parses the process's arguments and does what they say.
pub fn main() -> ExitCode {
    let arguments = match parsed() {
        Ok(arguments) => arguments,
        Err(e) => return not_parsed(&e),
    };
    paint::set(arguments.color);
    pipe::end_when_nobody_reads();
    let _ = crate::target::lookup::own_path();
    done(arguments.verb).unwrap_or_else(|e| failure::show(&e))
}

fn done(verb: Verb) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::Bench(a) => bench::run(&a),
        Verb::Doctor(a) => doctor::run(&a),
        Verb::Report(a) => report::run(&a),
        Verb::Compare(a) => compare::run(&a),
        Verb::Merge(a) => merge::run(&a),
        Verb::Fleet(a) => fleet::run(&a),
        Verb::History(a) => history::run(&a),
        Verb::Aa(a) => aa::run(&a),
        Verb::Density(a) => density::run(&a),
        Verb::LeastMemory(a) => least::run(&a),
        Verb::Compat(a) => compat::run(&a),
        Verb::Image(a) => image::run(&a),
        Verb::Run(a) => run::run(&a),
        Verb::Create(a) => create::run(&a),
        Verb::Start(a) => start::run(&a),
        Verb::Restart(a) => restart::run(&a),
        Verb::Pause(a) => pause::run(&a, true),
        Verb::Unpause(a) => pause::run(&a, false),
        Verb::Ps(a) => ps::run(&a),
        Verb::Logs(a) => logs::run(&a),
        Verb::Exec(a) => exec::run(&a),
        Verb::Stop(a) => stop::run(&a),
        Verb::Kill(a) => kill::run(&a),
        Verb::Rm(a) => rm::run(&a),
        Verb::Inspect(a) => inspect::run(&a),
        Verb::Stats(a) => stats::run(&a),
        Verb::Cp(a) => cp::run(&a),
        Verb::Volume(a) => volume::run(&a),
        Verb::Healthcheck(a) => healthcheck::run(&a),
        Verb::Wait(a) => wait::run(&a),
        Verb::Port(a) => port::run(&a),
        Verb::Monitor(a) => monitor::run(&a),
        Verb::Kernel(a) => kernel::run(&a),
        Verb::Vm(a) => vm::run(&a),
        Verb::Learn(a) => learn::run(&a),
        Verb::Time(a) => time::run(&a),
        Verb::Completions(a) => completions::run(&a),
        Verb::Man(a) => man::run(&a),
    }
}

/// Prints it. Where the exit code may be the workload's, a mistake in the arguments is told from that as podman does.
fn not_parsed(e: &clap::Error) -> ExitCode {
    let _ = e.print();
    let verb = std::env::args().nth(1).unwrap_or_default();
    match e.exit_code() {
        2 if ["run", "create", "exec", "start"].contains(&verb.as_str()) => ExitCode::from(125),
        code => ExitCode::from(u8::try_from(code).unwrap_or(2)),
    }
}
