//! Variables in a Dockerfile's words: `$V`, `${V}`, `${V:-x}` and its kin, quotes and escapes.
//!
//! As the Dockerfile reference has it ("Environment replacement"): `-`, `+`, `?` with and without `:`, and `#`, `##`,
//! `%`, `%%`, `/`, `//` with patterns of a shell.

use super::glob;
use std::iter::Peekable;
use std::str::Chars;

/// What a name stands for.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

struct Expander<'a> {
    rest: Peekable<Chars<'a>>,
    escape: char,
    lookup: Lookup<'a>,
    /// Quotes and escapes stay: for here-documents.
    raw: bool,
    depth: u32,
}

/// Expands a word and takes its quotes away.
pub fn word(text: &str, escape: char, lookup: Lookup<'_>) -> Result<String, String> {
    Expander { rest: text.chars().peekable(), escape, lookup, raw: false, depth: 0 }.until(None)
}

/// Expands the body of a here-document, in which quotes are text.
pub fn document(text: &str, lookup: Lookup<'_>) -> Result<String, String> {
    Expander { rest: text.chars().peekable(), escape: '\\', lookup, raw: true, depth: 0 }.until(None)
}

/// Expands, then splits at white space what was not quoted.
pub fn words(text: &str, escape: char, lookup: Lookup<'_>) -> Result<Vec<String>, String> {
    let expanded = word(text, escape, lookup)?;
    if text.contains(['"', '\'']) {
        return Ok(vec![expanded]);
    }
    Ok(expanded.split_whitespace().map(str::to_owned).collect())
}

impl Expander<'_> {
    /// Up to `end`, which is taken, or to the end of the text.
    fn until(&mut self, end: Option<char>) -> Result<String, String> {
        self.depth += 1;
        if self.depth > 64 {
            return Err("variables are nested more than 64 deep".into());
        }
        let mut out = String::new();
        loop {
            let Some(c) = self.rest.next() else {
                return if end.is_none() { Ok(out) } else { Err("} is missing after ${".into()) };
            };
            match c {
                c if Some(c) == end => break,
                '\'' if !self.raw => self.single(&mut out)?,
                '"' if !self.raw => self.double(&mut out)?,
                '$' => out.push_str(&self.variable()?),
                c if c == self.escape => match (self.rest.peek(), self.raw) {
                    (Some('$'), _) | (Some(_), false) => out.extend(self.rest.next()),
                    _ => out.push(c),
                },
                c => out.push(c),
            }
        }
        self.depth -= 1;
        Ok(out)
    }

    fn single(&mut self, out: &mut String) -> Result<(), String> {
        loop {
            match self.rest.next() {
                None => return Err("a single quote is not closed".into()),
                Some('\'') => return Ok(()),
                Some(c) => out.push(c),
            }
        }
    }

    fn double(&mut self, out: &mut String) -> Result<(), String> {
        loop {
            match self.rest.next() {
                None => return Err("a double quote is not closed".into()),
                Some('"') => return Ok(()),
                Some('$') => out.push_str(&self.variable()?),
                // POSIX shell, "Double-Quotes": an escape means something before ", $ and itself only.
                Some(c) if c == self.escape => match self.rest.peek() {
                    Some('"' | '$') => out.extend(self.rest.next()),
                    Some(e) if *e == self.escape => out.extend(self.rest.next()),
                    _ => out.push(c),
                },
                Some(c) => out.push(c),
            }
        }
    }

    /// After `$`.
    fn variable(&mut self) -> Result<String, String> {
        match self.rest.peek().copied() {
            Some('{') => {
                self.rest.next();
                self.braces()
            }
            Some(c) if is_name(c) => {
                let name = self.name();
                Ok((self.lookup)(&name).unwrap_or_default())
            }
            _ => Ok("$".into()),
        }
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(c) = self.rest.next_if(|c| is_name(*c)) {
            let digit = name.is_empty() && c.is_ascii_digit();
            name.push(c);
            // $1x is $1 and x.
            if digit {
                break;
            }
        }
        name
    }

    /// After `${`.
    fn braces(&mut self) -> Result<String, String> {
        let mut name = String::new();
        while let Some(c) = self.rest.next_if(|c| is_name(*c)) {
            name.push(c);
        }
        if name.is_empty() {
            return Err("${ needs a name".into());
        }
        let value = (self.lookup)(&name);
        let operator = self.rest.next().ok_or_else(|| format!("}} is missing after ${{{name}"))?;
        match operator {
            '}' => return Ok(value.unwrap_or_default()),
            '#' | '%' => return self.cut(&value.unwrap_or_default(), operator),
            '/' => return self.replace(&value.unwrap_or_default()),
            _ => {}
        }
        let (operator, value) = match operator {
            // With a colon an empty value counts as none.
            ':' => (self.rest.next().unwrap_or('}'), value.filter(|v| !v.is_empty())),
            other => (other, value),
        };
        let word = self.until(Some('}'))?;
        match (operator, value) {
            ('-', value) => Ok(value.unwrap_or(word)),
            ('+', Some(_)) => Ok(word),
            ('+', None) => Ok(String::new()),
            ('?', Some(value)) => Ok(value),
            ('?', None) if word.is_empty() => Err(format!("{name} is not set")),
            ('?', None) => Err(format!("{name}: {word}")),
            (other, _) => Err(format!("${{{name}{other}…}} is not known: one of - + ? # % / is")),
        }
    }

    fn cut(&mut self, value: &str, side: char) -> Result<String, String> {
        let longest = self.rest.next_if_eq(&side).is_some();
        let pattern = self.until(Some('}'))?;
        let mut cuts: Vec<usize> = value.char_indices().map(|(i, _)| i).chain([value.len()]).collect();
        // From the smallest part that could go to the largest, or the other way.
        if (side == '%') != longest {
            cuts.reverse();
        }
        let fits = |cut: &usize| {
            let part = if side == '#' { &value[..*cut] } else { &value[*cut..] };
            glob::text(&pattern, part)
        };
        let kept = |cut: usize| if side == '#' { &value[cut..] } else { &value[..cut] };
        Ok(cuts.into_iter().find(fits).map_or(value, kept).to_owned())
    }

    fn replace(&mut self, value: &str) -> Result<String, String> {
        let all = self.rest.next_if_eq(&'/').is_some();
        let parts = self.until(Some('}'))?;
        let (pattern, with) = parts.split_once('/').unwrap_or((&parts, ""));
        let (mut out, mut at) = (String::new(), 0);
        while at < value.len() {
            let ends = value[at..].char_indices().map(|(i, c)| at + i + c.len_utf8()).rev();
            let found = ends.into_iter().find(|end| glob::text(pattern, &value[at..*end]));
            if let Some(end) = found {
                out.push_str(with);
                at = end;
                if !all {
                    break;
                }
            } else {
                let next = value[at..].chars().next().map_or(1, char::len_utf8);
                out.push_str(&value[at..at + next]);
                at += next;
            }
        }
        out.push_str(&value[at..]);
        Ok(out)
    }
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lookup(name: &str) -> Option<String> {
        match name {
            "V" => Some("foo.tar.gz".into()),
            "E" => Some(String::new()),
            "S" => Some("a b".into()),
            "1" => Some("one".into()),
            _ => None,
        }
    }

    #[test]
    fn each_form() {
        let table = [
            ("$V", "foo.tar.gz"),
            ("${V}x$N.", "foo.tar.gzx."),
            ("${N:-x}${E:-y}${E-z}", "xy"),
            ("${N-x}${V:-$E}", "xfoo.tar.gz"),
            ("${V:+a}${E:+b}${E+c}${N+d}", "ac"),
            ("${N:-${M:-deep}}", "deep"),
            ("${N:-\"a}b\"}", "a}b"),
            ("${V?no}${E?no}", "foo.tar.gz"),
            ("${V#*.}|${V##*.}|${V%.*}|${V%%.*}|${V#x}", "tar.gz|gz|foo.tar|foo|foo.tar.gz"),
            ("${V/./-}|${V//./-}|${V/o*r/x}|${V//q/}", "foo-tar.gz|foo-tar-gz|fx.gz|foo.tar.gz"),
            ("'$V' \"$S\" \\$V \"\\$V\" \"\\n\" \\n", "$V a b $V $V \\n n"),
            ("$1x $", "onex $"),
        ];
        for (text, wanted) in table {
            assert_eq!(word(text, '\\', &lookup).as_deref(), Ok(wanted), "{text}");
        }
        assert_eq!(word("C:\\x`$V", '`', &lookup).as_deref(), Ok("C:\\x$V"));
        assert_eq!(words("$S c", '\\', &lookup).expect("words"), ["a", "b", "c"]);
        assert_eq!(words("\"$S\"", '\\', &lookup).expect("words"), ["a b"]);
        assert_eq!(document("\"$V\" '$E' \\$V \\x", &lookup).as_deref(), Ok("\"foo.tar.gz\" '' $V \\x"));
    }

    #[test]
    fn what_cannot_be_says_why() {
        for (text, why) in [
            ("${N:?must be given}", "N: must be given"),
            ("${E:?}", "E is not set"),
            ("${V", "} is missing after ${V"),
            ("${}", "${ needs a name"),
            ("${V*}", "${V*…} is not known: one of - + ? # % / is"),
            ("'x", "a single quote is not closed"),
            ("\"x", "a double quote is not closed"),
        ] {
            assert_eq!(word(text, '\\', &lookup), Err(why.to_owned()), "{text}");
        }
        let deep = "${N:-".repeat(100);
        word(&deep, '\\', &lookup).expect_err("too deep");
    }

    proptest! {
        #[test]
        fn never_panics_and_plain_text_stays(text in "[$a-zV{}:#%/*?\"'\\\\-]{0,24}", plain in "[a-z é/.]{0,20}") {
            let _ = word(&text, '\\', &lookup);
            prop_assert_eq!(word(&plain, '\\', &lookup), Ok(plain.clone()));
        }
    }
}
