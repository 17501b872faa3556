//! `events`.

use super::Verb;
use crate::args::{Args, Item};
use crate::failure::Failure;
use crate::globals::Globals;
use serde_json::json;
use std::time::{Duration, Instant};
use taremark::container::events;

pub const VERB: Verb = Verb {
    name: "events",
    arguments: "[OPTIONS] ID",
    about: "Print figures of a container, and when it is out of memory, as JSON",
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
    let mut kills = 0;
    loop {
        match events::stats(&globals.root, &id) {
            Ok(event) => crate::print(&event.to_string())?,
            // Its end is the end of the stream, whatever there was to read of it a moment before.
            Err(_) if seen && !events::is_running(&globals.root, &id) => return Ok(0),
            Err(e) => return Err(e.into()),
        };
        if once {
            return Ok(0);
        }
        seen = true;
        watch(globals, &id, interval, &mut kills)?;
    }
}

/// Prints an event for each time that the kernel has killed for want of memory, until it is time for the figures.
fn watch(globals: &Globals, id: &str, interval: Duration, kills: &mut u64) -> Result<(), Failure> {
    let until = Instant::now() + interval;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        std::thread::sleep(left.min(Duration::from_millis(100)));
        // A container that is deleted meanwhile has no more to tell.
        let now = events::oom_kills(&globals.root, id).unwrap_or(*kills);
        for _ in *kills..now {
            crate::print(&json!({"type": "oom", "id": id}).to_string())?;
        }
        *kills = now;
        if left.is_zero() {
            return Ok(());
        }
    }
}

fn duration(text: &str) -> Option<Duration> {
    let units = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("", 1000)];
    let (number, unit) = units.iter().find_map(|(unit, ms)| Some((text.strip_suffix(unit)?, *ms)))?;
    number.parse::<u64>().ok().filter(|n| *n > 0).map(|n| Duration::from_millis(n.saturating_mul(unit)))
}
