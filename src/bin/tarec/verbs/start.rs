//! `start`.

use super::Verb;
use crate::args::Args;
use crate::failure::Failure;
use crate::globals::Globals;
use taremark::container;

pub const VERB: Verb = Verb {
    name: "start",
    arguments: "ID",
    about: "Start the process of a created container",
    options: "",
    run,
};

fn run(globals: &mut Globals, args: Args) -> Result<u8, Failure> {
    let id = args.only_id(globals)?;
    container::start(&globals.root, &id)?;
    Ok(0)
}
