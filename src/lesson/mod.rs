//! The guided lessons: each is a Markdown text whose commands are really run on this machine, so that it shows the
//! reader's own figures. A text is parsed into a [`Lesson`], a [`Room`] runs its commands and removes what they made.

pub mod clock;
pub mod guard;
mod parse;
mod room;
mod texts;

pub use parse::{LessonError, Part, Question, parse};
pub use room::{Room, Said};
pub use texts::all;

/// One lesson.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lesson {
    /// Short name, as `taremark learn NAME` takes it.
    pub name: String,
    /// Its heading.
    pub title: String,
    /// Words and commands, in order.
    pub parts: Vec<Part>,
    /// What the reader should be able to answer then.
    pub question: Question,
}

impl Lesson {
    /// Whether one of its commands boots a virtual machine, for which there has to be a guest kernel.
    pub fn boots_machine(&self) -> bool {
        let boots = |command: &str| command.contains("microvm") || command.contains("taremark bench");
        self.parts.iter().any(|part| matches!(part, Part::Command(command) if boots(command)))
    }
}
