//! The report in a real browser: nothing goes wrong in it, everyone can read it, and it looks like something.

use crate::bench::Ground;
use crate::support::errors;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a person with a screen reader, a keyboard or a small screen would stumble over. Written into the title, where
/// `--dump-dom` shows it; the ideas are those of axe-core's rules.
const CHECKS: &str = include_str!("page_checks.js");

fn chromium(page: &Path, args: &[&str]) -> std::process::Output {
    let profile = tempfile::tempdir().expect("folder");
    let output = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(args)
        .arg(format!("file://{}", page.display()))
        .output();
    output.expect("these tests need a browser: apt-get install chromium")
}

/// Messages that the page itself wrote; the browser's own complaints about the host are no concern of ours.
fn console(output: &std::process::Output) -> Vec<String> {
    errors(output).lines().filter(|l| l.contains(":CONSOLE")).map(str::to_owned).collect()
}

fn report(ground: &Ground) -> PathBuf {
    let out = ground.path("record").display().to_string();
    let args =
        ["bench", "--quiet", "--runs", "3", "--warmup", "0", "--workload", "hello,http", "--out", &out];
    let output = ground.command(&args).args(["--target", "process,container"]).output().expect("taremark");
    assert!(output.status.success(), "{}", errors(&output));
    ground.path("record/report.html")
}

#[test]
fn the_report_works_in_a_browser_for_everyone() {
    let ground = Ground::new();
    let page = report(&ground);
    let html = std::fs::read_to_string(&page).expect("report");
    for outside in ["src=\"http", "href=\"http", "url(http", "@import"] {
        assert!(!html.contains(outside), "the page asks the network: {outside}");
    }
    let checked = ground.path("checked.html");
    let script = format!("<script>{CHECKS}</script></body>");
    std::fs::write(&checked, html.replace("</body>", &script)).expect("write");
    for size in ["1200,900", "390,800"] {
        let output = chromium(&checked, &[&format!("--window-size={size}"), "--dump-dom"]);
        let dom = String::from_utf8_lossy(&output.stdout);
        let title = dom.split("<title>").nth(1).and_then(|t| t.split("</title>").next()).unwrap_or_default();
        assert_eq!(title, "checked: ", "at {size}");
        assert_eq!(console(&output), Vec::<String>::new(), "at {size}");
    }
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR"));
    for (name, size, more) in [
        ("report", "1200,1500", ""),
        ("report-dark", "1200,1500", "--blink-settings=preferredColorScheme=0"),
        ("report-phone", "390,1500", ""),
    ] {
        let picture = pictures.join(format!("{name}.png"));
        let shot = format!("--screenshot={}", picture.display());
        chromium(
            &page,
            &[&format!("--window-size={size}"), &shot, if more.is_empty() { "--mute-audio" } else { more }],
        );
        crate::bench::opens(&picture);
    }
}
