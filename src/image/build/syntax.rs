//! What a Dockerfile's instructions say, before any variable is filled in.

use super::heredoc::HereDoc;
use std::ops::Range;

/// Some text and where it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Word {
    /// With continuation lines joined; quotes and variables as written.
    pub text: String,
    /// In the file.
    pub span: Range<usize>,
}

/// `--name[=value]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// Without the dashes.
    pub name: String,
    /// After `=`.
    pub value: Option<String>,
    /// In the file.
    pub span: Range<usize>,
}

/// A command line in one of its two forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A JSON array.
    Exec(Vec<String>),
    /// For the stage's shell; joined.
    Shell(String),
}

/// What COPY and ADD take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    /// A path or pattern.
    Path(Word),
    /// A file written in place.
    Here(HereDoc),
}

/// One instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// All of it.
    pub span: Range<usize>,
    /// As `history` shows it: keyword in capitals, continuation lines joined.
    pub shown: String,
    /// See there.
    pub kind: Kind,
}

/// See the Dockerfile reference.
#[expect(missing_docs, reason = "the fields are what the instruction is written with")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// `FROM [--platform=] image [AS name]`.
    From { image: Word, platform: Option<Word>, name: Option<String> },
    /// `RUN`.
    Run { flags: Vec<Flag>, command: Command, documents: Vec<HereDoc> },
    /// `COPY` and `ADD`.
    Copy { add: bool, flags: Vec<Flag>, from: Vec<From>, to: Word },
    /// `ENV`: names and values, not expanded.
    Env(Vec<(String, String)>),
    /// `LABEL`.
    Label(Vec<(String, String)>),
    /// `ARG name[=default]`.
    Arg(Vec<(String, Option<String>)>),
    /// `WORKDIR`.
    Workdir(Word),
    /// `USER`.
    User(Word),
    /// `EXPOSE`.
    Expose(Vec<Word>),
    /// `VOLUME`.
    Volume(Vec<Word>),
    /// `ENTRYPOINT`.
    Entrypoint(Command),
    /// `CMD`.
    Cmd(Command),
    /// `SHELL`.
    Shell(Vec<String>),
    /// `STOPSIGNAL`.
    Stopsignal(Word),
    /// `HEALTHCHECK`; no command: `NONE`.
    Healthcheck { flags: Vec<Flag>, command: Option<Command> },
    /// `ONBUILD`: the instruction as text.
    Onbuild(String),
    /// `MAINTAINER`.
    Maintainer(String),
}

/// A whole file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// In order.
    pub instructions: Vec<Instruction>,
    /// `\` or `` ` ``.
    pub escape: char,
}
