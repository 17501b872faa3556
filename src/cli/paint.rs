//! Colours of what is printed: on a terminal, unless the user does not want them.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::sync::OnceLock;

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum When {
    /// On a terminal, unless NO_COLOR is set, CLICOLOR is 0 or TERM is dumb; CLICOLOR_FORCE: everywhere
    #[default]
    Auto,
    /// Also into files and pipes
    Always,
    /// Nowhere
    Never,
}

/// What a colour says. Nothing is said by a colour alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// It holds, it is usable, it became less.
    Good,
    /// It failed, it broke, it became more.
    Bad,
    /// It holds with a reservation.
    Care,
    /// What to try.
    Hint,
    /// A heading.
    Head,
}

static WANTED: OnceLock<When> = OnceLock::new();

/// Keeps to what the command line says, from here on.
pub fn set(wanted: When) {
    let _ = WANTED.set(wanted);
}

/// `--color WHEN` of a command line that is not parsed yet: its usage errors are to keep to it as well.
pub fn asked(mut arguments: impl Iterator<Item = OsString>) -> When {
    use clap::ValueEnum;
    while let Some(argument) = arguments.next() {
        let Some(argument) = argument.to_str().map(str::to_owned) else { continue };
        let value = match argument.strip_prefix("--color") {
            _ if argument == "--" => break,
            Some("") => arguments.next().and_then(|v| v.into_string().ok()),
            Some(rest) => rest.strip_prefix('=').map(str::to_owned),
            None => None,
        };
        if let Some(when) = value.and_then(|v| When::from_str(&v, false).ok()) {
            return when;
        }
    }
    When::Auto
}

impl When {
    /// Clap's own word for it.
    pub fn of_clap(self) -> clap::ColorChoice {
        match self {
            When::Auto => clap::ColorChoice::Auto,
            When::Always => clap::ColorChoice::Always,
            When::Never => clap::ColorChoice::Never,
        }
    }

    fn paints(self, variable: impl Fn(&str) -> Option<OsString>, terminal: bool) -> bool {
        let set = |name: &str| variable(name).is_some_and(|v| !v.is_empty());
        let is = |name: &str, value: &str| variable(name).is_some_and(|v| v == value);
        match self {
            When::Always => true,
            When::Never => false,
            // https://no-color.org and https://bixense.com/clicolors
            When::Auto if set("NO_COLOR") => false,
            When::Auto if set("CLICOLOR_FORCE") && !is("CLICOLOR_FORCE", "0") => true,
            When::Auto => terminal && !is("CLICOLOR", "0") && !is("TERM", "dumb"),
        }
    }
}

fn paints(terminal: bool) -> bool {
    WANTED.get().copied().unwrap_or_default().paints(|name| std::env::var_os(name), terminal)
}

/// For standard output.
pub fn out(tone: Tone, text: &str) -> String {
    if paints(std::io::stdout().is_terminal()) { painted(tone, text) } else { text.to_owned() }
}

/// For standard error.
pub fn err(tone: Tone, text: &str) -> String {
    if on_stderr() { painted(tone, text) } else { text.to_owned() }
}

/// Whether standard error takes colours.
pub fn on_stderr() -> bool {
    paints(std::io::stderr().is_terminal())
}

/// ECMA-48, select graphic rendition.
fn painted(tone: Tone, text: &str) -> String {
    let code = match tone {
        Tone::Good => "32",
        Tone::Bad => "1;31",
        Tone::Care => "33",
        Tone::Hint => "36",
        Tone::Head => "1",
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paints(when: When, variables: &[(&str, &str)], terminal: bool) -> bool {
        let value = |name: &str| variables.iter().find(|v| v.0 == name).map(|v| OsString::from(v.1));
        when.paints(value, terminal)
    }

    #[test]
    fn the_command_line_goes_before_the_environment_and_that_before_the_terminal() {
        assert!(paints(When::Auto, &[], true) && !paints(When::Auto, &[], false));
        assert!(!paints(When::Auto, &[("NO_COLOR", "1")], true));
        assert!(paints(When::Auto, &[("NO_COLOR", "")], true), "an empty NO_COLOR is none");
        assert!(!paints(When::Auto, &[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], true));
        assert!(paints(When::Auto, &[("CLICOLOR_FORCE", "1")], false));
        assert!(
            !paints(When::Auto, &[("CLICOLOR", "0")], true) && !paints(When::Auto, &[("TERM", "dumb")], true)
        );
        assert!(paints(When::Always, &[("NO_COLOR", "1")], false));
        assert!(!paints(When::Never, &[("CLICOLOR_FORCE", "1")], true));
    }

    #[test]
    fn what_is_asked_is_known_before_the_rest_is_parsed() {
        let asked = |words: &[&str]| asked(words.iter().map(OsString::from));
        assert_eq!(asked(&["taremark", "bench", "--color=never", "--wrong"]), When::Never);
        assert_eq!(asked(&["taremark", "--color", "always", "x"]), When::Always);
        assert_eq!(asked(&["taremark", "run", "--", "ls", "--color=always"]), When::Auto);
        assert_eq!(asked(&["taremark", "--colorful", "--color", "pink"]), When::Auto);
    }
}
