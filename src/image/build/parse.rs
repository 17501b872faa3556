//! A Dockerfile's text -> instructions. The grammar is the crate's; here-documents, joined lines and pairs are ours.

use super::error::BuildError;
use super::heredoc::{self, HereDoc, continued};
use super::place::Source;
use super::syntax::{Command, Flag, From, Instruction, Kind, Parsed, Word};
use super::words;
use parse_dockerfile as crate_;
use std::ops::Range;

/// Most bytes of a Dockerfile.
pub const MOST: usize = 16 << 20;

/// Reads a whole file.
pub fn parse(source: &Source) -> Result<Parsed, BuildError> {
    let escape = escape_of(&source.text);
    let (masked, documents) = heredoc::cover(&source.text, escape as u8).map_err(|unended| {
        let word = &source.text[unended.0.clone()];
        syntax(source, &unended.0, format!("the here-document {word} has no end"))
    })?;
    let reader = Reader { source, documents, escape };
    let mut instructions = Vec::new();
    let at = |e: crate_::Error| {
        let why = e.to_string();
        let why = why.split(" at line ").next().unwrap_or(&why).to_owned();
        BuildError::Syntax { place: Box::new(source.place_at(e.line(), e.column())), why }
    };
    for instruction in crate_::parse_iter(&masked).map_err(at)? {
        instructions.push(reader.instruction(&instruction.map_err(at)?)?);
    }
    Ok(Parsed { instructions, escape })
}

/// Reads one instruction that an image keeps for those that build on it.
pub fn trigger(text: &str, image: &str) -> Result<(Source, Instruction), BuildError> {
    let name = format!("ONBUILD of {image}");
    // The crate wants a stage before; the place is counted without it.
    let source = Source { name, text: format!("FROM scratch\n{text}\n") };
    let mut parsed = parse(&source)?;
    match (parsed.instructions.pop(), parsed.instructions.len()) {
        (Some(instruction), 1) => Ok((source, instruction)),
        _ => Err(syntax(&source, &(13..source.text.len()), "one instruction is wanted".into())),
    }
}

pub(super) fn syntax(source: &Source, span: &Range<usize>, why: String) -> BuildError {
    BuildError::Syntax { place: Box::new(source.place(span)), why }
}

/// The directive `# escape=` stands before anything else.
fn escape_of(text: &str) -> char {
    for line in text.lines() {
        let Some(comment) = line.trim_start().strip_prefix('#') else { break };
        let Some((name, value)) = comment.split_once('=') else { break };
        let name = name.trim();
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric()) {
            break;
        }
        if name.eq_ignore_ascii_case("escape") && value.trim() == "`" {
            return '`';
        }
    }
    '\\'
}

struct Reader<'a> {
    source: &'a Source,
    documents: Vec<HereDoc>,
    escape: char,
}

impl Reader<'_> {
    fn instruction(&self, i: &crate_::Instruction<'_>) -> Result<Instruction, BuildError> {
        use crate_::Instruction as I;
        let (keyword, end) = (span_of_keyword(i), self.end_of(i));
        let span = keyword.start..end.max(keyword.end);
        let fail = |why: String| syntax(self.source, &(span.start..span.end), why);
        let kind = match i {
            I::From(f) => self.from(f)?,
            I::Run(r) => {
                let documents = self.within(&span);
                Kind::Run { flags: self.flags(&r.options), command: self.command(&r.arguments), documents }
            }
            I::Copy(c) => self.copy(false, &c.options, &c.src, &c.dest),
            I::Add(a) => self.copy(true, &a.options, &a.src, &a.dest),
            I::Env(e) => Kind::Env(words::pairs(&e.arguments.value, self.escape, "ENV").map_err(fail)?),
            I::Label(l) => Kind::Label(words::pairs(&l.arguments.value, self.escape, "LABEL").map_err(fail)?),
            I::Arg(a) => Kind::Arg(words::arguments(&a.arguments.value, self.escape).map_err(fail)?),
            I::Workdir(w) => Kind::Workdir(self.word(&w.arguments)),
            I::User(u) => Kind::User(self.word(&u.arguments)),
            I::Expose(e) => Kind::Expose(e.arguments.iter().map(|w| self.word(w)).collect()),
            I::Volume(v) => Kind::Volume(match &v.arguments {
                crate_::JsonOrStringArray::Json(list) => list.value.iter().map(|w| self.word(w)).collect(),
                crate_::JsonOrStringArray::String(list) => list.iter().map(|w| self.word(w)).collect(),
            }),
            I::Entrypoint(e) => Kind::Entrypoint(self.command(&e.arguments)),
            I::Cmd(c) => Kind::Cmd(self.command(&c.arguments)),
            I::Shell(s) => Kind::Shell(s.arguments.iter().map(|w| w.value.to_string()).collect()),
            I::Stopsignal(s) => Kind::Stopsignal(self.word(&s.arguments)),
            I::Healthcheck(h) => Kind::Healthcheck {
                flags: self.flags(&h.options),
                command: match &h.arguments {
                    crate_::HealthcheckArguments::Cmd { arguments, .. } => Some(self.command(arguments)),
                    _ => None,
                },
            },
            I::Onbuild(o) => self.onbuild(o, &span)?,
            I::Maintainer(m) => Kind::Maintainer(m.name.value.to_string()),
            _ => return Err(fail("this instruction is not known here".into())),
        };
        let word = &self.source.text[keyword.clone()];
        let rest = self.joined(&(keyword.end..span.end));
        let shown = format!("{} {}", word.to_ascii_uppercase(), rest.trim()).trim().to_owned();
        Ok(Instruction { span, shown, kind })
    }

    fn from(&self, f: &crate_::FromInstruction<'_>) -> Result<Kind, BuildError> {
        let mut platform = None;
        for flag in &f.options {
            match (flag.name.value.as_ref(), &flag.value) {
                ("platform", Some(value)) => platform = Some(self.word(value)),
                (name, _) => {
                    let why = format!("--{name} is not known to FROM: --platform=… is");
                    return Err(syntax(self.source, &flag.span(), why));
                }
            }
        }
        let name = f.as_.as_ref().map(|(_, name)| name.value.to_ascii_lowercase());
        if let Some((_, word)) = f.as_.as_ref().filter(|(_, w)| !stage_name(&w.value)) {
            let why = "a stage's name has letters, digits and _ - . and begins with a letter".into();
            return Err(syntax(self.source, &word.span, why));
        }
        Ok(Kind::From { image: self.word(&f.image), platform, name })
    }

    fn copy(
        &self,
        add: bool,
        options: &[crate_::Flag<'_>],
        src: &[crate_::Source<'_>],
        dest: &crate_::UnescapedString<'_>,
    ) -> Kind {
        let from = src.iter().filter_map(|s| match s {
            crate_::Source::Path(path) => {
                let here = self.documents.iter().find(|d| d.span.start == path.span.start);
                Some(here.map_or_else(|| From::Path(self.word(path)), |d| From::Here(d.clone())))
            }
            _ => None,
        });
        Kind::Copy { add, flags: self.flags(options), from: from.collect(), to: self.word(dest) }
    }

    fn onbuild(&self, o: &crate_::OnbuildInstruction<'_>, span: &Range<usize>) -> Result<Kind, BuildError> {
        use crate_::Instruction as I;
        if matches!(*o.instruction, I::From(_) | I::Maintainer(_) | I::Onbuild(_)) {
            let why = "ONBUILD takes neither FROM nor MAINTAINER nor ONBUILD".into();
            return Err(syntax(self.source, span, why));
        }
        self.instruction(&o.instruction)?;
        let start = span_of_keyword(&o.instruction).start;
        let mut text = self.joined(&(start..span.end)).trim().to_owned();
        for document in self.within(span) {
            text = format!("{text}\n{}{}", document.content, document.name);
        }
        Ok(Kind::Onbuild(text))
    }

    fn within(&self, span: &Range<usize>) -> Vec<HereDoc> {
        self.documents.iter().filter(|d| span.contains(&d.span.start)).cloned().collect()
    }

    fn word(&self, w: &crate_::UnescapedString<'_>) -> Word {
        Word { text: w.value.to_string(), span: w.span.clone() }
    }

    fn flags(&self, options: &[crate_::Flag<'_>]) -> Vec<Flag> {
        let one = |f: &crate_::Flag<'_>| Flag {
            name: f.name.value.to_string(),
            value: f.value.as_ref().map(|v| v.value.to_string()),
            span: f.span(),
        };
        options.iter().map(one).collect()
    }

    fn command(&self, c: &crate_::Command<'_>) -> Command {
        match c {
            crate_::Command::Exec(list) => {
                Command::Exec(list.value.iter().map(|w| w.value.to_string()).collect())
            }
            crate_::Command::Shell(text) => Command::Shell(self.joined(&text.span)),
            _ => Command::Exec(Vec::new()),
        }
    }

    /// Continuation lines put together, comments between them left out.
    fn joined(&self, span: &Range<usize>) -> String {
        let mut out = String::new();
        for (i, line) in self.source.text[span.clone()].split_inclusive('\n').enumerate() {
            let bare = line.trim_start();
            if i > 0 && (bare.is_empty() || bare.starts_with('#')) {
                continue;
            }
            let kept = continued(line, self.escape as u8);
            out.push_str(kept.unwrap_or(line.trim_end_matches(['\n', '\r'])));
        }
        out
    }

    /// Where an instruction's text ends, here-documents not counted.
    fn end_of(&self, i: &crate_::Instruction<'_>) -> usize {
        let start = span_of_keyword(i).start;
        let mut at = start;
        let mut first = true;
        for line in self.source.text[start..].split_inclusive('\n') {
            let bare = line.trim_start();
            at += line.len();
            if !first && (bare.is_empty() || bare.starts_with('#')) {
                continue;
            }
            first = false;
            if continued(line, self.escape as u8).is_none() {
                break;
            }
        }
        start + self.source.text[start..at].trim_end().len()
    }
}

fn stage_name(name: &str) -> bool {
    let rest = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
    name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic()) && name.bytes().all(rest)
}

fn span_of_keyword(i: &crate_::Instruction<'_>) -> Range<usize> {
    use crate_::Instruction as I;
    match i {
        I::Add(x) => x.add.span.clone(),
        I::Arg(x) => x.arg.span.clone(),
        I::Cmd(x) => x.cmd.span.clone(),
        I::Copy(x) => x.copy.span.clone(),
        I::Entrypoint(x) => x.entrypoint.span.clone(),
        I::Env(x) => x.env.span.clone(),
        I::Expose(x) => x.expose.span.clone(),
        I::From(x) => x.from.span.clone(),
        I::Healthcheck(x) => x.healthcheck.span.clone(),
        I::Label(x) => x.label.span.clone(),
        I::Maintainer(x) => x.maintainer.span.clone(),
        I::Onbuild(x) => x.onbuild.span.clone(),
        I::Run(x) => x.run.span.clone(),
        I::Shell(x) => x.shell.span.clone(),
        I::Stopsignal(x) => x.stopsignal.span.clone(),
        I::User(x) => x.user.span.clone(),
        I::Volume(x) => x.volume.span.clone(),
        I::Workdir(x) => x.workdir.span.clone(),
        _ => 0..0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn source(text: &str) -> Source {
        Source { name: "Dockerfile".into(), text: text.into() }
    }

    /// What the fuzz target asks of any text.
    fn holds(text: &str) {
        let source = source(text);
        match parse(&source) {
            Err(error) => assert!(error.place().expect("a place").line >= 1),
            Ok(parsed) => {
                let mut end = 0;
                for i in parsed.instructions {
                    assert!(i.span.start >= end && i.span.start < i.span.end, "{i:?}");
                    end = i.span.end;
                    source.place(&i.span);
                }
                assert!(end <= text.len());
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_with_a_place(
            words in proptest::collection::vec(
                prop_oneof![
                    Just("FROM a\n"), Just("RUN "), Just("COPY "), Just("ADD "), Just("ONBUILD "), Just("ENV "),
                    Just("<<E"), Just("<<-'E' "), Just("\nE\n"), Just("\\\n"), Just("# x\n"), Just("\n"), Just("[\"a\","),
                    Just("\"b\"]\n"), Just("k=\"v w\" "), Just("--mount=type=cache,target=/x "), Just("é$V"), Just("\r\n"), Just("\r"), Just("ARG "), Just("x "), Just("\u{b}"), Just("<"),
                    Just("HEALTHCHECK CMD "), Just("\\"), Just("\t"), Just("'"), Just("LABEL a=b\n"), Just("# escape=`\n"),
                ],
                0..24,
            )
        ) {
            holds(&words.concat());
        }
    }

    #[test]
    fn a_lone_carriage_return_ends_no_line() {
        for text in ["FROM a\nARG x\rRUN <<E\nE\nRUN y\n", "FROM a\rRUN b\r", "FROM a\nRUN b\r\r\nRUN c\r"] {
            holds(text);
        }
        // As in Docker: one command, and what the shell makes of it is its business.
        let all = parse(&source("FROM a\nRUN one\rRUN two\n")).expect("reads").instructions;
        assert_eq!(all.len(), 2);
        assert!(
            matches!(&all[1].kind, Kind::Run { command: Command::Shell(text), .. } if text == "one\rRUN two")
        );
        // A file whose lines end in nothing else has one line, and FROM takes no more words.
        assert!(parse(&source("FROM a\rRUN b\r")).is_err());
    }

    #[test]
    fn joined_lines_and_here_documents_keep_what_they_are() {
        let text = "FROM a\nRUN one \\\n  # no\n\n two # kept\nCOPY <<x /\ny\nx\nONBUILD RUN <<E\nz\nE\n";
        let all = parse(&source(text)).expect("reads").instructions;
        let shown: Vec<&str> = all.iter().map(|i| i.shown.as_str()).collect();
        assert_eq!(shown, ["FROM a", "RUN one  two # kept", "COPY <<x /", "ONBUILD RUN <<E"]);
        assert_eq!(all[3].kind, Kind::Onbuild("RUN <<E\nz\nE".into()));
        let (_, again) = trigger("RUN <<E\nz\nE", "a").expect("reads");
        assert!(matches!(again.kind, Kind::Run { documents, .. } if documents[0].content == "z\n"));
    }
}
