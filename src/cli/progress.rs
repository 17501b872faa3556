//! What is seen while a bench runs: on a terminal a bar with the time that is left and, below it, the medians so far;
//! elsewhere a line a block with the same. All of it goes to standard error.

use super::medians::{Medians, cut};
use super::paint::{Tone, err, on_stderr};
use crate::measure::bench::{Begins, Progress};
use crate::record::schema::Plan;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;

/// Columns where the terminal does not tell.
const WIDTH: usize = 80;

/// See the module.
pub struct Shown {
    bar: Option<ProgressBar>,
    quiet: bool,
    block: u32,
    medians: Medians,
    /// Names of the targets, in the order in which they are shown.
    order: Vec<String>,
}

impl Shown {
    /// A bar where standard error is a terminal, and `quiet` is not asked for.
    pub fn new(quiet: bool) -> Self {
        let bar = (std::io::stderr().is_terminal() && !quiet).then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let color = if on_stderr() { ".cyan" } else { "" };
            let style = ProgressStyle::with_template(&format!("{{bar:24{color}}} {{pos}}/{{len}}{{msg}}"));
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━━─"));
            bar
        });
        Self { bar, quiet, block: 0, medians: Medians::default(), order: Vec::new() }
    }

    /// Shows the medians in the order of the plan.
    pub fn of(mut self, plan: &Plan) -> Self {
        self.order = plan.targets.iter().map(|t| t.name.clone()).collect();
        self.medians = Medians::of(plan.workloads.iter().map(|w| w.name.as_str()));
        self
    }

    /// Takes a step of the bench in.
    pub fn take(&mut self, step: &Progress) {
        match step {
            Progress::Begins(run) => self.begins(run),
            Progress::Measured { target, workload, startup_ms } => {
                self.medians.take(workload, target, *startup_ms);
            }
            Progress::Failed { target, workload, error } => {
                let line = format!("{} {workload} on {target}: {error}", err(Tone::Bad, "failed:"));
                match &self.bar {
                    Some(bar) => bar.println(line),
                    None => eprintln!("{line}"),
                }
            }
        }
    }

    fn begins(&mut self, run: &Begins) {
        let left = run.left_s.map(|s| format!(", {} left", clock(s))).unwrap_or_default();
        if let Some(bar) = &self.bar {
            let (rows, width) = size();
            bar.set_length(u64::from(run.expected));
            bar.set_position(u64::from(run.done));
            let counts = format!("{}/{}", run.done, run.expected).len();
            let now = format!("{left}: {} on {}", run.workload, run.target);
            let mut message = cut(&now, width.saturating_sub(26 + counts));
            for line in self.medians.lines(&self.order, rows.saturating_sub(2), width.saturating_sub(3)) {
                message.push_str("\n  ");
                message.push_str(&line);
            }
            bar.set_message(message);
        } else if run.block > self.block && !self.quiet {
            self.block = run.block;
            eprintln!("block {}: run {} of about {}{left}", run.block, run.done + 1, run.expected);
            let lines = self.medians.lines(&self.order, usize::MAX, WIDTH - 2);
            lines.iter().for_each(|line| eprintln!("  {line}"));
        }
    }

    /// Something besides the runs is done.
    pub fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(format!("  {text}")),
            None if !self.quiet => eprintln!("{text}"),
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

/// Rows and columns of the terminal.
fn size() -> (usize, usize) {
    let told = rustix::termios::tcgetwinsize(std::io::stderr());
    match told {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_row.into(), size.ws_col.into()),
        _ => (24, WIDTH),
    }
}

fn clock(seconds: f64) -> String {
    let s = seconds.round() as u64;
    if s < 60 { format!("{s} s") } else { format!("{}:{:02} min", s / 60, s % 60) }
}
