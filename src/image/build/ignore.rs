//! `.containerignore` and `.dockerignore`: what of the context is not there for the build.

use super::glob;

/// The rules, in order; the last that fits a path decides.
#[derive(Debug, Clone, Default)]
pub struct Ignore {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone)]
struct Rule {
    keep: bool,
    pattern: String,
}

impl Ignore {
    /// A file's lines. A pattern that is none is an error, with its line.
    pub fn parse(text: &str) -> Result<Self, (usize, String)> {
        let mut rules = Vec::new();
        for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            // Only a # at the very start makes a comment.
            if line.starts_with('#') {
                continue;
            }
            let line = line.trim();
            let (keep, pattern) = match line.strip_prefix('!') {
                Some(rest) => (true, rest.trim()),
                None => (false, line),
            };
            let pattern = clean(pattern);
            if pattern.is_empty() {
                if keep {
                    return Err((number + 1, "! needs a pattern after it".into()));
                }
                continue;
            }
            if glob::path(&pattern, "x").is_err() || pattern.split('/').any(|p| glob::name(p, "x").is_err()) {
                return Err((number + 1, format!("{pattern:?} is no pattern")));
            }
            rules.push(Rule { keep, pattern });
        }
        Ok(Self { rules })
    }

    /// Of patterns, as `--exclude` has them.
    pub fn of(patterns: &[String]) -> Result<Self, String> {
        Self::parse(&patterns.join("\n")).map_err(|(_, why)| why)
    }

    /// Nothing is ignored.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether a path is left out. A rule that fits a folder fits all below it.
    pub fn ignores(&self, path: &str) -> bool {
        let mut out = false;
        for rule in &self.rules {
            if rule.keep == out && fits_or_above(&rule.pattern, path) {
                out = !rule.keep;
            }
        }
        out
    }

    /// Whether something below an ignored folder may be kept all the same.
    pub fn may_keep_below(&self, folder: &str) -> bool {
        self.rules.iter().filter(|r| r.keep).any(|r| may_be_below(&r.pattern, folder))
    }
}

fn fits_or_above(pattern: &str, path: &str) -> bool {
    let fits = |p: &str| glob::path(pattern, p) == Ok(true);
    fits(path) || path.match_indices('/').any(|(i, _)| fits(&path[..i]))
}

fn may_be_below(pattern: &str, folder: &str) -> bool {
    let mut patterns = pattern.split('/');
    for part in folder.split('/') {
        match patterns.next() {
            // The rule names the folder, or one above it.
            None => return true,
            Some("**") => return true,
            Some(p) if glob::name(p, part) == Ok(true) => {}
            Some(_) => return false,
        }
    }
    true
}

/// Without `/` at the ends, `.` and `..`.
fn clean(pattern: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in pattern.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_rule_that_fits_decides() {
        let rules =
            Ignore::parse("# no\n*.md\n!README*.md\nREADME-secret.md\n/target/\nsrc/**/*.o\n!src/keep/\n")
                .expect("rules");
        for (path, ignored) in [
            ("a.md", true),
            ("README.md", false),
            ("README-secret.md", true),
            ("docs/a.md", false),
            ("target/x/y", true),
            ("src/a.o", true),
            ("src/keep/a.o", false),
            ("src/a.c", false),
        ] {
            assert_eq!(rules.ignores(path), ignored, "{path}");
        }
        assert!(!rules.may_keep_below("target"));
        assert!(rules.may_keep_below("src"));
        let all = Ignore::parse("*\n!a/b\n").expect("rules");
        assert!(all.ignores("a") && all.may_keep_below("a") && !all.ignores("a/b/c") && all.ignores("a/c"));
    }

    #[test]
    fn a_bad_pattern_names_its_line() {
        assert_eq!(Ignore::parse("a\n[").expect_err("bad").0, 2);
        assert_eq!(Ignore::parse("!").expect_err("bad").0, 1);
    }
}
