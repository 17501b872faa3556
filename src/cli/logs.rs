//! `taremark logs`.

use super::containers::open;
use crate::life::log::{Entry, Stream};
use crate::life::logs::{Options, logs};
use std::io::Write;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Go on until the container ends
    #[arg(short, long)]
    follow: bool,
    /// Only so many lines from the end
    #[arg(long, value_name = "LINES")]
    tail: Option<usize>,
    /// With the time of each line
    #[arg(short, long)]
    timestamps: bool,
    /// Name or ID
    container: String,
}

pub fn run(a: &Arguments) -> anyhow::Result<ExitCode> {
    let (folder, _) = open()?.find(&a.container)?;
    let options = Options { follow: a.follow, tail: a.tail };
    let mut begins = [true, true];
    logs(&folder, options, |entry| {
        let begins = &mut begins[entry.stream as usize];
        let shown = text(a, entry, *begins);
        *begins = entry.ended;
        // Whoever read has gone: no error, and no reason to go on.
        match entry.stream {
            Stream::Out => put(std::io::stdout().lock(), &shown),
            Stream::Err => put(std::io::stderr().lock(), &shown),
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

fn put(mut to: impl Write, bytes: &[u8]) -> bool {
    to.write_all(bytes).and_then(|()| to.flush()).is_ok()
}

fn text(a: &Arguments, entry: &Entry, begins: bool) -> Vec<u8> {
    let mut all = Vec::new();
    if a.timestamps && begins {
        all.extend_from_slice(entry.time.as_bytes());
        all.push(b' ');
    }
    all.extend_from_slice(&entry.text);
    if entry.ended {
        all.push(b'\n');
    }
    all
}
