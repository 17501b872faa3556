//! `kill`.

use super::Verb;
use crate::args::{Args, Item};
use crate::failure::Failure;
use crate::globals::Globals;
use taremark::container;

pub const VERB: Verb = Verb {
    name: "kill",
    arguments: "[OPTIONS] ID [SIGNAL]",
    about: "Send a signal, by number or name [TERM]",
    options: "  -a, --all  To every process of the container",
    run,
};

fn run(globals: &mut Globals, mut args: Args) -> Result<u8, Failure> {
    let (mut all, mut plain) = (false, Vec::new());
    while let Some(item) = args.next(&[('a', "all")])? {
        match item {
            Item::Plain(word) => plain.push(word),
            Item::Option(name) if name == "all" => all = true,
            Item::Option(name) => args.global(globals, name)?,
        }
    }
    let signal = if plain.len() == 2 { plain.pop() } else { None };
    let signal = container::parse_signal(signal.as_deref().unwrap_or("TERM"))?;
    let id = args.id(plain)?;
    container::kill(&globals.root, &id, signal, all)?;
    Ok(0)
}
