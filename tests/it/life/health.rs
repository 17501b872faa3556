//! Health checks: made while it runs, without a daemon.

use super::{Ground, fails, until};
use crate::support::text;

/// An image that says how it is checked: by a file that is there or not.
fn checked(ground: &Ground, health: &str) {
    let file = ground.path("Containerfile");
    std::fs::write(&file, format!("FROM shell\n{health}\n")).expect("write");
    let file = file.display().to_string();
    let built = ground.run(&[
        "image",
        "build",
        "-q",
        "-t",
        "checked",
        "-f",
        &file,
        &ground.path("").display().to_string(),
    ]);
    assert!(built.status.success(), "{}", crate::support::errors(&built));
}

fn health(ground: &Ground, name: &str) -> String {
    ground.inspect(name)["State"]["Health"]["Status"].as_str().unwrap_or("none").to_owned()
}

#[test]
fn the_images_check_is_made_and_ps_says_how_it_is() {
    let ground = Ground::new();
    checked(
        &ground,
        "HEALTHCHECK --interval=100ms --timeout=5s --retries=2 CMD test -e /well || { echo ill; exit 1; }",
    );
    for target in ["container", "process"] {
        let run = ["run", "-d", "--name", target, "--target", target, "checked", "sleep", "60"];
        ground.says(&run);
        assert_eq!(health(&ground, target), "starting", "{target}");
        until("it to be ill", || health(&ground, target) == "unhealthy");
        assert!(ground.says(&["ps"]).contains("(unhealthy)"));
        let about = ground.inspect(target)["State"]["Health"].clone();
        assert!(about["FailingStreak"].as_u64() >= Some(2), "{about}");
        assert_eq!(about["Log"][0]["ExitCode"], 1, "{about}");
        assert_eq!(about["Log"][0]["Output"], "ill", "{about}");
        ground.says(&["exec", target, "touch", "/well"]);
        until("it to be well", || health(&ground, target) == "healthy");
        assert_eq!(ground.says(&["ps", "-q", "--filter", "health=healthy"]).lines().count(), 1);
        let now = ground.run(&["healthcheck", "run", target]);
        assert_eq!((text(&now).as_str(), now.status.code()), ("healthy\n", Some(0)));
        ground.says(&["rm", "-f", target]);
    }
    ground.says(&["run", "-d", "--name", "quiet", "--no-healthcheck", "checked", "sleep", "60"]);
    assert_eq!(health(&ground, "quiet"), "none");
    fails(&ground.run(&["healthcheck", "run", "quiet"]), 1, "no defined healthcheck");
    ground.says(&["rm", "-f", "quiet"]);
    assert_eq!(ground.left(&[]), Vec::<String>::new());
}

#[test]
fn the_command_line_says_otherwise_and_a_check_that_hangs_is_killed() {
    let ground = Ground::new();
    let run = ["run", "-d", "--name", "x", "--health-cmd", "sleep 77", "--health-interval", "50ms"];
    let more = ["--health-timeout", "200ms", "--health-retries", "1", "shell", "sleep", "60"];
    ground.says(&[&run[..], &more].concat());
    until("a check to hang", || health(&ground, "x") == "unhealthy");
    let said = ground.inspect("x")["State"]["Health"]["Log"][0]["Output"].clone();
    assert_eq!(said, "the check took longer than 0.2 s");
    // What hung is gone: at most the one that runs now is left.
    let hung = || ground.says(&["exec", "x", "busybox", "ps"]).matches("sleep 77").count();
    until("several checks", || {
        ground.inspect("x")["State"]["Health"]["Log"].as_array().map_or(0, Vec::len) >= 4
    });
    assert!(hung() <= 2, "{} of them hang (a shell and its sleep are one)", hung());
    ground.says(&["rm", "-f", "x"]);
    fails(&ground.run(&["run", "--health-interval", "often", "shell"]), 125, "use a time as in 30s");
    assert_eq!(ground.left(&[]), Vec::<String>::new());
}
