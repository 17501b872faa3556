//! `taremark create`: as `run`, but for the start.

use super::containers::open;
use super::{failure, run};
use crate::image::store::Store;
use crate::life::LifeError;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    what: run::What,
}

pub fn run(a: &Arguments) -> anyhow::Result<ExitCode> {
    let made = || -> anyhow::Result<String> {
        let root = open()?;
        let store = Store::open(&Store::default_root())?;
        let mut spec = crate::life::run::settle(&store, a.what.request())?;
        crate::life::run::create(&root, &mut spec)?;
        Ok(spec.id)
    };
    Ok(match made() {
        Ok(id) => {
            println!("{id}");
            ExitCode::SUCCESS
        }
        Err(e) => {
            failure::show(&e);
            ExitCode::from(e.downcast_ref::<LifeError>().map_or(125, LifeError::exit_code))
        }
    })
}
