//! What is seen of a build: lines that stay, and on a terminal a line for each stage that moves.

use crate::image::build::Event;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::{HashMap, VecDeque};
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How what goes on is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum How {
    /// Live on a terminal, plain elsewhere
    Auto,
    /// A line a step and a line of output
    Plain,
}

/// Lines of a command's output that are shown after it failed.
const TAIL: usize = 20;

/// See the module.
pub struct Shown {
    quiet: bool,
    bars: Option<MultiProgress>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// A line for each stage, or image that comes in.
    lines: HashMap<String, ProgressBar>,
    steps: u64,
    cached: u64,
    /// Of the last output, where it is not shown as it comes.
    last: VecDeque<String>,
}

impl Shown {
    /// By what was asked for and where standard error leads.
    pub fn new(how: How, quiet: bool) -> Self {
        let quiet = quiet && how != How::Plain;
        let live = how == How::Auto && !quiet && std::io::stderr().is_terminal();
        Self { quiet, bars: live.then(MultiProgress::new), state: Mutex::default() }
    }

    /// Takes an event in.
    pub fn take(&self, event: &Event<'_>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Event::Output { line, .. } = event {
            state.last.push_back((*line).to_owned());
            if state.last.len() > TAIL {
                state.last.pop_front();
            }
        }
        match &self.bars {
            _ if self.quiet => {}
            Some(bars) => state.live(bars, event),
            None => state.plain(event),
        }
    }

    /// Takes the live lines away; after a failure what the last command printed is shown, where it was not before.
    pub fn end(&self, failed: bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.lines.drain().for_each(|(_, line)| line.finish_and_clear());
        if failed && (self.quiet || self.bars.is_some()) {
            state.last.iter().for_each(|line| eprintln!("{line}"));
        } else if self.bars.is_some() {
            eprintln!("{} steps, {} of them cached", state.steps, state.cached);
        }
    }
}

impl State {
    fn plain(&mut self, event: &Event<'_>) {
        match event {
            Event::Step { stage, number, of, text } => {
                eprintln!("[{stage} {number}/{of}] {}", first(text));
            }
            Event::Cached { stage, .. } => eprintln!("[{stage}] cached"),
            Event::Output { stage, line } => eprintln!("[{stage}] | {line}"),
            Event::Pull { reference, .. } if self.lines.contains_key(*reference) => {}
            Event::Pull { reference, .. } => {
                self.lines.insert((*reference).to_owned(), ProgressBar::hidden());
                eprintln!("[{reference}] fetching");
            }
            Event::Warning(text) => eprintln!("warning: {text}"),
        }
    }

    fn live(&mut self, bars: &MultiProgress, event: &Event<'_>) {
        match event {
            Event::Step { stage, number, of, text } => {
                self.steps += 1;
                let line = self.line(bars, stage);
                line.set_prefix(format!("[{stage} {number}/{of}]"));
                line.set_message(first(text));
            }
            Event::Cached { .. } => self.cached += 1,
            Event::Output { stage, line } => {
                let text: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
                self.line(bars, stage).set_message(text);
            }
            Event::Pull { reference, done } => {
                let line = self.line(bars, reference);
                line.set_prefix(format!("[{reference}]"));
                line.set_message(format!("fetched {}", crate::cli::bytes::decimal(*done)));
            }
            // It stays; a terminal that is gone is nobody's.
            Event::Warning(text) => drop(bars.println(format!("warning: {text}"))),
        }
    }

    fn line(&mut self, bars: &MultiProgress, name: &str) -> &ProgressBar {
        self.lines.entry(name.to_owned()).or_insert_with(|| {
            let form = "{spinner:.cyan} {prefix} {wide_msg:.dim} {elapsed:.dim}";
            let style =
                ProgressStyle::with_template(form).unwrap_or_else(|_| ProgressStyle::default_spinner());
            let line = bars.add(ProgressBar::new_spinner().with_style(style));
            line.enable_steady_tick(Duration::from_millis(120));
            line
        })
    }
}

/// A long command is not shown whole: its output follows.
fn first(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}
