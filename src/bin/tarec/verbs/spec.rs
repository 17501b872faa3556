//! `spec`.

use super::Verb;
use crate::args::{Args, Item};
use crate::failure::Failure;
use crate::globals::Globals;
use std::path::PathBuf;
use taremark::container::template;

pub const VERB: Verb = Verb {
    name: "spec",
    arguments: "[OPTIONS]",
    about: "Write a config.json to begin with",
    options: "  -b, --bundle DIR  Folder to write it to [.]\n      --rootless    For the calling user",
    run,
};

fn run(globals: &mut Globals, mut args: Args) -> Result<u8, Failure> {
    let (mut bundle, mut rootless) = (PathBuf::from("."), false);
    while let Some(item) = args.next(&[('b', "bundle")])? {
        match item {
            Item::Option(name) if name == "bundle" => bundle = args.path()?,
            Item::Option(name) if name == "rootless" => rootless = true,
            Item::Option(name) => args.global(globals, name)?,
            Item::Plain(word) => return Err(args.usage(&format!("spec takes no {word:?}"))),
        }
    }
    let ids = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
    template::write(&bundle, rootless.then_some(ids))?;
    Ok(0)
}
