//! Here-documents of RUN, COPY and ADD.
//!
//! The parser crate knows one at the first word of a RUN and forgets the names of those of COPY. They are found here
//! before, and covered in the text that the crate gets: `<<` becomes `__` and bodies become comments, byte for byte, so
//! that all places stay what they were.

use std::ops::Range;

/// One here-document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HereDoc {
    /// Of the word that opens it.
    pub span: Range<usize>,
    /// Between `<<` and the end of the word, without quotes: the file's name for COPY.
    pub name: String,
    /// Variables in it count: the name is not quoted.
    pub expand: bool,
    /// With tabs at the starts of lines taken away where `<<-` asks for it.
    pub content: String,
}

/// A line that was joined from several: its bytes with their places in the text.
struct Logical {
    bytes: Vec<(u8, usize)>,
    /// Start of the physical line after it.
    next: usize,
}

/// What is wrong: a word without an end of its document.
#[derive(Debug, PartialEq, Eq)]
pub struct Unended(pub Range<usize>);

/// The covered text and the documents in order.
pub fn cover(text: &str, escape: u8) -> Result<(String, Vec<HereDoc>), Unended> {
    let mut masked = text.as_bytes().to_vec();
    blank_lone_returns(&mut masked);
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let end = line_end(text, at);
        if blank_or_comment(&text[at..end]) {
            at = end;
            continue;
        }
        let logical = logical_line(text, at, escape);
        at = logical.next;
        if !may_have(&logical) {
            continue;
        }
        for (span, word) in markers(&logical) {
            let (document, body) = read(text, at, span.clone(), &word).ok_or(Unended(span))?;
            let open = span_of_marker(&masked, &document.span);
            masked[open..open + 2].fill(b'_');
            hide(&mut masked[body.clone()]);
            at = body.end;
            found.push(document);
        }
    }
    // Only ASCII was put in, whole lines or `<<`: it stays UTF-8.
    Ok((String::from_utf8_lossy(&masked).into_owned(), found))
}

fn line_end(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |i| at + i + 1)
}

fn blank_or_comment(line: &str) -> bool {
    let line = line.trim_start();
    line.is_empty() || line.starts_with('#')
}

/// The text of a line without the mark of its continuation, if it has one.
pub fn continued(line: &str, escape: u8) -> Option<&str> {
    let bare = line.trim_end_matches(['\n', '\r']).trim_end_matches([' ', '\t']);
    bare.strip_suffix(escape as char)
}

fn logical_line(text: &str, mut at: usize, escape: u8) -> Logical {
    let mut bytes = Vec::new();
    let mut first = true;
    while at < text.len() {
        let end = line_end(text, at);
        let line = &text[at..end];
        if !first && blank_or_comment(line) {
            at = end;
            continue;
        }
        first = false;
        let more = continued(line, escape);
        let kept = more.unwrap_or(line.trim_end_matches(['\n', '\r']));
        bytes.extend(kept.bytes().enumerate().map(|(i, b)| (b, at + i)));
        at = end;
        if more.is_none() {
            break;
        }
    }
    Logical { bytes, next: at }
}

fn may_have(line: &Logical) -> bool {
    let text: Vec<u8> = line.bytes.iter().map(|(b, _)| *b).collect();
    let text = String::from_utf8_lossy(&text);
    let mut words = text.split_ascii_whitespace();
    let mut word = words.next().unwrap_or_default().to_ascii_uppercase();
    if word == "ONBUILD" {
        word = words.next().unwrap_or_default().to_ascii_uppercase();
    }
    matches!(word.as_str(), "RUN" | "COPY" | "ADD") && text.contains("<<")
}

/// Words of the form `[digits]<<[-]name`, outside of quotes.
fn markers(line: &Logical) -> Vec<(Range<usize>, String)> {
    let mut found = Vec::new();
    let mut word: Vec<(u8, usize)> = Vec::new();
    let mut quote = None;
    let mut bytes = line.bytes.iter().copied().peekable();
    let mut done = |word: &mut Vec<(u8, usize)>| {
        let text: Vec<u8> = word.iter().map(|(b, _)| *b).collect();
        let text = String::from_utf8_lossy(&text).into_owned();
        let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
        if let Some(name) = rest.strip_prefix("<<") {
            let name = name.strip_prefix('-').unwrap_or(name);
            if !name.is_empty() && !name.contains('<') {
                found.push((word[0].1..word[word.len() - 1].1 + 1, text));
            }
        }
        word.clear();
    };
    while let Some((byte, at)) = bytes.next() {
        match (byte, quote) {
            (b'\\', None | Some(b'"')) => {
                word.push((byte, at));
                word.extend(bytes.next());
            }
            (b'\'' | b'"', None) => {
                quote = Some(byte);
                word.push((byte, at));
            }
            (_, Some(q)) => {
                if byte == q {
                    quote = None;
                }
                word.push((byte, at));
            }
            (b' ' | b'\t', None) => done(&mut word),
            _ => word.push((byte, at)),
        }
    }
    done(&mut word);
    found
}

fn read(text: &str, from: usize, span: Range<usize>, word: &str) -> Option<(HereDoc, Range<usize>)> {
    let rest = word.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix("<<")?;
    let (strip, rest) = rest.strip_prefix('-').map_or((false, rest), |r| (true, r));
    let name: String = rest.chars().filter(|c| !matches!(c, '"' | '\'' | '\\')).collect();
    let expand = name == rest;
    let mut content = String::new();
    let mut at = from;
    while at < text.len() {
        let end = line_end(text, at);
        let line = &text[at..end];
        let line = if strip { line.trim_start_matches('\t') } else { line };
        if line.trim_end_matches(['\n', '\r']) == name {
            return Some((HereDoc { span, name, expand, content }, from..end));
        }
        content.push_str(line);
        at = end;
    }
    None
}

fn span_of_marker(masked: &[u8], span: &Range<usize>) -> usize {
    let word = &masked[span.clone()];
    span.start + word.windows(2).position(|w| w == b"<<").unwrap_or(0)
}

/// A carriage return without a line feed ends no line, here as in Docker; the crate takes it for an end.
fn blank_lone_returns(text: &mut [u8]) {
    for at in 0..text.len() {
        if text[at] == b'\r' && text.get(at + 1) != Some(&b'\n') {
            text[at] = b' ';
        }
    }
}

/// Makes comments of lines.
fn hide(body: &mut [u8]) {
    for byte in body.iter_mut().filter(|b| **b != b'\n' && **b != b'\r') {
        *byte = b'#';
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> (String, Vec<HereDoc>) {
        let (masked, found) = cover(text, b'\\').expect("ends");
        assert_eq!(masked.len(), text.len());
        (masked, found)
    }

    #[test]
    fn several_in_one_line_and_behind_continuations() {
        let text = "FROM a\nCOPY <<one.txt \\\n # no\n  <<-'two' /d/\nA $X\none.txt\n\t\tB\n\ttwo\nRUN x\n";
        let (masked, found) = of(text);
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[0].name.as_str(), found[0].content.as_str(), found[0].expand),
            ("one.txt", "A $X\n", true)
        );
        assert_eq!(
            (found[1].name.as_str(), found[1].content.as_str(), found[1].expand),
            ("two", "B\n", false)
        );
        assert_eq!(
            masked,
            "FROM a\nCOPY __one.txt \\\n # no\n  __-'two' /d/\n####\n#######\n###\n####\nRUN x\n"
        );
    }

    #[test]
    fn what_is_none_stays() {
        for text in [
            "RUN echo '<<EOF' \"<<EOF\"\n",
            "RUN cat <<<word\n",
            "CMD cat <<EOF\n",
            "# RUN <<EOF\n",
            "RUN a << b\n",
        ] {
            assert_eq!(of(text), (text.to_owned(), vec![]));
        }
        assert_eq!(cover("RUN 3<<E\nx\n", b'\\'), Err(Unended(4..8)));
    }

    #[test]
    fn onbuild_too_and_windows_lines() {
        let (_, found) = of("ONBUILD RUN <<E\r\nx\r\nE\r\n");
        assert_eq!(found[0].content, "x\r\n");
    }
}
