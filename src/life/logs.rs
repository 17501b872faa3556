//! `logs`: what a container has written, and with `follow` what it writes.

use super::change::Watch;
use super::error::{LifeError, io};
use super::folder::Folder;
use super::log::{Entry, read};
use super::state::Status;
use std::fs::File;
use std::io::Read;
use std::time::Duration;

/// Which entries.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Until the container ends.
    pub follow: bool,
    /// Only so many lines from the end.
    pub tail: Option<usize>,
}

/// Gives entries to `put` until it says stop by returning false.
pub fn logs(folder: &Folder, options: Options, mut put: impl FnMut(&Entry) -> bool) -> Result<(), LifeError> {
    let path = folder.file("log");
    let watch = Watch::new(folder)?;
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && !options.follow => return Ok(()),
        // It has written nothing yet, so the file is made to be watched; the monitor appends to it.
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let made = File::options().create(true).append(true).read(true).open(&path);
            made.map_err(io("create", &path))?
        }
        Err(e) => return Err(io("open", &path)(e)),
    };
    let mut rest = Vec::new();
    let mut first = true;
    loop {
        // Looked at before the file is read: what is written before the end is read then.
        let ended = !options.follow || is_over(folder);
        file.read_to_end(&mut rest).map_err(io("read", &path))?;
        let whole = rest.iter().rposition(|b| *b == b'\n').map_or(0, |n| n + 1);
        let entries: Vec<Entry> = rest[..whole].split(|b| *b == b'\n').filter_map(read).collect();
        rest.drain(..whole);
        let skip = if first { options.tail.map_or(0, |n| skipped(&entries, n)) } else { 0 };
        first = false;
        for entry in &entries[skip..] {
            if !put(entry) {
                return Ok(());
            }
        }
        if ended {
            return Ok(());
        }
        watch.wait(Duration::from_secs(1));
    }
}

fn is_over(folder: &Folder) -> bool {
    folder.state().map_or(true, |s| s.status == Status::Exited)
}

/// How many entries come before the last `lines` lines.
fn skipped(entries: &[Entry], lines: usize) -> usize {
    let ends: Vec<usize> = entries.iter().enumerate().filter(|(_, e)| e.ended).map(|(n, _)| n).collect();
    // A part without an end is a line of its own.
    let open = usize::from(entries.last().is_some_and(|e| !e.ended));
    let whole = lines.saturating_sub(open);
    if lines == 0 {
        return entries.len();
    }
    if ends.len() <= whole { 0 } else { ends[ends.len() - whole - 1] + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::life::log::Stream;

    #[test]
    fn the_tail_counts_lines_not_parts() {
        let entry = |ended| Entry { time: String::new(), stream: Stream::Out, ended, text: Vec::new() };
        let all = [true, false, true, true, false].map(entry);
        assert_eq!([0, 1, 2, 3, 9].map(|n| skipped(&all, n)), [5, 4, 3, 1, 0]);
        assert_eq!([1, 2].map(|n| skipped(&all[..4], n)), [3, 1]);
    }
}
