//! Patterns of file names, as Go's `filepath.Match` and `.dockerignore` read them: `*`, `?`, `[a-z]`, `[^a]`, `\x`, and
//! `**` for any number of folders.

/// A pattern that no name can be held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadPattern;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Exactly(char),
    Any,
    Star,
    Set { not: bool, ranges: Vec<(char, char)> },
}

/// One name against one part of a pattern; neither holds a `/`.
pub fn name(pattern: &str, name: &str) -> Result<bool, BadPattern> {
    Ok(fits(&parse(pattern)?, name))
}

/// Any text against a pattern of a shell; a bad pattern fits itself only.
pub fn text(pattern: &str, text: &str) -> bool {
    parse(pattern).map_or(pattern == text, |parts| fits(&parts, text))
}

/// Whether the pattern is more than a name.
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '[', '\\'])
}

/// A path against a pattern, part by part.
pub fn path(pattern: &str, path: &str) -> Result<bool, BadPattern> {
    let patterns: Vec<&str> = pattern.split('/').collect();
    let names: Vec<&str> = path.split('/').collect();
    // fit[j]: the patterns so far take exactly the first j names. `**` in the middle may take none.
    let mut fit = vec![false; names.len() + 1];
    fit[0] = true;
    for (i, part) in patterns.iter().enumerate() {
        let mut next = vec![false; names.len() + 1];
        if *part == "**" {
            let first = fit.iter().position(|f| *f).unwrap_or(fit.len());
            // At the end it stands for what is below, so it takes at least one name.
            let least = if i + 1 == patterns.len() { first + 1 } else { first };
            next.iter_mut().skip(least).for_each(|f| *f = true);
        } else {
            for (j, one) in names.iter().enumerate() {
                next[j + 1] = fit[j] && name(part, one)?;
            }
        }
        fit = next;
    }
    Ok(fit[names.len()])
}

fn parse(pattern: &str) -> Result<Vec<Part>, BadPattern> {
    let mut parts = Vec::new();
    let mut rest = pattern.chars().peekable();
    while let Some(c) = rest.next() {
        parts.push(match c {
            '*' => Part::Star,
            '?' => Part::Any,
            '\\' => Part::Exactly(rest.next().ok_or(BadPattern)?),
            '[' => set(&mut rest)?,
            c => Part::Exactly(c),
        });
    }
    Ok(parts)
}

fn set(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Part, BadPattern> {
    let not = rest.next_if(|c| matches!(c, '^' | '!')).is_some();
    let mut ranges = Vec::new();
    let one = |rest: &mut std::iter::Peekable<std::str::Chars<'_>>| match rest.next() {
        Some('\\') => rest.next().ok_or(BadPattern),
        Some(c) => Ok(c),
        None => Err(BadPattern),
    };
    loop {
        if rest.peek() == Some(&']') && !ranges.is_empty() {
            rest.next();
            return Ok(Part::Set { not, ranges });
        }
        let low = one(rest)?;
        let high = if rest.next_if_eq(&'-').is_some() { one(rest)? } else { low };
        ranges.push((low, high));
    }
}

/// Greedy with one way back: linear in practice, quadratic at worst.
fn fits(parts: &[Part], text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    loop {
        let step = match (parts.get(p), text.get(t)) {
            (None, None) => return true,
            (Some(Part::Star), _) => {
                back = Some((p + 1, t));
                p += 1;
                continue;
            }
            (Some(part), Some(c)) => one(part, *c),
            _ => false,
        };
        if step {
            (p, t) = (p + 1, t + 1);
        } else if let Some((after, at)) = back.filter(|(_, at)| *at < text.len()) {
            (p, t) = (after, at + 1);
            back = Some((after, at + 1));
        } else {
            return false;
        }
    }
}

fn one(part: &Part, c: char) -> bool {
    match part {
        Part::Exactly(e) => *e == c,
        Part::Any => true,
        Part::Star => false,
        Part::Set { not, ranges } => ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *not,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_and_paths() {
        for (pattern, whole, wanted) in [
            ("*.go", "a.go", true),
            ("*.go", "d/a.go", false),
            ("a?c", "abc", true),
            ("[a-c][^x]\\*", "by*", true),
            ("[a-c][^x]\\*", "bx*", false),
            ("**/a", "a", true),
            ("**/a", "x/y/a", true),
            ("a/**", "a", false),
            ("a/**", "a/b/c", true),
            ("a/**/d", "a/d", true),
            ("a/**/d", "a/b/c/d", true),
            ("**", "x/y", true),
            ("*a*b*c", "xxaxxbxxbxxc", true),
            ("*a*b*c", "xxaxxbxx", false),
        ] {
            assert_eq!(path(pattern, whole), Ok(wanted), "{pattern} {whole}");
        }
        assert_eq!(name("[", "["), Err(BadPattern));
        assert_eq!(name("a\\", "a"), Err(BadPattern));
    }

    proptest! {
        #[test]
        fn a_name_fits_itself_and_stars(text in "[a-z.]{1,12}", cut in 0usize..12) {
            prop_assert!(fits(&parse(&text).expect("plain"), &text));
            let cut = cut.min(text.len());
            let star = format!("{}*{}", &text[..cut], &text[cut..]);
            prop_assert_eq!(name(&star, &text), Ok(true));
        }

        #[test]
        fn never_panics(pattern in ".{0,16}", text in ".{0,16}") {
            let _ = path(&pattern, &text);
        }
    }
}
