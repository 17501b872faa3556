//! Annotations that are properties of the container's unit: `org.systemd.property.NAME`, the value in GVariant's text form
//! (docs.gtk.org/glib/gvariant-text-format.html), as runc and crun take them. Of its forms those that
//! units' properties have: texts, numbers, truth and arrays of texts.

use super::SystemdError;
use super::wire::Value;
use std::collections::BTreeMap;

const PREFIX: &str = "org.systemd.property.";

/// All of them, by name; in the order of their keys.
pub(super) fn properties(
    annotations: &BTreeMap<String, String>,
) -> Result<Vec<(String, Value)>, SystemdError> {
    let ours = annotations.iter().filter_map(|(key, text)| Some((key, key.strip_prefix(PREFIX)?, text)));
    ours.map(|(key, name, text)| {
        let wrong = |why: &'static str| SystemdError::Annotation { key: key.clone(), why };
        if name.len() < 3 || !name.bytes().all(|b| b.is_ascii_alphabetic()) {
            return Err(wrong("names no property: three letters at least, and nothing but letters"));
        }
        match name.strip_suffix("Sec").filter(|stem| stem.ends_with(|c: char| c.is_ascii_lowercase())) {
            // As units' files write times; on the bus it is microseconds, and another name.
            Some(stem) => {
                Ok((format!("{stem}USec"), Value::Number(microseconds(text).ok_or_else(|| wrong(SECONDS))?)))
            }
            None => Ok((name.to_owned(), value(text.trim()).ok_or_else(|| wrong(FORM))?)),
        }
    })
    .collect()
}

const SECONDS: &str = "is no number of seconds";
const FORM: &str =
    "has to be a text ('…'), true, false, a number (int32 7, uint64 7, …) or a list of texts (['…'])";

/// A number of seconds, with or without a type before it.
fn microseconds(text: &str) -> Option<u64> {
    let number = text.trim().rsplit(' ').next()?;
    let seconds: f64 = number.parse().ok()?;
    let all = seconds * 1e6;
    // What a float can still tell apart.
    (all.is_finite() && (0.0..=9e15).contains(&all)).then_some(all.round() as u64)
}

fn value(text: &str) -> Option<Value> {
    let (kind, rest) = text.split_once(' ').map_or(("", text), |(kind, rest)| (kind, rest.trim_start()));
    match kind {
        "uint64" => rest.parse().ok().map(Value::Number),
        "int64" => rest.parse().ok().map(Value::Long),
        "uint32" => rest.parse().ok().map(Value::Word),
        "int32" => rest.parse().ok().map(Value::Int),
        "boolean" => rest.parse().ok().map(Value::Bool),
        "string" => whole_text(rest),
        "@as" => list(rest),
        _ => untyped(text),
    }
}

fn untyped(text: &str) -> Option<Value> {
    match text.as_bytes().first()? {
        b'\'' | b'"' => whole_text(text),
        b'[' => list(text),
        _ => text.parse().map(Value::Bool).or_else(|_| text.parse().map(Value::Int)).ok(),
    }
}

fn whole_text(text: &str) -> Option<Value> {
    let (text, rest) = quoted(text)?;
    rest.is_empty().then_some(Value::Text(text))
}

/// Texts between brackets, with commas between them.
fn list(text: &str) -> Option<Value> {
    let mut rest = text.strip_prefix('[')?.trim_start();
    let mut all = Vec::new();
    while !rest.starts_with(']') {
        if !all.is_empty() {
            rest = rest.strip_prefix(',')?.trim_start();
        }
        let (one, after) = quoted(rest)?;
        all.push(one);
        rest = after.trim_start();
    }
    (rest == "]").then_some(Value::Texts(all))
}

/// The text at the beginning, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let mut out = String::new();
    let mut letters = text.char_indices().skip(1);
    while let Some((at, c)) = letters.next() {
        match c {
            // D-Bus has no text with a zero in it.
            '\0' => return None,
            '\\' => match letters.next()?.1 {
                'n' => out.push('\n'),
                't' => out.push('\t'),
                c @ ('\\' | '\'' | '"') => out.push(c),
                _ => return None,
            },
            c if c == quote => return Some((out, &text[at + 1..])),
            c => out.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, text: &str) -> Result<Vec<(String, Value)>, SystemdError> {
        properties(&BTreeMap::from([
            (format!("{PREFIX}{name}"), text.to_owned()),
            ("other".into(), "[".into()),
        ]))
    }

    #[test]
    fn each_form_has_its_type() {
        let texts = |all: &[&str]| Value::Texts(all.iter().map(|t| (*t).to_owned()).collect());
        for (text, value) in [
            ("'a b'", Value::Text("a b".into())),
            (r#""it's \"\\\n""#, Value::Text("it's \"\\\n".into())),
            ("true", Value::Bool(true)),
            ("boolean false", Value::Bool(false)),
            ("37", Value::Int(37)),
            ("int32 -1", Value::Int(-1)),
            ("uint32 9", Value::Word(9)),
            ("int64 -5", Value::Long(-5)),
            ("uint64 10000000", Value::Number(10_000_000)),
            ("['a', \"b\"]", texts(&["a", "b"])),
            ("@as []", texts(&[])),
        ] {
            assert_eq!(of("KillSignal", text).expect(text), [("KillSignal".to_owned(), value)], "{text}");
        }
        assert!(properties(&BTreeMap::new()).expect("none").is_empty());
    }

    #[test]
    fn seconds_become_what_the_bus_has() {
        for (text, us) in [("90", 90_000_000), ("1.5", 1_500_000), ("uint64 2", 2_000_000)] {
            let expected = [("TimeoutStopUSec".to_owned(), Value::Number(us))];
            assert_eq!(of("TimeoutStopSec", text).expect(text), expected, "{text}");
        }
        // No lower-case letter before it: it is the bus's own name.
        assert_eq!(
            of("TimeoutStopUSec", "uint64 7").expect("taken"),
            [("TimeoutStopUSec".into(), Value::Number(7))]
        );
    }

    #[test]
    fn what_is_no_property_is_an_error_that_names_the_annotation() {
        for (name, text) in [
            ("Ab", "1"),
            ("A-bc", "1"),
            ("", "1"),
            ("Abc", ""),
            ("Abc", "'open"),
            ("Abc", "'a' b"),
            ("Abc", "[1]"),
            ("Abc", "['a' 'b']"),
            ("Abc", "['a',]"),
            ("Abc", "uint64 -1"),
            ("Abc", "4294967296"),
            ("Abc", "'\0'"),
            ("StopSec", "soon"),
            ("StopSec", "-1"),
            ("StopSec", "inf"),
            ("Abc", "<'a'>"),
            ("Abc", r"'\x'"),
        ] {
            let said = of(name, text).expect_err(text).to_string();
            assert!(said.contains(&format!("{PREFIX}{name}")), "{said}");
        }
    }
}
