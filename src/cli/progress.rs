//! What is seen while a bench runs: a bar on a terminal, a line a block elsewhere. All of it goes to standard error.

use crate::measure::bench::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;

/// See the module.
pub struct Shown {
    bar: Option<ProgressBar>,
    block: u32,
}

impl Shown {
    /// A bar where standard error is a terminal, and `quiet` is not asked for.
    pub fn new(quiet: bool) -> Self {
        let bar = (std::io::stderr().is_terminal() && !quiet).then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{wide_bar:.cyan} {pos}/{len}  {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Self { bar, block: if quiet { u32::MAX } else { 0 } }
    }

    /// Takes a step of the bench in.
    pub fn take(&mut self, step: &Progress) {
        match step {
            Progress::Begins(run) => {
                let left = run.left_s.map(|s| format!(", {} left", clock(s))).unwrap_or_default();
                match &self.bar {
                    Some(bar) => {
                        bar.set_length(u64::from(run.expected));
                        bar.set_position(u64::from(run.done));
                        bar.set_message(format!("{} on {}{left}", run.workload, run.target));
                    }
                    None if run.block > self.block => {
                        self.block = run.block;
                        eprintln!(
                            "block {}: run {} of about {}{left}",
                            run.block,
                            run.done + 1,
                            run.expected
                        );
                    }
                    None => {}
                }
            }
            Progress::Failed { target, workload, error } => {
                let line = format!("failed: {workload} on {target}: {error}");
                match &self.bar {
                    Some(bar) => bar.println(line),
                    None => eprintln!("{line}"),
                }
            }
        }
    }

    /// Something besides the runs is done.
    pub fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(text.to_owned()),
            None if self.block < u32::MAX => eprintln!("{text}"),
            None => {}
        }
    }

    /// Takes the bar away.
    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn clock(seconds: f64) -> String {
    let s = seconds.round() as u64;
    if s < 60 { format!("{s} s") } else { format!("{}:{:02} min", s / 60, s % 60) }
}
