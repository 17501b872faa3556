//! From a lesson's Markdown to its parts.
//!
//! ````text
//! # Title
//! Words.
//! ```console
//! $ command
//! ```
//! ## Check
//! The question?
//! - [ ] a wrong answer
//! - [x] the right one
//! Why it is right.
//! ````

use super::Lesson;

/// A piece of a lesson.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// A paragraph, its lines joined.
    Words(String),
    /// A command for a shell.
    Command(String),
}

/// At the end of each lesson.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What is asked.
    pub asks: String,
    /// Answers to choose from.
    pub answers: Vec<String>,
    /// Index of the right one.
    pub right: usize,
    /// Why.
    pub why: String,
}

/// A text that is no lesson.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("lesson {name}: {why}")]
pub struct LessonError {
    /// Of the lesson.
    pub name: String,
    /// What is wrong with it.
    pub why: &'static str,
}

/// Parses the text of lesson `name`.
pub fn parse(name: &str, text: &str) -> Result<Lesson, LessonError> {
    let wrong = |why| LessonError { name: name.to_owned(), why };
    let (body, check) = text.split_once("\n## Check\n").ok_or(wrong("it has no section Check"))?;
    let (title, body) = body.split_once('\n').ok_or(wrong("it has no words"))?;
    let title = title.strip_prefix("# ").ok_or(wrong("it does not begin with a title"))?;
    let parts = parts(body).map_err(wrong)?;
    if !parts.iter().any(|p| matches!(p, Part::Command(_))) {
        return Err(wrong("it does nothing"));
    }
    Ok(Lesson {
        name: name.to_owned(),
        title: title.to_owned(),
        parts,
        question: question(check).map_err(wrong)?,
    })
}

fn parts(body: &str) -> Result<Vec<Part>, &'static str> {
    let mut parts = Vec::new();
    let mut words = String::new();
    let mut console = false;
    for line in body.lines() {
        let fence = line.starts_with("```");
        if (fence || line.trim().is_empty()) && !words.is_empty() {
            parts.push(Part::Words(std::mem::take(&mut words)));
        }
        match (fence, console) {
            (true, _) => console = !console,
            (false, true) => match line.strip_prefix("$ ") {
                Some(command) => parts.push(Part::Command(command.to_owned())),
                None => return Err("a line of a console block does not begin with `$ `"),
            },
            (false, false) if line.trim().is_empty() => {}
            (false, false) => {
                if !words.is_empty() {
                    words.push(' ');
                }
                words.push_str(line.trim());
            }
        }
    }
    if !words.is_empty() {
        parts.push(Part::Words(words));
    }
    if console { Err("a console block has no end") } else { Ok(parts) }
}

fn question(check: &str) -> Result<Question, &'static str> {
    let mut q = Question { asks: String::new(), answers: Vec::new(), right: usize::MAX, why: String::new() };
    for line in check.lines().map(str::trim).filter(|l| !l.is_empty()) {
        let answer = line.strip_prefix("- [ ] ").or_else(|| line.strip_prefix("- [x] "));
        match answer {
            Some(text) => {
                if line.starts_with("- [x]") {
                    if q.right != usize::MAX {
                        return Err("two answers are right");
                    }
                    q.right = q.answers.len();
                }
                q.answers.push(text.to_owned());
            }
            None => {
                let to = if q.answers.is_empty() { &mut q.asks } else { &mut q.why };
                if !to.is_empty() {
                    to.push(' ');
                }
                to.push_str(line);
            }
        }
    }
    match (q.answers.len() >= 2, q.right < q.answers.len(), q.asks.is_empty() || q.why.is_empty()) {
        (true, true, false) => Ok(q),
        (false, ..) => Err("its question has fewer than two answers"),
        (_, false, _) => Err("no answer is right"),
        _ => Err("its question or the reason of the answer is missing"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "# T\nOne\ntwo.\n\n```console\n$ a b\n$ c\n```\nThree.\n\n## Check\nWhich?\n- [ ] x\n- [x] y\nSo.\n";

    #[test]
    fn a_text_becomes_words_commands_and_a_question() {
        let lesson = parse("t", TEXT).expect("lesson");
        let words = |w: &str| Part::Words(w.into());
        let command = |c: &str| Part::Command(c.into());
        assert_eq!(lesson.parts, [words("One two."), command("a b"), command("c"), words("Three.")]);
        assert_eq!(
            (lesson.title.as_str(), lesson.question.right, lesson.question.why.as_str()),
            ("T", 1, "So.")
        );
    }

    #[test]
    fn what_is_no_lesson_says_why() {
        let why = |from: &str, to: &str| parse("t", &TEXT.replace(from, to)).expect_err(from).why;
        assert_eq!(why("## Check", "## Cheek"), "it has no section Check");
        assert_eq!(why("# T", "T"), "it does not begin with a title");
        assert_eq!(why("- [x]", "- [ ]"), "no answer is right");
        assert_eq!(why("- [ ]", "- [x]"), "two answers are right");
        assert_eq!(why("$ c\n```", "$ c\n"), "a line of a console block does not begin with `$ `");
        assert_eq!(why("So.", ""), "its question or the reason of the answer is missing");
    }
}
