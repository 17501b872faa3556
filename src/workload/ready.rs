//! Looks for a text in the lines of a stream that comes in pieces.

/// See the module.
#[derive(Debug)]
pub struct LineWatch {
    text: Vec<u8>,
    kept: Vec<u8>,
    seen: bool,
}

impl LineWatch {
    /// Looks for `text`.
    pub fn new(text: &str) -> Self {
        Self { text: text.as_bytes().to_vec(), kept: Vec::new(), seen: false }
    }

    /// Takes a piece in. True once the text has been seen, as soon as its last byte has come.
    pub fn feed(&mut self, piece: &[u8]) -> bool {
        if self.seen {
            return true;
        }
        self.kept.extend_from_slice(piece);
        self.seen = self.kept.windows(self.text.len().max(1)).any(|w| w == self.text);
        // A text does not go over the end of a line, and nothing before its own length can be its beginning.
        let line = self.kept.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let enough = self.kept.len().saturating_sub(self.text.len());
        self.kept.drain(..line.max(enough));
        self.seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_text_over_two_lines_is_none() {
        let mut w = LineWatch::new("ab");
        assert!(!w.feed(b"a\nb") && w.feed(b" ab"));
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(before in "[a-c\n]{0,20}", after in "[a-c\n]{0,9}", cut in prop::collection::vec(1usize..5, 1..30)) {
            let whole = format!("{before}READY{after}");
            let (mut w, mut rest, mut seen) = (LineWatch::new("READY"), whole.as_bytes(), false);
            for n in cut.iter().cycle() {
                if rest.is_empty() { break; }
                let (piece, more) = rest.split_at((*n).min(rest.len()));
                seen = w.feed(piece);
                rest = more;
            }
            prop_assert!(seen);
        }
    }
}
