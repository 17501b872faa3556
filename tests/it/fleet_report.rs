//! `report` and `compare` over a merged record of hosts that never were: the planted effects and odd hosts are found, and
//! DuckDB's figures are ours.

#[path = "../../examples/simulate_fleet/generate.rs"]
mod generate;

use crate::bench::opens;
use crate::figures::fails;
use crate::fleet_merge::taremark;
use crate::support::{errors, text};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use taremark::record::merge::{Options, merge};

/// 90 hosts, two of them slow or restless: made once for all tests here.
fn fleet() -> &'static Path {
    static MADE: OnceLock<tempfile::TempDir> = OnceLock::new();
    let dir = MADE.get_or_init(|| {
        let dir = tempfile::tempdir().expect("folder");
        let size = generate::Size { hosts: 90, blocks: 24, seed: 0 };
        let records: Vec<PathBuf> = (0..size.hosts)
            .map(|host| {
                let record = dir.path().join(generate::name(host));
                generate::host(&record, size, host).expect("host");
                record
            })
            .collect();
        merge(&records, &dir.path().join("merged"), Options::default()).expect("merged");
        let output = taremark(&["report", &dir.path().join("merged").display().to_string()]);
        assert!(output.status.success(), "{}", errors(&output));
        std::fs::write(dir.path().join("said"), output.stdout).expect("what was said");
        dir
    });
    dir.path()
}

fn summary() -> serde_json::Value {
    let text = std::fs::read(fleet().join("merged/fleet.json")).expect("fleet.json");
    serde_json::from_slice(&text).expect("JSON")
}

#[test]
fn planted_effects_and_odd_hosts_are_found() {
    let found = summary();
    let cells = found["cells"].as_array().expect("cells");
    let cell = cells
        .iter()
        .find(|c| c["workload"] == "hello" && c["target"] == "container" && c["metric"] == "startup_ms")
        .expect("cell");
    let number = |key: &str| cell[key].as_f64().unwrap_or_else(|| panic!("{key}: {cell}"));
    assert!(number("ratio_low") <= generate::RATIO && generate::RATIO <= number("ratio_high"), "{cell}");
    assert!((number("within_hosts") - generate::WITHIN).abs() < 0.02, "{cell}");
    assert_eq!((cell["hosts"].as_u64(), cell["n"].as_u64()), (Some(90), Some(2160)));
    let groups = found["groups"].as_array().expect("groups");
    assert_eq!(groups.iter().filter(|g| g["metric"] == "startup_ms").count(), 4);
    for g in groups.iter().filter(|g| g["metric"] == "startup_ms") {
        let ratio = g["ratio"].as_f64().expect("ratio");
        assert!((ratio - generate::NEWER).abs() < 0.06 && g["verdict"] == "less", "{g}");
    }
    for g in groups.iter().filter(|g| g["metric"] == "pss_bytes") {
        assert_eq!(g["verdict"], "no difference shown", "{g}");
    }
    let odd: BTreeMap<&str, &str> = found["odd"]
        .as_array()
        .expect("odd")
        .iter()
        .map(|o| (o["host_name"].as_str().expect("name"), o["oddity"].as_str().expect("oddity")))
        .collect();
    assert_eq!(odd, BTreeMap::from([("node0017", "higher"), ("node0034", "restless")]));
}

#[test]
fn the_report_says_so_in_a_terminal_on_its_pages_and_in_its_chart() {
    let said = std::fs::read_to_string(fleet().join("said")).expect("said");
    for word in ["90 hosts, 90 sessions", "odd hosts:", "node0017", "node0034", "Model B (30 hosts)", "less"]
    {
        assert!(said.contains(word), "{word} is not in: {said}");
    }
    let dir = fleet().join("merged");
    for page in ["report.html", "report.md"] {
        let page = std::fs::read_to_string(dir.join(page)).expect("page");
        assert!(
            page.contains("node0017") && page.contains("startup_ms") && page.contains("between"),
            "{page}"
        );
        // A host is one line, however many of its figures are odd.
        assert_eq!(page.matches("node0017: ").count(), 1, "{page}");
        assert!(page.contains("figures more"), "{page}");
    }
    ["svg", "png"].iter().for_each(|end| opens(&dir.join(format!("charts/hosts.{end}"))));
    let svg = std::fs::read_to_string(dir.join("charts/hosts.svg")).expect("chart");
    assert!(svg.contains("node0017"), "the slow host has no name there");
    let hosts = std::fs::read_to_string(dir.join("hosts.csv")).expect("hosts.csv");
    assert_eq!(hosts.lines().count(), 90 * 40 + 1);
    // The same record gives the same bytes.
    let before: Vec<_> =
        ["fleet.json", "report.html", "hosts.csv"].map(|f| std::fs::read(dir.join(f)).expect("file")).into();
    let copy = tempfile::tempdir().expect("folder");
    let again = copy.path().join("m");
    merge(std::slice::from_ref(&dir), &again, Options::default()).expect("merged");
    assert!(taremark(&["report", &again.display().to_string()]).status.success());
    let after: Vec<_> = ["fleet.json", "report.html", "hosts.csv"]
        .map(|f| std::fs::read(again.join(f)).expect("file"))
        .into();
    assert!(before == after);
    let kernels = taremark(&["report", &again.display().to_string(), "--by", "Kernel/release"]);
    assert!(text(&kernels).contains("6.1 (45 hosts)"), "{}", text(&kernels));
}

#[test]
fn fleets_and_their_targets_are_compared_host_by_host() {
    let merged = fleet().join("merged").display().to_string();
    let targets =
        taremark(&["compare", &format!("{merged}:process"), &format!("{merged}:container"), "--json"]);
    let outcome: serde_json::Value = serde_json::from_slice(&targets.stdout).expect("JSON");
    let line = outcome["lines"].as_array().expect("lines").iter();
    let line =
        line.into_iter().find(|l| l["metric"] == "startup_ms" && l["workload"] == "hello").expect("line");
    assert_eq!((&line["paired"], &line["verdict"]), (&true.into(), &"more".into()), "{line}");
    assert!((line["ratio"]["value"].as_f64().expect("ratio") - generate::RATIO).abs() < 0.1, "{line}");
    // Every host a tenth slower than it was: found, though hosts differ by far more among themselves.
    let ground = tempfile::tempdir().expect("folder");
    let size = generate::Size { hosts: 12, blocks: 8, seed: 0 };
    let fleets = ["before", "after"].map(|when| {
        let records: Vec<PathBuf> = (0..size.hosts)
            .map(|host| {
                let record = ground.path().join(format!("{when}-{host}"));
                generate::host(&record, size, host).expect("host");
                if when == "after" {
                    slower(&record.join("samples.csv"), 1.1);
                }
                record
            })
            .collect();
        let out = ground.path().join(when);
        merge(&records, &out, Options::default()).expect("merged");
        out.display().to_string()
    });
    let gate = ["compare", &fleets[0], &fleets[1], "--gate", "startup_ms<+5%"];
    let broken = taremark(&gate);
    fails(&broken, 1, &[]);
    assert!(
        text(&broken).contains("BROKEN") && text(&broken).contains("12 and 12 hosts, each with itself"),
        "{}",
        text(&broken)
    );
    let one = ground.path().join("before-1").display().to_string();
    fails(&taremark(&["compare", &fleets[0], &one]), 2, &["merge the other"]);
    fails(&taremark(&["report", &fleets[0], "--export", "parquet"]), 2, &["Parquet already"]);
}

/// Multiplies all start-ups of a record.
fn slower(samples: &Path, times: f64) {
    let text = std::fs::read_to_string(samples).expect("samples");
    let line = |line: &str| {
        let mut fields: Vec<String> = line.split(',').map(str::to_owned).collect();
        if fields[7] == "startup_ms" {
            fields[9] = (fields[9].parse::<f64>().expect("value") * times).to_string();
        }
        fields.join(",") + "\n"
    };
    std::fs::write(samples, text.lines().map(line).collect::<String>()).expect("samples");
}

/// Runs the named queries of docs/queries.sql in the merged record's folder; rows as JSON by the query's name.
fn queries(dir: &Path) -> serde_json::Map<String, serde_json::Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("target/venv/bin/python");
    let script = "import duckdb, json, re, sys\n\
        db = duckdb.connect()\n\
        parts = re.split(r'^-- name: (\\w+).*$', open(sys.argv[1]).read(), flags=re.M)[1:]\n\
        print(json.dumps({n: [list(r) for r in db.execute(q).fetchall()] for n, q in zip(parts[::2], parts[1::2])}))";
    let output = Command::new(&python)
        .arg("-c")
        .arg(script)
        .arg(root.join("docs/queries.sql"))
        .current_dir(dir)
        .output();
    let output = output.unwrap_or_else(|e| panic!("{}: {e}: scripts/test makes it", python.display()));
    assert!(output.status.success(), "DuckDB: {}", errors(&output));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&output)))
}

/// A figure of a CSV by the columns that name it.
fn figures(path: &Path, by: &[&str], column: &str) -> BTreeMap<Vec<String>, f64> {
    let mut csv = csv::Reader::from_path(path).expect("CSV");
    let headers = csv.headers().expect("headers").clone();
    let place = |name: &str| headers.iter().position(|h| h == name).unwrap_or_else(|| panic!("{name}"));
    let rows = csv.records().map(|r| r.expect("row"));
    rows.filter_map(|row| {
        let key = by.iter().map(|name| row[place(name)].to_owned()).collect();
        Some((key, row[place(column)].parse().ok()?))
    })
    .collect()
}

/// The stated precision: fifteen significant digits, all that a double is sure to have.
fn digits(value: f64) -> String {
    format!("{value:.14e}")
}

#[test]
fn duckdb_says_what_the_report_says() {
    let dir = fleet().join("merged");
    let answers = queries(&dir);
    let rows = |name: &str| answers[name].as_array().expect("rows").clone();
    let word = |row: &serde_json::Value, at: usize| row[at].as_str().expect("word").to_owned();
    let hosts = figures(&dir.join("hosts.csv"), &["host", "workload", "target", "metric"], "median");
    let theirs = rows("hosts");
    assert_eq!(theirs.len(), hosts.len());
    for row in &theirs {
        let key = vec![word(row, 0), word(row, 2), word(row, 3), word(row, 4)];
        assert_eq!(digits(row[6].as_f64().expect("median")), digits(hosts[&key]), "{key:?}");
    }
    for (name, column, at) in [("fleet", "median", 4), ("tare", "tare", 4), ("tare", "ratio", 5)] {
        let ours = figures(&dir.join("fleet.csv"), &["workload", "target", "metric"], column);
        let theirs = rows(name);
        let compared = theirs.iter().filter(|row| !row[at].is_null());
        let mut checked = 0;
        for row in compared {
            let key = vec![word(row, 0), word(row, 1), word(row, 2)];
            assert_eq!(digits(row[at].as_f64().expect("figure")), digits(ours[&key]), "{name} {key:?}");
            checked += 1;
        }
        assert!(checked >= 20, "{name}: only {checked} were compared");
    }
    let odd: Vec<String> = rows("odd").iter().map(|r| word(r, 0)).collect();
    assert!(!odd.is_empty() && odd.iter().all(|o| o == "node0017"), "{odd:?}");
    assert_eq!(rows("kernels").len(), 2 * 4);
    assert_eq!((rows("failures").len(), rows("phases").len()), (0, 4));
    assert_eq!(rows("figures").len(), 40);
}

/// ReFrame with our checks, in a folder of its own.
fn reframe(ground: &Path, arguments: &[&str]) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = root.join("target/venv/bin/reframe");
    let mut command = Command::new(&program);
    command.arg("--prefix").arg(ground).arg("-c").arg(root.join("scripts/reframe/taremark_checks.py"));
    command.args(arguments).current_dir(ground).env("TAREMARK_STORE", ground.join("store"));
    let output =
        command.output().unwrap_or_else(|e| panic!("{}: {e}: scripts/test makes it", program.display()));
    let said = text(&output);
    assert!(output.status.success(), "{said}{}", errors(&output));
    said
}

#[test]
fn reframe_runs_the_checks_and_gives_their_figures() {
    let ground = tempfile::tempdir().expect("folder");
    let program = format!("TaremarkStartup.taremark={}", env!("CARGO_BIN_EXE_taremark"));
    let run = ["-S", &program, "-S", "TaremarkStartup.runs=3", "-r", "--performance-report"];
    let said = reframe(ground.path(), &run);
    assert!(said.contains("Ran 2/2 test case(s)") && said.contains("PASSED"), "{said}");
    for figure in ["process_startup", "container_startup", "container_over_process"] {
        assert_eq!(said.matches(&format!("P: {figure}: ")).count(), 2, "{figure}: {said}");
    }
    // A node that cannot measure fails as such.
    let program = "TaremarkStartup.taremark=/bin/false";
    let venv = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/venv/bin/reframe");
    let checks = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/reframe/taremark_checks.py");
    let output = Command::new(venv)
        .arg("--prefix")
        .arg(ground.path())
        .arg("-c")
        .arg(checks)
        .args(["-S", program, "-r"])
        .current_dir(ground.path())
        .output()
        .expect("reframe");
    assert!(!output.status.success() && text(&output).contains("FAILED"), "{}", text(&output));
}
