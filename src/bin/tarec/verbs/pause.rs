//! `pause` and `resume`.

use super::Verb;
use crate::args::Args;
use crate::failure::Failure;
use crate::globals::Globals;
use taremark::container::freezer;

pub const PAUSE: Verb = Verb {
    name: "pause",
    arguments: "ID",
    about: "Let all processes of a container stand still",
    options: "",
    run: |globals, args| set(globals, args, true),
};

pub const RESUME: Verb = Verb {
    name: "resume",
    arguments: "ID",
    about: "Let them go on",
    options: "",
    run: |globals, args| set(globals, args, false),
};

fn set(globals: &mut Globals, args: Args, pause: bool) -> Result<u8, Failure> {
    let id = args.only_id(globals)?;
    freezer::pause(&globals.root, &id, pause)?;
    Ok(0)
}
