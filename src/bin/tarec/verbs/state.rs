//! `state`.

use super::Verb;
use crate::args::Args;
use crate::failure::Failure;
use crate::globals::Globals;
use taremark::container::state;

pub const VERB: Verb = Verb {
    name: "state",
    arguments: "ID",
    about: "Print the state of a container as JSON",
    options: "",
    run,
};

fn run(globals: &mut Globals, args: Args) -> Result<u8, Failure> {
    let id = args.only_id(globals)?;
    let state = state::describe(&state::StateDir::open(&globals.root, &id)?)?;
    crate::print(&format!("{state:#}"))
}
