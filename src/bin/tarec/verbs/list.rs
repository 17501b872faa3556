//! `list`.

use super::Verb;
use crate::args::{Args, Item};
use crate::failure::Failure;
use crate::globals::Globals;
use taremark::container::list;

pub const VERB: Verb = Verb {
    name: "list",
    arguments: "[OPTIONS]",
    about: "List the containers of --root",
    options: "  -f, --format FORM  table or json [table]\n  -q, --quiet        Ids only",
    run,
};

fn run(globals: &mut Globals, mut args: Args) -> Result<u8, Failure> {
    let (mut json, mut quiet) = (false, false);
    while let Some(item) = args.next(&[('f', "format"), ('q', "quiet")])? {
        match item {
            Item::Option(name) if name == "format" => json = super::ps::is_json(&args.text()?, &args)?,
            Item::Option(name) if name == "quiet" => quiet = true,
            Item::Option(name) => args.global(globals, name)?,
            Item::Plain(word) => return Err(args.usage(&format!("list takes no {word:?}"))),
        }
    }
    let all = list::list(&globals.root)?;
    if quiet {
        let ids: Vec<&str> = all.iter().map(|l| l.id.as_str()).collect();
        return if ids.is_empty() { Ok(0) } else { crate::print(&ids.join("\n")) };
    }
    if json {
        return crate::print(&serde_json::to_string(&all).unwrap_or_default());
    }
    crate::print(&list::table(&all))
}
