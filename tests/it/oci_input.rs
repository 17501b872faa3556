//! Runtime configs that are wrong or mean harm: one line that names the field, exit 1, nothing left, never a panic.

use crate::support::errors;
use crate::support::oci::{Oci, refuses};
use serde_json::{Value, json};
use std::process::Output;

fn run(oci: &Oci) -> Output {
    let output = oci.verb(&["run", "--bundle", &oci.bundle()], &[]);
    assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
    assert_eq!(oci.ground.left(), Vec::<String>::new());
    assert_eq!(errors(&output).lines().count(), 1, "{}", errors(&output));
    assert!(!errors(&output).contains("panicked"), "{}", errors(&output));
    output
}

#[test]
fn a_file_that_is_no_config_is_refused() {
    let oci = Oci::new("true", |_| ());
    let deep = "[".repeat(100_000);
    for (text, part) in [
        ("", "(whole file)"),
        ("{", "config.json"),
        ("[]", "config.json"),
        ("{} trailing", "(whole file)"),
        ("\u{feff}{}", "config.json"),
        (deep.as_str(), "config.json"),
        (r#"{"ociVersion": 1}"#, "ociVersion"),
        (r#"{"ociVersion": "1.0.0", "process": {"user": {"uid": -1}}}"#, "process.user.uid"),
        (r#"{"ociVersion": "1.0.0", "process": {"user": {"uid": 99999999999}}}"#, "process.user.uid"),
        (r#"{"ociVersion": "1.0.0", "process": {"args": "sh"}}"#, "process.args"),
        (r#"{"ociVersion": "1.0.0", "mounts": {"a": 1}}"#, "mounts"),
        (r#"{"ociVersion": "1.0.0", "linux": {"namespaces": [{"path": "/x"}]}}"#, "linux.namespaces[0]"),
    ] {
        oci.write(text);
        let said = errors(&run(&oci));
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
}

#[test]
fn what_is_not_a_file_is_not_read() {
    let oci = Oci::new("true", |_| ());
    let path = oci.ground.bundle().join("config.json");
    let replace = |make: &dyn Fn()| {
        let _ = std::fs::remove_file(&path).or_else(|_| std::fs::remove_dir(&path));
        make();
        errors(&run(&oci))
    };
    let said = replace(&|| std::os::unix::fs::symlink("/dev/zero", &path).expect("link"));
    assert!(said.contains("is not a regular file"), "{said}");
    let said = replace(&|| nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("fifo"));
    assert!(said.contains("is not a regular file"), "{said}");
    let said = replace(&|| std::fs::create_dir(&path).expect("folder"));
    assert!(said.contains("is not a regular file"), "{said}");
    let said = replace(&|| ());
    assert!(said.contains("read") && said.contains("config.json"), "{said}");
}

#[test]
fn ten_megabytes_of_mounts_are_too_much() {
    let mount = json!({"destination": "/x", "type": "tmpfs", "source": "x".repeat(500)});
    refuses("(whole file)", |c| c["mounts"] = vec![mount; 20_000].into());
}

#[test]
fn many_mounts_are_well() {
    let oci = Oci::new("grep -c ' /many/' /proc/self/mountinfo", |c| {
        let mounts = c["mounts"].as_array_mut().expect("mounts");
        let more = (0..300)
            .map(|i| json!({"destination": format!("/many/{i}"), "type": "tmpfs", "source": "tmpfs"}));
        mounts.extend(more);
    });
    assert_eq!(oci.run().1, "300\n");
}

type Change = (&'static str, &'static str, Value);

#[test]
fn each_wrong_field_is_named() {
    let long = "h".repeat(65);
    let cases: Vec<Change> = vec![
        ("/linux/namespaces/0/type", "linux.namespaces[0].type", json!("galaxy")),
        ("/linux/namespaces/0/type", "linux.namespaces[1]", json!("network")),
        ("/linux/namespaces/0/path", "linux.namespaces[0].path", json!("relative")),
        ("/linux/namespaces/4", "linux.namespaces", json!({"type": "time"})),
        ("/linux/cgroupsPath", "linux.cgroupsPath", json!("/../../escape")),
        ("/linux/resources/memory", "linux.resources.memory", json!("much")),
        ("/linux/seccomp/defaultAction", "linux.seccomp", json!("SCMP_ACT_X")),
        (
            "/linux/seccomp/syscalls/0/args",
            "linux.seccomp.syscalls[0]",
            json!([{"index": 6, "value": 1, "op": "SCMP_CMP_EQ"}]),
        ),
        ("/linux/devices", "linux.devices[0].path", json!([{"path": "dev/x", "type": "c"}])),
        ("/linux/devices", "linux.devices[0].path", json!([{"path": "/dev/../x", "type": "c"}])),
        ("/linux/maskedPaths", "linux.maskedPaths[0]", json!(["/proc/../etc"])),
        ("/hostname", "hostname", json!(long)),
        ("/process/env", "process.env[0]", json!(["A\0B"])),
        (
            "/process/rlimits",
            "process.rlimits[0].soft",
            json!([{"type": "RLIMIT_NOFILE", "soft": 3, "hard": 2}]),
        ),
        ("/mounts/0/options", "mounts[0].options[0]", json!(["mode=\0"])),
        ("/mounts/0/type", "mounts[0]", json!("no-such-file-system")),
        ("/process/user/umask", "process.user.umask", json!(512)),
        ("/process/args", "exec /bin", json!(["/bin"])),
        ("/root/path", "root.path", json!("")),
        ("/root/path", "root.path", json!("../../../no/such")),
    ];
    for (pointer, part, value) in cases {
        refuses(part, |c| {
            let (parent, last) = pointer.rsplit_once('/').expect("pointer");
            let at = c.pointer_mut(parent).expect(pointer);
            match last.parse::<usize>() {
                Ok(i) if at.is_array() => at[i] = value,
                _ => at[last] = value,
            }
        });
    }
}

#[test]
fn no_truncation_makes_it_panic() {
    let oci = Oci::new("true", |_| ());
    let config = std::fs::read_to_string(oci.ground.bundle().join("config.json")).expect("config");
    let step = config.len() / 40;
    for end in (0..config.len() - 1).step_by(step.max(1)) {
        oci.write(&config[..end]);
        run(&oci);
    }
}
