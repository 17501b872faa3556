//! `delete`.

use super::Verb;
use crate::args::{Args, Item};
use crate::failure::Failure;
use crate::globals::Globals;
use taremark::container;

pub const VERB: Verb = Verb {
    name: "delete",
    arguments: "[OPTIONS] ID",
    about: "Delete a stopped container",
    options: "  -f, --force  Kill it first, if it runs; do not mind if there is none",
    run,
};

fn run(globals: &mut Globals, mut args: Args) -> Result<u8, Failure> {
    let (mut force, mut ids) = (false, Vec::new());
    while let Some(item) = args.next(&[('f', "force")])? {
        match item {
            Item::Plain(id) => ids.push(id),
            Item::Option(name) if name == "force" => force = true,
            Item::Option(name) => args.global(globals, name)?,
        }
    }
    let id = args.id(ids)?;
    container::delete(&globals.root, &id, force)?;
    Ok(0)
}
