//! A Dockerfile's text, and places in it for messages.

use std::fmt;
use std::ops::Range;

/// A Dockerfile, with the name under which it is shown.
#[derive(Debug, Clone)]
pub struct Source {
    /// Path, as it was given.
    pub name: String,
    /// All of it.
    pub text: String,
}

/// Where in a file something is, with the line itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// File.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// The whole line.
    pub text: String,
    /// Characters that are meant.
    pub width: usize,
}

impl Source {
    /// Of a range of bytes. What goes over the line's end is not counted.
    pub fn place(&self, span: &Range<usize>) -> Place {
        let mut start = span.start.min(self.text.len());
        while !self.text.is_char_boundary(start) {
            start -= 1;
        }
        let before = &self.text[..start];
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        let line_end = self.text[start..].find('\n').map_or(self.text.len(), |i| start + i);
        let mut end = span.end.clamp(start, line_end);
        while !self.text.is_char_boundary(end) {
            end += 1;
        }
        Place {
            file: self.name.clone(),
            line: before.matches('\n').count() + 1,
            column: self.text[line_start..start].chars().count() + 1,
            text: self.text[line_start..line_end].trim_end().to_owned(),
            width: self.text[start..end].trim_end().chars().count().max(1),
        }
    }

    /// Of a line and a column, both from 1.
    pub fn place_at(&self, line: usize, column: usize) -> Place {
        let start: usize = self.text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        let rest = &self.text[start..];
        let shift = rest.char_indices().nth(column.saturating_sub(1)).map_or(rest.len(), |(i, _)| i);
        let word = rest[shift..].find(char::is_whitespace).unwrap_or(rest.len() - shift);
        self.place(&(start + shift..start + shift + word))
    }
}

impl Place {
    /// The line with marks under what is meant, as compilers show it.
    pub fn marked(&self) -> String {
        let number = self.line.to_string();
        let pad = " ".repeat(number.len());
        // Tabs stay tabs, so that the marks stand below what they mean.
        let shift: String =
            self.text.chars().take(self.column - 1).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        format!("{pad} |\n{number} | {}\n{pad} | {shift}{}", self.text, "^".repeat(self.width))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_shows_its_line() {
        let source = Source { name: "Dockerfile".into(), text: "FROM a\n\tRUNN é x\n".into() };
        let place = source.place(&(8..12));
        assert_eq!((place.to_string().as_str(), place.width), ("Dockerfile:2:2", 4));
        assert_eq!(place.marked(), "  |\n2 | \tRUNN é x\n  | \t^^^^");
        assert_eq!(source.place_at(2, 2), place);
        assert_eq!(source.place(&(99..120)).line, 3);
        assert_eq!(source.place(&(14..15)).column, 7, "in the middle of a character");
    }
}
