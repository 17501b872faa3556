//! Compare, gates, history, exports and bad input: on records that a test writes with the library's own writer.

use crate::figures::{Ground, fails};
use crate::support::{errors, text};
use std::path::Path;
use taremark::record::schema::*;
use taremark::record::{reader, writer::Writer};

/// A record of `hello` on a process and in a container, whose start-ups are `startup(block, target)`.
fn record(dir: &Path, host: &str, day: u32, startup: impl Fn(u32, &str) -> f64) {
    let targets = ["process", "container", "container#2"];
    let (plan, environment) = begun(host, day, &targets.map(|name| (name, "")));
    let mut writer = Writer::create(dir, &plan, &environment).expect("record");
    let mut run = 0;
    for block in 1..=20 {
        for (order, target) in (1..).zip(targets) {
            run += 1;
            let value = startup(block, target);
            writer.append_sample(&sample(run, block, order, target, value)).expect("sample");
            writer.append_phase(&phase(run, block, target, value)).expect("phase");
            writer.append_run(&row(run, block, order, target)).expect("run");
        }
    }
    writer.finish(&plan).expect("end");
}

/// Plan and environment of a bench of `hello` on (target, accelerator).
pub fn begun(host: &str, day: u32, targets: &[(&str, &str)]) -> (Plan, Environment) {
    let target = |(name, accelerator): &(&str, &str)| TargetFacts {
        name: (*name).into(),
        description: String::new(),
        accelerator: (*accelerator).into(),
        programs: Vec::new(),
        facts: Default::default(),
    };
    let workload = WorkloadFacts {
        name: "hello".into(),
        description: String::new(),
        image: "taremark/load:latest".into(),
        image_digest: "sha256:1".into(),
        argv: vec!["/tare-load".into()],
        env: Vec::new(),
        user: "0:0".into(),
        cwd: "/".into(),
        ready: "exit".into(),
        service: false,
    };
    let plan = Plan {
        schema: SCHEMA,
        taremark: "0.1.0".into(),
        profile: "custom".into(),
        seed: 7,
        min_blocks: 20,
        max_blocks: 20,
        warmup_blocks: 0,
        budget_s: 60.0,
        cache: "warm".into(),
        cpus: 1,
        memory_bytes: 1 << 28,
        settle_ms: 0,
        targets: targets.iter().map(target).collect(),
        workloads: vec![workload],
        schedule: Schedule::default(),
        ended_by: "blocks".into(),
    };
    let environment = Environment {
        schema: SCHEMA,
        started_utc: format!("2026-01-{day:02}T00:00:00.000Z"),
        host: host.into(),
        identity: Identity::default(),
        groups: Vec::new(),
    };
    (plan, environment)
}

pub fn sample(run: u32, block: u32, order: u32, target: &str, value: f64) -> Sample {
    Sample {
        schema: SCHEMA,
        run,
        block,
        order,
        target: target.into(),
        workload: "hello".into(),
        accelerator: String::new(),
        metric: "startup_ms".into(),
        unit: "ms".into(),
        value: Some(value),
        warmup: false,
        error: String::new(),
    }
}

pub fn phase(run: u32, block: u32, target: &str, value: f64) -> Phase {
    Phase {
        schema: SCHEMA,
        run,
        block,
        target: target.into(),
        workload: "hello".into(),
        accelerator: String::new(),
        warmup: false,
        phase: "workload".into(),
        start_ms: 0.0,
        duration_ms: value,
        error_ms: 0.0,
    }
}

pub fn row(run: u32, block: u32, order: u32, target: &str) -> RunRow {
    RunRow {
        schema: SCHEMA,
        run,
        block,
        order,
        target: target.into(),
        workload: "hello".into(),
        accelerator: String::new(),
        warmup: false,
        started_utc: "2026-01-01T00:00:00.000Z".into(),
        image_digest: "sha256:1".into(),
        job_digest: "sha256:2".into(),
        output_digest: "sha256:3".into(),
        exit_code: Some(0),
        load1: 0.0,
        steal_ms: 0.0,
        error: String::new(),
        env_pad_bytes: 0,
        waited_ms: 0.0,
        waited_for: String::new(),
    }
}

/// Noise of up to 1 %, another for each block and target, and drift.
fn steady(level: f64) -> impl Fn(u32, &str) -> f64 {
    move |block, target| {
        let hash = (block * 7919 + target.len() as u32 * 104_729) % 101;
        let gross = if target == "process" { 1.0 } else { 2.0 };
        level * gross * (1.0 + f64::from(hash) / 10_000.0 + f64::from(block) / 1000.0)
    }
}

pub fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn a_gate_is_broken_by_a_slow_down_and_kept_without() {
    let ground = Ground::new();
    let (a, b, c) = (ground.path("a"), ground.path("b"), ground.path("c"));
    record(&a, "here", 1, steady(100.0));
    record(&b, "here", 2, steady(110.0));
    record(&c, "elsewhere", 3, steady(100.0));
    let compare =
        |base: &str, new: &str, more: &[&str]| ground.run(&[&["compare", base, new], more].concat());
    let (a, b, c) = (shown(&a), shown(&b), shown(&c));
    let broken = compare(&a, &b, &["--gate", "startup_ms<+5%"]);
    fails(&broken, 1, &[]);
    assert!(text(&broken).contains("BROKEN") && text(&broken).contains("+10.0 %"), "{}", text(&broken));
    let kept = compare(&a, &b, &["--gate", "startup_ms<+20%", "--gate", "hello/process:startup_ms<+30"]);
    assert!(kept.status.success() && text(&kept).matches("kept").count() == 4, "{}", text(&kept));
    let same = compare(&a, &a, &["--gate", "startup_ms<+1%", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&same.stdout).expect("JSON");
    assert_eq!(json["lines"][0]["verdict"], "no difference shown");
    assert_eq!((&json["broken"], same.status.code()), (&false.into(), Some(0)));
    assert_eq!(text(&kept).matches("note: two sessions").count(), 1, "{}", text(&kept));
    let pair = compare(&format!("{a}:process"), &format!("{a}:container"), &[]);
    assert!(!text(&pair).contains("note: two sessions"));
    assert!(text(&pair).contains("by block") && text(&pair).contains("more"), "{}", text(&pair));
    fails(&compare(&a, &c, &[]), 2, &["host", "--allow host"]);
    assert!(compare(&a, &c, &["--allow", "host"]).status.success());
    fails(&compare(&a, &b, &["--gate", "speed<1%"]), 2, &["no metric"]);
    fails(&compare(&a, &b, &["--gate", "pss_bytes<1%"]), 2, &["no figure for the gate"]);
    fails(&compare(&format!("{a}:jail"), &b, &[]), 2, &["no target", "container"]);
}

#[test]
fn the_ready_made_job_fails_with_its_gate() {
    let job = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ci/github-actions.yml");
    let job = std::fs::read_to_string(job).expect("docs/ci/github-actions.yml");
    // Only a shell that is named is run with pipefail there, and without it `| tee` would hide the exit code.
    assert!(job.contains("defaults: { run: { shell: bash } }"));
    let step = job.split("- name: compare\n        run: |\n").nth(1).expect("the step that compares");
    let step: String =
        step.lines().take_while(|l| l.starts_with("          ")).map(|l| format!("{l}\n")).collect();
    let step = step
        .replace("target/x86_64-unknown-linux-gnu/release/taremark", crate::bench::TAREMARK)
        .replace("sudo ", "")
        .replace(":oci:base", ":container")
        .replace(":oci:new", ":container#2")
        .replace(" --gate 'pss_bytes<+5%'", "");
    assert_eq!(step.lines().count(), 2, "{step}");
    let ground = Ground::new();
    for (level, code) in [(101.0, 0), (110.0, 1)] {
        let _ = std::fs::remove_dir_all(ground.path("record"));
        let level = |target: &str| if target == "container#2" { level } else { 100.0 };
        record(&ground.path("record"), "here", 1, |block, target| steady(level(target))(block, target));
        let mut shell = std::process::Command::new("bash");
        shell.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", &step]);
        shell.env("RUNNER_TEMP", ground.path("")).env("GITHUB_STEP_SUMMARY", ground.path("summary"));
        let output = shell.output().expect("bash");
        assert_eq!(output.status.code(), Some(code), "{}{}", text(&output), errors(&output));
    }
    let summary = std::fs::read_to_string(ground.path("summary")).expect("summary");
    assert!(summary.contains("kept") && summary.contains("BROKEN"), "{summary}");
}

#[test]
fn a_history_names_the_day_of_a_change() {
    let ground = Ground::new();
    for day in 1..=16 {
        let level = if day < 9 { 100.0 } else { 120.0 } + f64::from(day * 5 % 3);
        record(&ground.path(&format!("results/{day:02}")), "here", day, steady(level));
    }
    let output = ground.run(&["history", &shown(&ground.path("results"))]);
    let told = text(&output);
    assert!(output.status.success(), "{}", errors(&output));
    assert!(told.contains("hello on process: ") && told.contains("(16 records)"), "{told}");
    assert_eq!(told.matches("2026-01-09").count(), 3, "a change on each target:\n{told}");
    fails(&ground.run(&["history", &shown(&ground.path("none"))]), 1, &["none"]);
    fails(&ground.run(&["history", "--metric", "speed"]), 2, &["no metric"]);
}

#[test]
fn exports_are_what_other_tools_read() {
    let ground = Ground::new();
    let dir = ground.path("a");
    record(&dir, "here", 1, steady(100.0));
    let export = |format: &str| {
        let output = ground.run(&["report", &shown(&dir), "--export", format]);
        assert!(output.status.success(), "{format}: {}", errors(&output));
        let again = ground.run(&["report", &shown(&dir), "--export", format]);
        assert_eq!(output.stdout, again.stdout, "{format}: other bytes for the same record");
        output.stdout
    };
    let json = |format: &str| serde_json::from_slice::<serde_json::Value>(&export(format)).expect(format);
    let bencher = json("bencher");
    let measure = &bencher["hello/container"]["startup_ms"];
    assert!(measure["lower_value"].as_f64() <= measure["value"].as_f64(), "{bencher}");
    let github = json("github-action");
    assert!(github[0]["unit"] == "ms" && github[0]["name"] == "hello/process startup_ms", "{github}");
    let hyperfine = json("hyperfine");
    let first = &hyperfine["results"][0];
    assert_eq!(first["times"].as_array().map(Vec::len), Some(20));
    assert!((0.1..0.11).contains(&first["median"].as_f64().expect("median")), "seconds: {first}");
    let trace = json("perfetto");
    let events = trace["traceEvents"].as_array().expect("events");
    assert_eq!(events.iter().filter(|e| e["ph"] == "X").count(), 60);
    let metrics = String::from_utf8(export("openmetrics")).expect("text");
    assert!(
        metrics.ends_with("# EOF\n") && metrics.contains("# UNIT taremark_startup_seconds seconds"),
        "{metrics}"
    );
    assert!(export("parquet").starts_with(b"PAR1"));
    assert!(export("csv").starts_with(b"schema,workload,"));
    assert!(json("json")["cells"].as_array().is_some_and(|c| c.len() == 3));
    let file = ground.path("out.prom");
    let written = ground.run(&["report", &shown(&dir), "--export", "openmetrics", "--output", &shown(&file)]);
    assert!(written.status.success() && std::fs::read(&file).is_ok_and(|b| b == metrics.as_bytes()));
    fails(&ground.run(&["report", &shown(&dir), "--export", "xls"]), 2, &["unknown format", "parquet"]);
}

/// Each file of a record has just the members that the published schema names.
#[test]
fn the_published_schema_is_that_of_the_files() {
    let ground = Ground::new();
    let dir = ground.path("a");
    record(&dir, "here", 1, steady(100.0));
    assert!(ground.run(&["report", &shown(&dir)]).status.success());
    let output = ground.run(&["report", "--export", "json-schema"]);
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).expect("schema");
    let published = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/record.schema.json");
    let published = std::fs::read(published).expect("docs/record.schema.json");
    assert!(
        published == output.stdout,
        "make it anew: taremark report --export json-schema --output docs/record.schema.json"
    );
    let names = |file: &str| -> Vec<String> {
        let properties = &schema["files"][file]["properties"];
        let mut names: Vec<_> = properties.as_object().expect(file).keys().cloned().collect();
        names.sort();
        names
    };
    for file in ["plan.json", "environment.json", "summary.json"] {
        let bytes = std::fs::read(dir.join(file)).expect(file);
        let json: serde_json::Value = serde_json::from_slice(&bytes).expect(file);
        let mut members: Vec<_> = json.as_object().expect(file).keys().cloned().collect();
        members.sort();
        assert_eq!(members, names(file), "{file}");
    }
    for file in ["runs.csv", "samples.csv", "phases.csv", "summary.csv"] {
        let bytes = std::fs::read_to_string(dir.join(file)).expect(file);
        let mut columns: Vec<_> =
            bytes.lines().next().expect("header").split(',').map(String::from).collect();
        columns.sort();
        assert_eq!(columns, names(file), "{file}");
    }
}

#[test]
fn bad_records_are_errors_or_marked_and_never_wrong_figures() {
    let ground = Ground::new();
    let spoilt = |name: &str, file: &str, change: &dyn Fn(String) -> String| {
        let dir = ground.path(name);
        record(&dir, "here", 1, steady(100.0));
        let path = dir.join(file);
        let text = std::fs::read_to_string(&path).expect("file");
        std::fs::write(&path, change(text)).expect("spoil");
        ground.run(&["report", &shown(&dir)])
    };
    let cut = spoilt("cut", "samples.csv", &|t| t[..t.len() / 2].to_owned());
    assert!(cut.status.success() && text(&cut).contains("cut off"), "{}{}", text(&cut), errors(&cut));
    let edited = spoilt("edited", "samples.csv", &|t| t.replacen("10", "90", 1));
    assert!(
        edited.status.success() && text(&edited).contains("samples.csv is not what the bench wrote"),
        "{}{}",
        text(&edited),
        errors(&edited)
    );
    let untouched = spoilt("untouched", "samples.csv", &|t| t);
    assert!(untouched.status.success() && !text(&untouched).contains("not what"), "{}", text(&untouched));
    let nan = spoilt("nan", "samples.csv", &|t| t.replacen(",ms,", ",ms,NaN,#", 1).replacen("#", "", 1));
    fails(&nan, 1, &["samples.csv, line 2"]);
    let nan = spoilt("nan2", "samples.csv", &|t| {
        let mut lines: Vec<String> = t.lines().map(String::from).collect();
        let mut fields: Vec<&str> = lines[1].split(',').collect();
        fields[9] = "NaN";
        lines[1] = fields.join(",");
        lines.join("\n") + "\n"
    });
    assert!(
        nan.status.success() && text(&nan).contains("1 samples are no numbers"),
        "{}{}",
        text(&nan),
        errors(&nan)
    );
    let unit = spoilt("unit", "samples.csv", &|t| t.replacen(",ms,", ",s,", 1));
    fails(&unit, 1, &["samples.csv, line 2", "startup_ms", "\"s\""]);
    let twice = spoilt("twice", "samples.csv", &|t| {
        let line = t.lines().nth(1).expect("row").to_owned();
        format!("{t}{line}\n")
    });
    fails(&twice, 1, &["samples.csv, line 62", "twice"]);
    let moved = spoilt("moved", "samples.csv", &|t| t.replacen(",process,", ",container,", 1));
    fails(&moved, 1, &["samples.csv, line 2", "run 1"]);
    let newer = spoilt("newer", "plan.json", &|t| t.replacen("\"schema\": 1", "\"schema\": 99", 1));
    fails(&newer, 1, &["schema 99", "newer"]);
    let newer = spoilt("newer2", "runs.csv", &|t| t.replacen("\n1,1,", "\n99,1,", 1));
    fails(&newer, 1, &["schema 99"]);
    fails(&spoilt("empty", "plan.json", &|_| String::new()), 1, &["plan.json"]);
    fails(&spoilt("phase", "phases.csv", &|t| t.replacen(",0.0,", ",-5,", 1)), 1, &["phases.csv, line 2"]);
    let none = spoilt("none", "samples.csv", &|_| String::new());
    assert!(none.status.success(), "{}", errors(&none));
    let orphans =
        spoilt("orphans", "runs.csv", &|t| t.lines().take(60).collect::<Vec<_>>().join("\n") + "\n");
    assert!(text(&orphans).contains("without a row in runs.csv"), "{}{}", text(&orphans), errors(&orphans));
}

#[test]
fn a_file_of_ten_gigabytes_is_refused_before_it_is_read() {
    let ground = Ground::new();
    let dir = ground.path("huge");
    record(&dir, "here", 1, steady(100.0));
    let file = std::fs::File::options().write(true).open(dir.join("samples.csv")).expect("file");
    file.set_len(10 << 30).expect("a sparse file");
    let e = reader::read(&dir).expect_err("refused");
    assert!(e.to_string().contains("10737418240 bytes"), "{e}");
}
