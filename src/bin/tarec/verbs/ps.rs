//! `ps`.

use super::Verb;
use crate::args::{Args, Item};
use crate::failure::Failure;
use crate::globals::Globals;
use taremark::container::processes;

pub const VERB: Verb = Verb {
    name: "ps",
    arguments: "[OPTIONS] ID [ARGUMENTS OF PS]",
    about: "List the processes of a container",
    options: "  -f, --format FORM  table (by the host's ps) or json (pids) [table]",
    run,
};

fn run(globals: &mut Globals, mut args: Args) -> Result<u8, Failure> {
    let (mut json, mut id, mut rest) = (false, None, Vec::new());
    while let Some(item) = args.next(&[('f', "format")])? {
        match item {
            Item::Option(name) if name == "format" => json = is_json(&args.text()?, &args)?,
            Item::Option(name) => args.global(globals, name)?,
            Item::Plain(word) => {
                id = Some(word);
                rest = args.rest()?;
                break;
            }
        }
    }
    let id = args.id(id.into_iter().collect())?;
    if json {
        let pids = processes::pids(&globals.root, &id)?;
        return crate::print(&serde_json::to_string(&pids).unwrap_or_default());
    }
    crate::print(&processes::table(&globals.root, &id, &rest)?)
}

/// `table` or `json`.
pub fn is_json(form: &str, args: &Args) -> Result<bool, Failure> {
    match form {
        "json" => Ok(true),
        "table" => Ok(false),
        other => Err(args.usage(&format!("--format: {other:?} is not table or json"))),
    }
}
