//! `taremark learn`: lessons that do the thing on this machine.

use super::failure::{FAILED, Usage};
use super::paint::{Tone, out};
use crate::lesson::{Lesson, Part, Question, Room, all};
use crate::machine::{cache, kernel};
use crate::record::lessons::{self, Step, Taught};
use anyhow::Context;
use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Lesson; without one, all are listed
    #[arg(value_name = "LESSON", conflicts_with = "all")]
    name: Option<String>,
    /// Every lesson
    #[arg(long)]
    all: bool,
    /// Do not wait for Enter, and answer the questions
    #[arg(long, short)]
    yes: bool,
    /// Put what was said into the record DIR and render its report again
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
    /// For programs: the list, or what was done and said; nobody is asked
    #[arg(long)]
    json: bool,
    /// Started by a lesson, never by hand: removes what is in its folder when it has ended
    #[arg(long, value_name = "DIR", hide = true)]
    guard: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if let Some(room) = &arguments.guard {
        crate::lesson::guard::stand(room, &std::env::current_exe().context("find own path")?)?;
        // A lesson may have been measuring, which needs root.
        if !crate::sys::process::is_rootless() {
            crate::measure::session::clean_dead()?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let lessons = all()?;
    let Some(chosen) = choose(arguments, &lessons)? else {
        list(&lessons, arguments.json)?;
        return Ok(ExitCode::SUCCESS);
    };
    if let Some(dir) = &arguments.into {
        // Before minutes are spent: whether it is a record at all.
        crate::record::reader::read(dir)?;
    }
    let manner = Manner {
        waits: !arguments.yes && !arguments.json && std::io::stdin().is_terminal(),
        silent: arguments.json,
    };
    let mut taught = Vec::new();
    for lesson in chosen {
        if lesson.boots_machine() {
            kernel::find(&cache::dir(), None)
                .with_context(|| format!("lesson {} boots a machine", lesson.name))?;
        }
        let Some(one) = teach(lesson, manner)? else { return Ok(ExitCode::from(FAILED)) };
        taught.push(one);
    }
    if arguments.json {
        super::json::print(&serde_json::json!({ "schema": 1, "lessons": taught }))?;
    }
    if let Some(dir) = &arguments.into {
        let page = keep(dir, taught)?;
        if !arguments.json {
            println!("report: {}", page.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// How a lesson is held.
#[derive(Debug, Clone, Copy)]
struct Manner {
    /// For Enter and for answers.
    waits: bool,
    /// Nothing is printed.
    silent: bool,
}

fn list(lessons: &[Lesson], json: bool) -> anyhow::Result<()> {
    if json {
        let row = |l: &Lesson| serde_json::json!({ "name": l.name, "title": l.title });
        let rows: Vec<_> = lessons.iter().map(row).collect();
        return super::json::print(&serde_json::json!({ "schema": 1, "lessons": rows }));
    }
    lessons.iter().for_each(|l| println!("{:<22} {}", l.name, l.title));
    println!("\ntaremark learn LESSON");
    Ok(())
}

fn keep(dir: &Path, taught: Vec<Taught>) -> anyhow::Result<PathBuf> {
    lessons::write(dir, taught).context("keep the lessons")?;
    Ok(crate::report::render(dir)?.page)
}

fn choose<'a>(arguments: &Arguments, lessons: &'a [Lesson]) -> anyhow::Result<Option<Vec<&'a Lesson>>> {
    if arguments.all {
        return Ok(Some(lessons.iter().collect()));
    }
    let Some(name) = &arguments.name else { return Ok(None) };
    let found = lessons.iter().find(|l| l.name == *name);
    let known = || lessons.iter().map(|l| l.name.as_str()).collect::<Vec<_>>().join(", ");
    let what = || Usage { what: format!("unknown lesson {name:?}: {} are known", known()) };
    Ok(Some(vec![found.ok_or_else(what)?]))
}

/// What was said; none where a command failed.
fn teach(lesson: &Lesson, manner: Manner) -> anyhow::Result<Option<Taught>> {
    let own = std::env::current_exe().context("find own path")?;
    let room = Room::new(&own).context("make a folder for the lesson")?;
    let say = |text: &str| {
        if !manner.silent {
            println!("{text}");
        }
    };
    say(&format!("\n{}\n{}\n", out(Tone::Head, &lesson.title), "=".repeat(lesson.title.chars().count())));
    let mut steps = Vec::new();
    for part in &lesson.parts {
        match part {
            Part::Words(words) => {
                say(&format!("{}\n", super::doctor::textwrap(words, 78).join("\n")));
                steps.push(Step {
                    words: words.clone(),
                    command: String::new(),
                    said: String::new(),
                    took_ms: 0.0,
                });
            }
            Part::Command(command) => {
                let lines = super::shell_lines::fit(command, 72);
                say(&format!("    $ {}", out(Tone::Head, &lines.join("\n      "))));
                if manner.waits {
                    print!("    (Enter runs it) ");
                    std::io::stdout().flush()?;
                    std::io::stdin().lock().read_line(&mut String::new())?;
                }
                let from = Instant::now();
                let said = room.run(command).context("run a shell")?;
                said.text.lines().for_each(|line| say(&format!("    {line}")));
                say("");
                if said.code != Some(0) {
                    let end = said.code.map_or("by a signal".into(), |code| format!("with code {code}"));
                    let name = &lesson.name;
                    super::failure::wrong(&format!("lesson {name}: this command ended {end}: {command}"));
                    room.leave().context("clean up after the lesson")?;
                    return Ok(None);
                }
                let took_ms = (from.elapsed().as_secs_f64() * 1e5).round() / 100.0;
                steps.push(Step { words: String::new(), command: command.clone(), said: said.text, took_ms });
            }
        }
    }
    room.leave().context("clean up after the lesson")?;
    if !manner.silent {
        ask(&lesson.question, manner.waits)?;
    }
    let Question { asks, answers, right, why } = lesson.question.clone();
    Ok(Some(Taught {
        name: lesson.name.clone(),
        title: lesson.title.clone(),
        steps,
        asks,
        answers,
        right,
        why,
    }))
}

fn ask(question: &Question, waits: bool) -> anyhow::Result<()> {
    println!("{}", super::doctor::textwrap(&question.asks, 78).join("\n"));
    for (i, answer) in question.answers.iter().enumerate() {
        println!("  {}. {}", i + 1, super::doctor::textwrap(answer, 74).join("\n     "));
    }
    while waits && !answered(question)? {}
    println!("\n{}. {}\n", question.right + 1, super::doctor::textwrap(&question.why, 74).join("\n   "));
    Ok(())
}

/// True where the question is done with: answered rightly, or nobody is there any more.
fn answered(question: &Question) -> anyhow::Result<bool> {
    print!("Your answer: ");
    std::io::stdout().flush()?;
    let mut line = String::new();
    if std::io::stdin().lock().read_line(&mut line)? == 0 {
        return Ok(true);
    }
    let right = line.trim().parse() == Ok(question.right + 1);
    println!("{}", if right { "Right." } else { "No: try again." });
    Ok(right)
}
