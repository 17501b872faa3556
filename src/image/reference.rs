//! `name:tag` or `name@digest`.

use super::digest::Digest;
use super::error::ImageError;
use std::fmt;
use std::str::FromStr;

/// A parsed reference. No registry is invented for a name without one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// Path, with the registry's host where one was given.
    pub name: String,
    /// Tag or digest.
    pub version: Version,
}

/// What comes after the name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// `latest` where none was given.
    Tag(String),
    /// Fixed for all time.
    Digest(Digest),
}

impl FromStr for Reference {
    type Err = ImageError;

    /// Grammar: distribution/reference, as image-spec and every registry use it.
    fn from_str(text: &str) -> Result<Self, ImageError> {
        let bad = |why| ImageError::BadReference { text: text.to_owned(), why };
        let (name, version) = match text.split_once('@') {
            Some((name, digest)) => (name, Version::Digest(digest.parse()?)),
            None => match text.rsplit_once(':') {
                // A colon before the last slash is the port of a host.
                Some((name, tag)) if !tag.contains('/') => (name, Version::Tag(tag.to_owned())),
                _ => (text, Version::Tag("latest".to_owned())),
            },
        };
        if let Version::Tag(tag) = &version {
            let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
            let rest = |b: u8| word(b) || b == b'.' || b == b'-';
            let valid = tag.len() <= 128 && tag.bytes().next().is_some_and(word) && tag.bytes().all(rest);
            if !valid {
                return Err(bad("a tag has letters, digits, _ . - and begins with none of . -"));
            }
        }
        if name.is_empty() || name.len() > 255 {
            return Err(bad("a name has 1 to 255 characters"));
        }
        let mut parts = name.split('/');
        let first = parts.next().unwrap_or_default();
        let host = first.contains(['.', ':']) || first == "localhost";
        let (domain, port) = first.split_once(':').map_or((first, None), |(d, p)| (d, Some(p)));
        let label = |l: &str| !l.is_empty() && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let host_ok = name.contains('/')
            && port.is_none_or(|p| p.parse::<u16>().is_ok())
            && domain.split('.').all(label);
        if !(host && host_ok || part_ok(first)) || !parts.all(part_ok) {
            return Err(bad(
                "parts of a name have lower-case letters and digits, with . _ __ - between them",
            ));
        }
        Ok(Self { name: name.to_owned(), version })
    }
}

fn part_ok(part: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = part.as_bytes();
    let ends = [bytes.first(), bytes.last()].iter().all(|b| b.is_some_and(|b| plain(*b)));
    ends && bytes.iter().all(|b| plain(*b) || b"._-".contains(b))
        && !part.contains("..")
        && !part.contains("___")
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Version::Tag(tag) => write!(f, "{}:{tag}", self.name),
            Version::Digest(digest) => write!(f, "{}@{digest}", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_tag_is_latest_unless_given() {
        let shown = |t: &str| t.parse::<Reference>().expect(t).to_string();
        assert_eq!(shown("redis"), "redis:latest");
        assert_eq!(shown("taremark/load:1.0"), "taremark/load:1.0");
        assert_eq!(shown("localhost:5000/a/b"), "localhost:5000/a/b:latest");
        let digest = Digest::of(b"");
        assert_eq!(shown(&format!("a@{digest}")), format!("a@{digest}"));
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        for bad in [
            "",
            ":x",
            "A",
            "a:",
            "a:-x",
            "../a",
            "a/../b",
            "a//b",
            "/a",
            "a b",
            "a@sha256:0",
            "h:port/a",
            "-a",
        ] {
            bad.parse::<Reference>().expect_err(bad);
        }
    }

    proptest! {
        #[test]
        fn reads_what_it_writes(text in "[a-z0-9]{1,8}(/[a-z0-9]{1,8}){0,2}(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,8})?") {
            let parsed: Reference = text.parse().expect("generated to be valid");
            prop_assert_eq!(parsed.to_string().parse::<Reference>().expect("again"), parsed);
        }

        #[test]
        fn never_panics(text in ".{0,60}") {
            let _ = text.parse::<Reference>();
        }
    }
}
