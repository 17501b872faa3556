//! `features`.

use super::Verb;
use crate::args::{Args, Item};
use crate::failure::Failure;
use crate::globals::Globals;
use taremark::container::features;

pub const VERB: Verb = Verb {
    name: "features",
    arguments: "",
    about: "Print what this runtime knows as JSON",
    options: "",
    run,
};

fn run(globals: &mut Globals, mut args: Args) -> Result<u8, Failure> {
    while let Some(item) = args.next(&[])? {
        match item {
            Item::Option(name) => args.global(globals, name)?,
            Item::Plain(word) => return Err(args.usage(&format!("features takes no {word:?}"))),
        }
    }
    crate::print(&format!("{:#}", features::document()))
}
