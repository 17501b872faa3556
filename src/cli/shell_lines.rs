//! A long command of a lesson in several lines, which are still the same command when they are copied.

/// Broken where one command ends and the next begins, so that each can be read; what is too wide even then at spaces
/// outside quotes, by a backslash.
pub fn fit(command: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in parts(&words(command)) {
        let whole = part.join(" ");
        match lines.last_mut() {
            Some(line) if fits(line, &whole, width) => append(line, &whole),
            _ if whole.chars().count() <= width => lines.push(whole),
            _ => lines.extend(broken(part, width)),
        }
    }
    lines
}

fn fits(line: &str, more: &str, width: usize) -> bool {
    line.chars().count() + 1 + more.chars().count() <= width
}

fn append(line: &mut String, word: &str) {
    line.push(' ');
    line.push_str(word);
}

/// One that is wider than a line. Only a word that is too wide itself stays so.
fn broken(part: &[String], width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in part {
        match lines.last_mut() {
            // Room for the backslash.
            Some(line) if fits(line, word, width - 2) => append(line, word),
            Some(line) => {
                line.push_str(" \\");
                lines.push(format!("    {word}"));
            }
            None => lines.push(word.clone()),
        }
    }
    lines
}

/// At spaces outside quotes.
fn words(command: &str) -> Vec<String> {
    let mut quote = None;
    let mut words = vec![String::new()];
    for c in command.chars() {
        match quote {
            None if c == ' ' => {
                words.push(String::new());
                continue;
            }
            None if c == '\'' || c == '"' => quote = Some(c),
            Some(open) if c == open => quote = None,
            _ => {}
        }
        words.last_mut().into_iter().for_each(|word| word.push(c));
    }
    words
}

/// After which a shell goes on in the next line by itself.
fn parts(words: &[String]) -> impl Iterator<Item = &[String]> {
    words.split_inclusive(|w| {
        matches!(w.as_str(), "&&" | "||" | "|" | "&") || (w.ends_with(';') && w != "\\;")
    })
}

#[cfg(test)]
mod tests {
    use super::fit;

    #[test]
    fn a_long_command_is_broken_between_commands_and_outside_quotes() {
        let command = "echo 'one two; x' && printf \"three 'four' five\" > file; ls";
        assert_eq!(fit(command, 80), [command]);
        assert_eq!(fit(command, 40), ["echo 'one two; x' &&", "printf \"three 'four' five\" > file; ls"]);
        assert_eq!(
            fit(command, 26),
            ["echo 'one two; x' &&", "printf \\", "    \"three 'four' five\" \\", "    > file; ls"]
        );
    }

    /// A shell that does not run them (-n), and one that does, take lines and command alike.
    #[test]
    fn every_lesson_s_commands_are_the_same_in_lines() {
        for lesson in crate::lesson::all().expect("lessons") {
            for part in lesson.parts {
                let crate::lesson::Part::Command(command) = part else { continue };
                let lines = fit(&command, 72).join("\n");
                let understood = std::process::Command::new("sh").args(["-nc", &lines]).status().expect("sh");
                assert!(understood.success(), "{lines}");
                let plain =
                    |text: &str| text.split_whitespace().filter(|w| *w != "\\").collect::<Vec<_>>().join(" ");
                assert_eq!(plain(&lines), plain(&command));
            }
        }
        let said = |text: &str| {
            let output = std::process::Command::new("sh").args(["-ec", text]).output().expect("sh");
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        let command =
            "for c in a 'b  c'; do echo \"$c\"; done | sort -r && true || echo never; echo end of   it";
        for width in 8..80 {
            assert_eq!(said(&fit(command, width).join("\n")), "b  c\na\nend of it\n", "{width}");
        }
    }
}
