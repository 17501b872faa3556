//! What the README promises: its commands run, its files are there, its table is that of the record it shows.

use crate::bench::TAREMARK;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    std::fs::read_to_string(root().join("README.md")).expect("README.md")
}

/// Lines `$ command` of a document's `console` blocks.
pub fn commands(text: &str) -> Vec<String> {
    let blocks = text.split("```console\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.flat_map(str::lines).filter_map(|l| l.strip_prefix("$ ")).map(str::to_owned).collect()
}

#[test]
fn its_commands_run_as_they_stand() {
    let ground = tempfile::tempdir().expect("folder");
    let bin = Path::new(TAREMARK).parent().expect("folder of the programs");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").expect("PATH"));
    let all = commands(&readme());
    assert!(all.len() >= 5, "only {all:?}: is this test blind?");
    for command in all {
        // What a reader would put into /tmp goes into this test's folder.
        let here = command.replace("/tmp/", &format!("{}/", ground.path().display()));
        let output = Command::new("sh")
            .args(["-ec", &here])
            .env("PATH", &path)
            .env("TAREMARK_STORE", ground.path().join("store"))
            .current_dir(root())
            .output()
            .expect("sh");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}\n{said}");
    }
}

#[test]
fn its_two_first_commands_are_what_ci_runs() {
    let read = |name: &str| std::fs::read_to_string(root().join(name)).expect(name);
    for script in ["scripts/bench", "scripts/test"] {
        assert!(readme().contains(&format!("    {script} ")), "{script} does not stand at the README's top");
    }
    assert!(read(".ci/run").contains("exec scripts/test"));
    assert!(read("scripts/test").contains("\nTAREMARK_CARGO_PROFILE=dev scripts/bench --no-install"));
}

/// Targets of Markdown links and pictures within the repository.
fn linked(text: &str) -> Vec<PathBuf> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|t| !t.contains("://") && !t.starts_with('#')).map(|t| root().join(t)).collect()
}

#[test]
fn every_file_that_it_links_is_there() {
    let all = linked(&readme());
    assert!(all.len() >= 8, "{all:?}");
    let missing: Vec<_> = all.iter().filter(|p| !p.exists()).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn its_record_renders_to_the_same_bytes_and_the_same_table() {
    let text = readme();
    let at = text.find("](results/").expect("the README links a record");
    let folder =
        text[at + 2..].split([')', '/']).nth(1).map(|name| format!("results/{name}")).expect("folder");
    let copy = tempfile::tempdir().expect("folder");
    let status =
        Command::new("cp").arg("-r").arg(root().join(&folder)).arg(copy.path().join("record")).status();
    assert!(status.expect("cp").success());
    let record = copy.path().join("record");
    for made in ["summary.csv", "summary.json", "report.md", "report.html"] {
        std::fs::remove_file(record.join(made)).expect(made);
    }
    let rendered = taremark::report::render(&record).expect("render");
    for made in ["summary.csv", "summary.json", "report.md", "report.html", "charts/startup.png"] {
        let (new, old) = (std::fs::read(record.join(made)), std::fs::read(root().join(&folder).join(made)));
        assert!(new.expect(made) == old.expect(made), "{made} differs: taremark report {folder}");
    }
    let shown: String =
        rendered.table.lines().map(|l| format!("    {l}").trim_end().to_owned() + "\n").collect();
    assert!(text.contains(&shown), "the README's table is not that of {folder}:\n{shown}");
}
