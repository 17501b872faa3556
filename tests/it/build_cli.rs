//! Builds as their user sees them: on a terminal and in a pipe, stages side by side, and what one layer holds.

use crate::support::builds::{Ground, folder, tree};
use crate::support::{errors, text};
use std::process::{Command, Output};
use taremark::image::Image;

const SIDE_BY_SIDE: &str = "FROM base AS never\nRUN false\n\
    FROM base AS left\n\
    RUN --mount=type=cache,target=/c,id=meet touch /c/left && i=0 && until [ -e /c/right ]; do i=$((i+1)); \
    [ $i -lt 400 ] || exit 9; sleep 0.05; done && sleep 0.4 && echo left-out\n\
    FROM base AS right\n\
    RUN --mount=type=cache,target=/c,id=meet touch /c/right && i=0 && until [ -e /c/left ]; do i=$((i+1)); \
    [ $i -lt 400 ] || exit 9; sleep 0.05; done && sleep 0.4 && echo right-out\n\
    FROM base\nCOPY --from=left /etc/passwd /l\nCOPY --from=right /etc/passwd /r\n";

/// `taremark image build` of a text, by `how` (a shell, or a terminal made by script).
fn build(ground: &Ground, how: &str, dockerfile: &str, options: &str) -> Output {
    let context = folder(ground, &[("Dockerfile", dockerfile), ("static", "")]);
    let (program, context) = (env!("CARGO_BIN_EXE_taremark"), context.display().to_string());
    let command = format!("{program} image build -t made:1 {options} {context}");
    let args: &[&str] = if how == "sh" { &["-c", &command] } else { &["-qec", &command, "/dev/null"] };
    let mut run = Command::new(how);
    run.args(args).env("TAREMARK_STORE", ground.store.root()).env("TERM", "xterm").env("COLUMNS", "80");
    run.output().expect("this test needs script: apt-get install bsdutils")
}

#[test]
fn stages_that_do_not_need_one_another_run_side_by_side_and_are_seen_so() {
    let ground = Ground::new();
    let live = build(&ground, "script", SIDE_BY_SIDE, "--no-cache");
    let told = text(&live);
    assert!(live.status.success(), "{told}");
    // Each waits for the other: one after another neither would end. The one that nobody needs would fail.
    for part in ["[left 2/2]", "[right 2/2]", "\u{1b}[", " steps, 0 of them cached", "made:1 sha256:"] {
        assert!(told.contains(part), "{part:?} is not in {told:?}");
    }
    assert!(!told.contains("never"), "{told:?}");
    // What moves is taken away at the end: the last two lines are all that stays.
    let last = told.rsplit("\u{1b}[2K").next().unwrap_or_default();
    assert_eq!(last.trim().lines().count(), 2, "{last:?}");
    let again = text(&build(&ground, "script", SIDE_BY_SIDE, ""));
    assert!(again.contains(" steps, 4 of them cached"), "{again:?}");
    let plain = build(&ground, "sh", SIDE_BY_SIDE, "--no-cache");
    let told = errors(&plain);
    for line in ["[left 2/2] RUN --mount", "[right] | right-out", "[left] | left-out"] {
        assert!(told.lines().any(|l| l.starts_with(line)), "{line:?} is not in {told}");
    }
    assert!(!told.contains('\u{1b}') && text(&plain).lines().count() == 1, "{told:?}");
    let forced = build(&ground, "script", SIDE_BY_SIDE, "--no-cache --progress plain");
    assert!(text(&forced).contains("[right] | right-out") && !text(&forced).contains('\u{1b}'));
}

#[test]
fn a_failure_on_a_terminal_shows_what_the_command_said_and_where_it_stands() {
    let ground = Ground::new();
    let dockerfile = "FROM base\nRUN echo before && echo why >&2 && exit 3\n";
    for (how, options) in [("script", ""), ("sh", ""), ("sh", "--quiet")] {
        let failed = build(&ground, how, dockerfile, options);
        let told = text(&failed) + &errors(&failed);
        assert_eq!(failed.status.code(), Some(1), "{told}");
        for part in ["before", "why", "Dockerfile:2:1", "the command ended with 3", "RUN echo before", "^"] {
            assert!(told.contains(part), "{how} {options}: {part:?} is not in {told}");
        }
    }
}

#[test]
fn one_layer_holds_what_the_steps_made_and_nothing_that_running_them_needed() {
    let ground = Ground::new();
    // A base without the files that a container is given by its runtime.
    let context = ground.context();
    let base = "FROM scratch\nCOPY static /bin/sh\nENV PATH=/bin\n";
    ground.text(base, &context, |o| o.tags = vec!["bare".parse().expect("name")]).expect("builds");
    let text = "FROM bare\nCOPY a.txt /a\nRUN echo x > /x\nWORKDIR /w\nRUN echo y > y\nRUN [\"/bin/sh\", \"-c\", \":\"]\nCMD [\"z\"]\n";
    let seen = |squash: bool| {
        let image = ground.text(text, &context, |o| o.squash = squash).expect("builds");
        let names: Vec<_> = tree(ground.flat(&image).path()).into_keys().collect();
        (image, names)
    };
    let ((many, in_many), (one, in_one)) = (seen(false), seen(true));
    assert_eq!(in_one, ["a", "bin", "bin/sh", "w", "w/y", "x"].map(std::path::PathBuf::from));
    assert_eq!(in_many, in_one);
    assert_eq!((many.diff_ids().len(), one.diff_ids().len()), (5, 2));
    // Each instruction is told; one entry more is the layer's.
    let told = |image: &Image| image.config_json()["history"].as_array().expect("history").clone();
    let (many, one) = (told(&many), told(&one));
    assert_eq!(one.len(), many.len() + 1);
    let words = |h: &serde_json::Value| h["created_by"].as_str().unwrap_or_default().to_owned();
    assert!(many.iter().zip(&one).all(|(a, b)| words(a) == words(b)), "{many:?} {one:?}");
    let filled: Vec<String> = one.iter().filter(|h| h.get("empty_layer").is_none()).map(words).collect();
    assert_eq!(filled, ["COPY static /bin/sh", "one layer for all of the above"]);
}
