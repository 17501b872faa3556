//! The verbs.

mod checkpoint;
mod create;
mod delete;
mod events;
mod exec;
mod features;
mod kill;
mod list;
mod pause;
mod ps;
mod run;
mod spec;
mod start;
mod state;
mod update;

use crate::args::Args;
use crate::failure::Failure;
use crate::globals::{self, Globals};

/// One of them.
pub struct Verb {
    /// As it is called.
    pub name: &'static str,
    /// Its arguments.
    pub arguments: &'static str,
    /// In one line.
    pub about: &'static str,
    /// Its options, a line each.
    pub options: &'static str,
    /// What it does. The exit code.
    pub run: fn(&mut Globals, Args) -> Result<u8, Failure>,
}

impl Verb {
    /// Its help.
    pub fn help(&self) -> String {
        let options = if self.options.is_empty() { "" } else { "\n\nOptions:\n" };
        let Self { name, arguments, about, .. } = self;
        format!(
            "{about}\n\nUsage: tarec [GLOBAL OPTIONS] {name} {arguments}{options}{}\n\n{}",
            self.options,
            globals::USAGE
        )
    }
}

/// All, in the order of a life.
pub static ALL: &[Verb] = &[
    create::VERB,
    start::VERB,
    run::VERB,
    exec::VERB,
    state::VERB,
    list::VERB,
    ps::VERB,
    events::VERB,
    kill::VERB,
    pause::PAUSE,
    pause::RESUME,
    update::VERB,
    checkpoint::CHECKPOINT,
    checkpoint::RESTORE,
    delete::VERB,
    spec::VERB,
    features::VERB,
];

/// Help of the whole.
pub fn usage() -> String {
    let verbs: String = ALL.iter().map(|v| format!("  {:<12} {}\n", v.name, v.about)).collect();
    format!(
        "An OCI container runtime, small and quick to start\n\nUsage: tarec [GLOBAL OPTIONS] VERB …\n\nVerbs:\n{verbs}\n{}",
        globals::USAGE
    )
}
