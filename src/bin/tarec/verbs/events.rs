//! `events`.

use super::Verb;
use crate::args::{Args, Item};
use crate::failure::Failure;
use crate::globals::Globals;
use std::time::Duration;
use taremark::container::{RuntimeError, events};

pub const VERB: Verb = Verb {
    name: "events",
    arguments: "[OPTIONS] ID",
    about: "Print figures of a container as JSON",
    options: "      --stats          Once\n      --interval TIME  Between two lines, as 5s or 500ms [5s]",
    run,
};

fn run(globals: &mut Globals, mut args: Args) -> Result<u8, Failure> {
    let (mut once, mut ids, mut interval) = (false, Vec::new(), Duration::from_secs(5));
    while let Some(item) = args.next(&[])? {
        match item {
            Item::Plain(id) => ids.push(id),
            Item::Option(name) if name == "stats" => once = true,
            Item::Option(name) if name == "interval" => {
                let text = args.text()?;
                interval = duration(&text)
                    .ok_or_else(|| args.usage(&format!("--interval: {text:?} is not a time like 5s")))?;
            }
            Item::Option(name) => args.global(globals, name)?,
        }
    }
    let id = args.id(ids)?;
    let mut seen = false;
    loop {
        match events::stats(&globals.root, &id) {
            Ok(event) => crate::print(&event.to_string())?,
            // Its end is the end of the stream.
            Err(RuntimeError::NotRunning { .. } | RuntimeError::NotFound { .. }) if seen => return Ok(0),
            Err(e) => return Err(e.into()),
        };
        if once {
            return Ok(0);
        }
        seen = true;
        std::thread::sleep(interval);
    }
}

fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 1),
        None => (text.strip_suffix('s').unwrap_or(text), 1000),
    };
    number.parse::<u64>().ok().filter(|n| *n > 0).map(|n| Duration::from_millis(n.saturating_mul(unit)))
}
