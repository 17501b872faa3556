//! features.md and features-linux.md: what the document names is what a config may say. Above each test stand the clauses
//! that it holds.

use crate::support::oci::{Oci, says};
use crate::support::{TAREC, text};
use serde_json::{Value, json};
use std::process::Command;
use taremark::container::seccomp;

fn features() -> Value {
    let output = Command::new(TAREC).arg("features").output().expect("features");
    serde_json::from_str(&text(&output)).expect("json")
}

fn names(of: &Value) -> Vec<&str> {
    of.as_array().expect("list").iter().map(|n| n.as_str().expect("name")).collect()
}

/// Holds: features.versions, features.hooks
#[test]
fn its_versions_and_hooks_are_taken() {
    let all = features();
    for version in ["ociVersionMin", "ociVersionMax"] {
        assert_eq!(says("echo ran", |c| c["ociVersion"] = all[version].clone()), "ran\n", "{version}");
    }
    let hooks: serde_json::Map<String, Value> = names(&all["hooks"])
        .into_iter()
        .map(|kind| (kind.to_owned(), json!([{"path": "/bin/true"}])))
        .collect();
    assert_eq!(hooks.len(), 6);
    assert_eq!(says("echo ran", |c| c["hooks"] = hooks.into()), "ran\n");
}

/// Holds: features.mountOptions
#[test]
fn its_mount_options_are_known() {
    let all = features();
    // What is not known goes to the file system, which does not know it either. These ask for something else.
    let others = ["bind", "rbind", "idmap", "ridmap", "remount"];
    let options: Vec<&str> =
        names(&all["mountOptions"]).into_iter().filter(|o| !others.contains(o)).collect();
    assert!(options.len() > 50, "{options:?}");
    let count = format!("{}\n", options.len());
    let out = says("grep -c ' /m/' /proc/self/mountinfo", |c| {
        let mounts = c["mounts"].as_array_mut().expect("mounts");
        mounts.extend(options.iter().map(
            |o| json!({"destination": format!("/m/{o}"), "type": "tmpfs", "source": "tmpfs", "options": [o]}),
        ));
    });
    assert_eq!(out, count);
}

/// Holds: features.linux
#[test]
fn its_names_of_the_kernel_are_known() {
    let linux = &features()["linux"];
    for namespace in names(&linux["namespaces"]) {
        let section = json!({"ociVersion": "1.2.0", "root": {"path": "/"}, "process": {"args": ["x"], "cwd": "/"},
            "linux": {"namespaces": [{"type": namespace}]}});
        let told = taremark::container::config::RuntimeConfig::from_json(section.to_string().as_bytes());
        assert!(!told.is_err_and(|(field, _)| field.contains("type")), "{namespace}");
    }
    let (code, _, err) = Oci::new("true", |c| {
        for set in ["bounding", "permitted", "effective"] {
            c["process"]["capabilities"][set] = linux["capabilities"].clone();
        }
    })
    .run();
    assert_eq!((code, err.as_str()), (0, ""), "a capability is not known");
    let filter = |change: &dyn Fn(&mut Value)| {
        let mut section = json!({"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/x",
            "syscalls": [{"names": ["read"], "action": "SCMP_ACT_LOG", "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]}]});
        change(&mut section);
        let section = serde_json::from_value(section.clone()).unwrap_or_else(|e| panic!("{section}: {e}"));
        seccomp::compile(&section).unwrap_or_else(|e| panic!("{e}"));
    };
    for action in names(&linux["seccomp"]["actions"]) {
        filter(&|s| s["syscalls"][0]["action"] = json!(action));
    }
    for operator in names(&linux["seccomp"]["operators"]) {
        filter(&|s| s["syscalls"][0]["args"][0]["op"] = json!(operator));
    }
    for architecture in names(&linux["seccomp"]["archs"]) {
        filter(&|s| s["architectures"] = json!([architecture]));
    }
    for flag in names(&linux["seccomp"]["supportedFlags"]) {
        filter(&|s| s["flags"] = json!([flag]));
    }
}
