//! What a machine said last, in one line of an error.

use super::arguments::OF_FRESH;

/// Most of a console that is shown, characters.
const CONSOLE_TAIL: usize = 600;

/// How a process ended, from its code as a shell tells it.
pub(super) fn ending(code: i32) -> String {
    if code > 128 {
        format!("was killed by signal {}", code - 128)
    } else {
        format!("ended with code {code}")
    }
}

/// The end of a text in one line; from where a kernel's panic begins, if there is one.
pub(super) fn tail(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|l| !l.is_empty() && *l != OF_FRESH);
    let lines: Vec<&str> = lines.collect();
    let plain = |lines: &[&str]| lines.join(" | ").chars().filter(|c| !c.is_control()).collect::<Vec<char>>();
    if let Some(panic) = lines.iter().position(|l| l.contains("Kernel panic")) {
        return plain(&lines[panic..]).into_iter().take(CONSOLE_TAIL).collect();
    }
    let all = plain(&lines);
    all[all.len().saturating_sub(CONSOLE_TAIL)..].iter().collect()
}
