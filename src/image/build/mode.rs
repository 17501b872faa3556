//! `--chmod`: an octal number, or changes as chmod(1) takes them.

/// What a mode becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chmod {
    /// Whatever it was.
    Is(u32),
    /// One change after the other.
    Changes(Vec<Change>),
}

/// `who`, `+`, `-` or `=`, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Bits of user, group and others that it is about.
    who: u32,
    how: u8,
    what: Vec<u8>,
}

const USER: u32 = 0o4700;
const GROUP: u32 = 0o2070;
const OTHERS: u32 = 0o0007;
const STICKY: u32 = 0o1000;

impl Chmod {
    /// None where the text is neither.
    pub fn parse(text: &str) -> Option<Self> {
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            return u32::from_str_radix(text, 8).ok().filter(|m| *m <= 0o7777).map(Self::Is);
        }
        let mut changes = Vec::new();
        for clause in text.split(',') {
            let at = clause.find(['+', '-', '='])?;
            let (named, mut rest) = (&clause[..at], &clause.as_bytes()[at..]);
            let mut who = 0;
            for letter in named.bytes() {
                who |= match letter {
                    b'u' => USER,
                    b'g' => GROUP,
                    b'o' => OTHERS,
                    b'a' => USER | GROUP | OTHERS,
                    _ => return None,
                };
            }
            // No umask is taken from whoever builds: the same file gives the same image.
            let who = if named.is_empty() { USER | GROUP | OTHERS } else { who };
            while let Some((how, more)) = rest.split_first() {
                let end = more.iter().position(|b| b"+-=".contains(b)).unwrap_or(more.len());
                let what = more[..end].to_vec();
                if !what.iter().all(|b| b"rwxXstugo".contains(b)) {
                    return None;
                }
                changes.push(Change { who, how: *how, what });
                rest = &more[end..];
            }
        }
        Some(Self::Changes(changes))
    }

    /// The new mode of what has `mode`.
    pub fn of(&self, mode: u32, folder: bool) -> u32 {
        match self {
            Self::Is(mode) => *mode,
            Self::Changes(changes) => changes.iter().fold(mode, |mode, change| change.of(mode, folder)),
        }
    }
}

impl Change {
    fn of(&self, mode: u32, folder: bool) -> u32 {
        let runs = folder || mode & 0o111 != 0;
        let all = |three: u32| three << 6 | three << 3 | three;
        let mut bits = 0;
        for letter in &self.what {
            bits |= match letter {
                b'r' => 0o444,
                b'w' => 0o222,
                b'x' => 0o111,
                b'X' if runs => 0o111,
                b's' => 0o6000,
                b't' => STICKY,
                b'u' => all(mode >> 6 & 7),
                b'g' => all(mode >> 3 & 7),
                b'o' => all(mode & 7),
                _ => 0,
            };
        }
        let mine = bits & (self.who | if self.who & OTHERS != 0 { STICKY } else { 0 });
        match self.how {
            b'+' => mode | mine,
            b'-' => mode & !mine,
            // A folder keeps setuid and setgid that are not named, as chmod(1) has it.
            _ => mode & !(if folder { self.who & 0o777 } else { self.who }) | mine,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_chmod_has_it() {
        for (text, before, folder, after) in [
            ("755", 0o600, false, 0o755),
            ("04755", 0o600, false, 0o4755),
            ("u=rwX,go=rX", 0o640, false, 0o644),
            ("u=rwX,go=rX", 0o640, true, 0o755),
            ("+x", 0o644, false, 0o755),
            ("a-w", 0o666, false, 0o444),
            ("g=u", 0o740, false, 0o770),
            ("u+s,g+s", 0o755, false, 0o6755),
            ("+t", 0o777, true, 0o1777),
            ("o=", 0o777, false, 0o770),
            ("u+r-w+x", 0o200, false, 0o500),
            ("go-rwx", 0o755, true, 0o700),
        ] {
            let found = Chmod::parse(text).expect(text).of(before, folder);
            assert_eq!(format!("{found:o}"), format!("{after:o}"), "{text} of {before:o}");
        }
        for bad in ["", "x", "9", "10000", "u+q", "z+r", "rwx", "u=r,", "77a"] {
            assert_eq!(Chmod::parse(bad), None, "{bad}");
        }
    }
}
