//! The arguments of a verb.

use crate::failure::Failure;
use crate::globals::Globals;
use crate::verbs::Verb;
use lexopt::{Arg, Parser, ValueExt};
use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

/// An option or a plain argument, free of the parser that it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owned {
    /// `-x`
    Short(char),
    /// `--word`
    Long(String),
    /// Anything else.
    Value(OsString),
}

impl From<&Arg<'_>> for Owned {
    fn from(arg: &Arg) -> Self {
        match arg {
            Arg::Short(c) => Self::Short(*c),
            Arg::Long(word) => Self::Long((*word).to_owned()),
            Arg::Value(value) => Self::Value(value.clone()),
        }
    }
}

/// `--help` or `-h`.
pub fn is_help(arg: &Arg) -> bool {
    matches!(arg, Arg::Short('h') | Arg::Long("help"))
}

/// Reads them one by one.
pub struct Args {
    parser: Parser,
    verb: &'static Verb,
}

impl Args {
    /// What follows the name of the verb.
    pub fn new(parser: Parser, verb: &'static Verb) -> Self {
        Self { parser, verb }
    }

    /// The next option by its long name (`short` gives the long ones of single letters), or a plain argument.
    pub fn next(&mut self, short: &[(char, &'static str)]) -> Result<Option<Item>, Failure> {
        let Some(arg) = self.parser.next()? else { return Ok(None) };
        if is_help(&arg) {
            return Err(Failure::Help(self.verb.help()));
        }
        Ok(Some(match arg {
            Arg::Short(c) => match short.iter().find(|(s, _)| *s == c) {
                Some((_, long)) => Item::Option((*long).to_owned()),
                None => return Err(self.usage(&format!("-{c} is not an option of {}", self.verb.name))),
            },
            Arg::Long(word) => Item::Option(word.to_owned()),
            Arg::Value(value) => Item::Plain(value.string()?),
        }))
    }

    /// The option's value.
    pub fn text(&mut self) -> Result<String, Failure> {
        Ok(self.parser.value()?.string()?)
    }

    /// The option's value, a path.
    pub fn path(&mut self) -> Result<PathBuf, Failure> {
        Ok(self.parser.value()?.into())
    }

    /// The option's value, a number or the like.
    pub fn parsed<T: FromStr>(&mut self, option: &str) -> Result<T, Failure> {
        let text = self.text()?;
        text.parse()
            .map_err(|_| self.usage(&format!("--{option}: {text:?} has not the form that is expected")))
    }

    /// Everything that is left, as it stands.
    pub fn rest(&mut self) -> Result<Vec<String>, Failure> {
        self.parser.raw_args()?.map(|arg| Ok(arg.string()?)).collect()
    }

    /// An option that is not the verb's own: a global one, or a mistake.
    pub fn global(&mut self, globals: &mut Globals, option: String) -> Result<(), Failure> {
        globals.take(Owned::Long(option), &mut self.parser)
    }

    /// A mistake in the use of this verb.
    pub fn usage(&self, what: &str) -> Failure {
        Failure::usage(format!("{what}\n\n{}", self.verb.help()))
    }

    /// A verb without options of its own and one container.
    pub fn only_id(mut self, globals: &mut Globals) -> Result<String, Failure> {
        let mut ids = Vec::new();
        while let Some(item) = self.next(&[])? {
            match item {
                Item::Plain(id) => ids.push(id),
                Item::Option(option) => self.global(globals, option)?,
            }
        }
        self.id(ids)
    }

    /// Exactly one.
    pub fn id(&self, mut ids: Vec<String>) -> Result<String, Failure> {
        match (ids.pop(), ids.is_empty()) {
            (Some(id), true) => Ok(id),
            _ => Err(self.usage(&format!("{} needs exactly one container id", self.verb.name))),
        }
    }
}

/// See [`Args::next`].
pub enum Item {
    /// By its long name.
    Option(String),
    /// Not an option.
    Plain(String),
}
