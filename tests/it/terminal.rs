//! What a person sees of `taremark` on a terminal of 80 columns, and a program in a pipe.

use crate::bench::{Ground, TAREMARK, fails};
use crate::support::{errors, text};
use serde_json::Value;
use std::process::{Command, Output};

/// `taremark args` on a terminal of 80 columns and 24 rows; what was written to it, both streams as one.
fn on_a_terminal(ground: &Ground, args: &str, variables: &[(&str, &str)]) -> String {
    let line = format!("stty cols 80 rows 24 && exec {TAREMARK} {args}");
    let mut command = Command::new("script");
    command.args(["-qec", &line, "/dev/null"]).env("TAREMARK_STORE", ground.path("store"));
    command.env_remove("NO_COLOR").env("TERM", "xterm-256color").envs(variables.iter().copied());
    let output = command.output().expect("these tests need script: apt-get install bsdutils");
    text(&output)
}

/// Escape sequences of the CSI kind, and what stands between them and line ends.
fn taken_apart(written: &str) -> (Vec<String>, Vec<String>) {
    let (mut codes, mut pieces) = (Vec::new(), vec![String::new()]);
    let mut letters = written.chars().peekable();
    while let Some(c) = letters.next() {
        match c {
            '\x1b' if letters.next_if_eq(&'[').is_some() => {
                let mut code = String::new();
                for c in letters.by_ref() {
                    code.push(c);
                    if c.is_ascii_alphabetic() {
                        break;
                    }
                }
                codes.push(code);
            }
            '\r' | '\n' => pieces.push(String::new()),
            c => pieces.last_mut().into_iter().for_each(|p| p.push(c)),
        }
    }
    (codes, pieces)
}

fn bench_of_two(ground: &Ground, name: &str) -> String {
    let out = ground.path(name).display().to_string();
    format!("bench --runs 40 --wait 0 --workload hello --target process,container --out {out}")
}

#[test]
fn a_bench_shows_the_time_left_the_medians_so_far_and_a_table_of_80_columns() {
    let ground = Ground::new();
    let written = on_a_terminal(&ground, &bench_of_two(&ground, "record"), &[]);
    let (codes, pieces) = taken_apart(&written);
    // The bar's lines are filled up with blanks, so that each begins where the terminal breaks.
    let fits =
        |p: &String| p.chars().count() <= 80 || (p.starts_with('━') && p.chars().count().is_multiple_of(80));
    let wide: Vec<_> = pieces.iter().filter(|p| !fits(p)).collect();
    assert!(wide.is_empty(), "{wide:?}");
    let rows =
        |p: &String| p.chars().collect::<Vec<_>>().chunks(80).map(String::from_iter).collect::<Vec<_>>();
    let pieces: Vec<String> = pieces.iter().flat_map(rows).collect();
    let seen = |what: &dyn Fn(&str) -> bool| pieces.iter().any(|p| what(p));
    assert!(seen(&|p| p.contains(" left: hello on ")), "{written}");
    assert!(seen(&|p| p.starts_with("  hello  process ") && p.contains(" ms  container ")), "{written}");
    assert!(seen(&|p| p.contains("start-up") && p.contains("runs")), "{written}");
    assert!(seen(&|p| p.contains("container") && p.contains('▁') && p.contains('█')), "{written}");
    assert!(codes.iter().any(|c| c == "36m") && codes.iter().any(|c| c == "1m"), "no colours: {codes:?}");
    for (name, variable) in [("second", ("NO_COLOR", "1")), ("third", ("CLICOLOR", "0"))] {
        let written = on_a_terminal(&ground, &bench_of_two(&ground, name), &[variable]);
        let colours: Vec<_> =
            taken_apart(&written).0.into_iter().filter(|c| c.ends_with('m') && c != "0m").collect();
        assert!(colours.is_empty() && written.contains(" left: hello on "), "{variable:?}: {colours:?}");
    }
}

#[test]
fn in_a_pipe_there_is_a_line_a_block_and_nothing_where_quiet_is_asked_for() {
    let ground = Ground::new();
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let run =
        |line: &str| ground.command(&words(line).iter().map(String::as_str).collect::<Vec<_>>()).output();
    let output: Output = run(&bench_of_two(&ground, "loud")).expect("taremark");
    let said = errors(&output);
    assert!(said.contains("block 3: run 5 of about 82, ") && said.contains(" left\n"), "{said}");
    assert!(said.contains("\n  hello  process ") && said.contains(" ms  container "), "{said}");
    assert!(!said.contains('\x1b') && !text(&output).contains('\x1b'), "no terminal, no colours");
    let line = format!("{} --quiet --json", bench_of_two(&ground, "quiet"));
    let output = run(&line).expect("taremark");
    assert_eq!(errors(&output), "");
    let told: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    assert!(told["ended_by"] == "blocks" && told["runs"] == 82 && told["failed"] == 0, "{told}");
    let cell = |c: &&Value| c["metric"] == "startup_ms" && c["target"] == "container";
    let cells = told["figures"]["cells"].as_array().expect("cells");
    assert!(cells.iter().find(cell).is_some_and(|c| c["n"] == 40 && c["low"].is_f64()), "{told}");
    let again = run(&format!("report --json {}", ground.path("quiet").display())).expect("taremark");
    let again: Value = serde_json::from_slice(&again.stdout).expect("one JSON document");
    assert_eq!(again["figures"], told["figures"]);
}

#[test]
fn figures_of_other_verbs_are_one_document_each() {
    let ground = Ground::new();
    let out = ground.path("aa").display().to_string();
    let args = ["aa", "--sessions", "2", "--blocks", "6", "--quiet", "--json", "--out", &out];
    for (args, key, length) in [
        (&args[..], "sessions", 2),
        (&["time", "-n", "14", "--json", "true", "sleep 0.01"][..], "commands", 2),
        (&["learn", "--json"][..], "lessons", 8),
        (&["kernel", "ls", "--json"][..], "kernels", 0),
    ] {
        let output = ground.run(args);
        assert!(output.status.success(), "{args:?}: {}", errors(&output));
        let told: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
        assert_eq!(told["schema"], 1, "{told}");
        let rows = told[key].as_array().expect(key);
        assert!(rows.len() >= length, "{told}");
        if key == "sessions" {
            assert!(told["between"]["pairs"] == 1 && told["between"]["most_percent"].is_f64(), "{told}");
        }
    }
}

#[test]
fn an_error_says_what_where_and_what_to_try() {
    let ground = Ground::new();
    let missing = ground.path("none").display().to_string();
    let output = ground.run(&["report", &missing]);
    fails(&output, 1, &["error: ", &missing, "runs.csv", "\n  try: "]);
    assert!(!errors(&output).contains('\x1b'));
    let output = ground.run(&["--color", "always", "report", &missing]);
    fails(&output, 1, &["\x1b[1;31merror:\x1b[0m ", "\x1b[36mtry:\x1b[0m "]);
    let usage = |color: &str| errors(&ground.run(&["bench", "--no-such", color]));
    assert!(usage("--color=always").contains("\x1b["), "clap keeps to it, too");
    assert!(!usage("--color=never").contains("\x1b["));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let ground = Ground::new();
    let line = format!("(sleep 0.3; {TAREMARK} learn --json; echo code $? >&2) | :");
    let output = Command::new("sh").args(["-c", &line]).env("TAREMARK_STORE", ground.path("store")).output();
    assert_eq!(errors(&output.expect("sh")), "code 0\n");
}
