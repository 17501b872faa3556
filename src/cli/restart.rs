//! `taremark restart`.

use super::containers::open;
use super::failure;
use crate::life::LifeError;
use crate::life::folder::Root;
use crate::life::stop::stop;
use std::process::ExitCode;
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Seconds to wait before it is killed
    #[arg(short, long, default_value_t = 10, value_name = "SECONDS")]
    time: u64,
    /// Names or IDs
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

pub fn run(a: &Arguments) -> anyhow::Result<ExitCode> {
    let root = open()?;
    let mut code = ExitCode::SUCCESS;
    for name in &a.containers {
        match one(a, &root, name) {
            Ok(()) => println!("{name}"),
            Err(e) => {
                failure::show(&e);
                code = ExitCode::from(e.downcast_ref::<LifeError>().map_or(125, LifeError::exit_code));
            }
        }
    }
    Ok(code)
}

fn one(a: &Arguments, root: &Root, name: &str) -> anyhow::Result<()> {
    let (folder, spec) = root.find(name)?;
    if spec.remove && folder.state()?.status == crate::life::state::Status::Running {
        let is = "to be removed at its end (--rm)".to_owned();
        return Err(LifeError::State { verb: "restart", id: spec.short_id().to_owned(), is }.into());
    }
    stop(&folder, &spec, None, Duration::from_secs(a.time))?;
    super::start::begin(&folder, &spec)?;
    Ok(())
}
