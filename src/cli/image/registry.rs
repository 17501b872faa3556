//! What pull and push share: how a registry is spoken to, and what is seen meanwhile.

use crate::image::registry::{How, Options, Step};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::HashMap;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub struct Access {
    /// Plain HTTP, or TLS with any certificate, will do
    #[arg(long)]
    insecure: bool,
    /// Trust the authorities in this PEM file too
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Credentials from this file alone, in the form of Docker's config.json or podman's auth.json
    #[arg(long, value_name = "FILE")]
    authfile: Option<PathBuf>,
    /// Blobs at a time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=32))]
    jobs: u8,
    /// Try again so often
    #[arg(long, value_name = "N", default_value_t = 5)]
    retries: u32,
    /// Give a connection up on which nothing moves for so long
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    timeout: u32,
    /// No progress bars
    #[arg(long, short)]
    quiet: bool,
}

impl Access {
    /// As the registry's room wants it.
    pub fn options(&self) -> Options {
        Options {
            insecure: self.insecure,
            ca: self.ca.clone(),
            auth_file: self.authfile.clone(),
            jobs: self.jobs.into(),
            retries: self.retries,
            idle: Duration::from_secs(self.timeout.into()),
            ..Options::default()
        }
    }

    /// Bars, where standard error is a terminal.
    pub fn shown(&self) -> Shown {
        let bars = (std::io::stderr().is_terminal() && !self.quiet).then(MultiProgress::new);
        Shown { bars, quiet: self.quiet, each: Mutex::default() }
    }
}

/// A bar for each blob that moves.
pub struct Shown {
    bars: Option<MultiProgress>,
    quiet: bool,
    each: Mutex<HashMap<String, ProgressBar>>,
}

impl Shown {
    /// Takes a step in.
    pub fn take(&self, step: &Step<'_>) {
        let short = |digest: &crate::image::digest::Digest| digest.hex()[..12].to_owned();
        if let Step::Waits { why, wait } = step {
            let line = format!("{why}; again in {:.1} s", wait.as_secs_f64());
            match &self.bars {
                _ if self.quiet => {}
                Some(bars) => drop(bars.println(line)),
                None => eprintln!("{line}"),
            }
            return;
        }
        let Some(bars) = &self.bars else { return };
        let mut each = self.each.lock().unwrap_or_else(PoisonError::into_inner);
        match step {
            Step::Begins { digest, bytes, from } => {
                let bar = each.entry(short(digest)).or_insert_with(|| {
                    let form = "{msg} {wide_bar:.cyan} {bytes}/{total_bytes} {bytes_per_sec}";
                    let style =
                        ProgressStyle::with_template(form).unwrap_or_else(|_| ProgressStyle::default_bar());
                    bars.add(ProgressBar::new(*bytes).with_style(style).with_message(short(digest)))
                });
                bar.set_position(*from);
            }
            Step::Moves { digest, bytes } => {
                if let Some(bar) = each.get(&short(digest)) {
                    bar.inc(*bytes);
                }
            }
            Step::Ends { digest, how, .. } => {
                if let Some(bar) = each.remove(&short(digest)) {
                    bar.finish_and_clear();
                }
                let how = match how {
                    How::Moved => "done",
                    How::Already => "is there already",
                    How::Mounted => "taken over from another repository",
                };
                let _ = bars.println(format!("{} {how}", short(digest)));
            }
            Step::Waits { .. } => {}
        }
    }
}
