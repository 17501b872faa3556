//! `tarec`: our container runtime, with the command line of an OCI runtime.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use taremark::container::{self, CreateOptions, RuntimeError, state};

/// An OCI container runtime, small and quick to start.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// Where the states of containers are kept
    #[arg(long, global = true, default_value = state::DEFAULT_ROOT)]
    root: PathBuf,
    /// File for messages, besides stderr
    #[arg(long, global = true)]
    log: Option<PathBuf>,
    /// Form of the messages in --log
    #[arg(long, global = true, default_value = "text", value_parser = ["text", "json"])]
    log_format: String,
    /// Writes the time line of a start, in Chrome's trace format
    #[arg(long, global = true)]
    trace: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Args)]
struct Create {
    /// Folder with config.json
    #[arg(long, short, default_value = ".")]
    bundle: PathBuf,
    /// Gets the pid of the container's init
    #[arg(long)]
    pid_file: Option<PathBuf>,
    /// Name of the container
    id: String,
}

#[derive(Subcommand)]
enum Command {
    /// Make a container, up to the point where only its process is missing
    Create(Create),
    /// Start the process of a created container
    Start { id: String },
    /// Create, start, wait, delete
    Run {
        #[command(flatten)]
        create: Create,
        /// Do not wait
        #[arg(long, short)]
        detach: bool,
        /// Do not delete afterwards
        #[arg(long)]
        keep: bool,
    },
    /// Print the state of a container as JSON
    State { id: String },
    /// Send a signal
    Kill {
        /// To every process of the container
        #[arg(long, short)]
        all: bool,
        id: String,
        #[arg(default_value = "TERM")]
        signal: String,
    },
    /// Delete a stopped container
    Delete {
        /// Kill it first, if it runs; do not mind if there is none
        #[arg(long, short)]
        force: bool,
        id: String,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match dispatch(&cli) {
        Ok(code) => ExitCode::from(code),
        Err(e) => {
            let message = chain(&e);
            report(&cli, &message);
            ExitCode::from(1)
        }
    }
}

fn dispatch(cli: &Cli) -> Result<u8, RuntimeError> {
    let root = &cli.root;
    match &cli.command {
        Command::Create(c) => container::create(&options(cli, c)).map(|()| 0),
        Command::Start { id } => container::start(root, id).map(|()| 0),
        Command::Run { create, detach, keep } => {
            container::run::run(&options(cli, create), *detach, *keep).map(|code| code.clamp(0, 255) as u8)
        }
        Command::State { id } => {
            let state = state::describe(&state::StateDir::open(root, id)?)?;
            out(&format!("{state:#}"));
            Ok(0)
        }
        Command::Kill { all, id, signal } => {
            let signal = container::parse_signal(signal)?;
            container::kill(root, id, signal, *all).map(|()| 0)
        }
        Command::Delete { force, id } => container::delete(root, id, *force).map(|()| 0),
    }
}

fn options(cli: &Cli, create: &Create) -> CreateOptions {
    CreateOptions {
        id: create.id.clone(),
        bundle: create.bundle.clone(),
        root: cli.root.clone(),
        pid_file: create.pid_file.clone(),
        trace: cli.trace.clone(),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |e| e.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// As engines expect it: a line on stderr, and the same in the log.
fn report(cli: &Cli, message: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "tarec: {message}");
    let Some(path) = &cli.log else { return };
    let line = match cli.log_format.as_str() {
        "json" => serde_json::json!({"level": "error", "msg": message, "time": taremark::record::now_utc()})
            .to_string(),
        _ => format!("time=\"{}\" level=error msg={message:?}", taremark::record::now_utc()),
    };
    if let Ok(mut file) = std::fs::OpenOptions::new().create(true).append(true).open(path) {
        let _ = writeln!(file, "{line}");
    }
}

fn out(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{text}");
}
