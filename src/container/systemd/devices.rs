//! Rules for devices as systemd has them: all closed, and a list of what is open. systemd has to know them because on v1
//! it writes the list of a unit anew whenever it is reloaded.

use super::properties::Properties;
use super::wire::Value;
use crate::container::cgroup::device_rules;
use crate::container::config::DeviceRule;
use crate::sys::process::is_rootless;

/// Nothing where there are no rules, and for an ordinary user, whose systemd cannot hold them. Rules that no list of open devices can say (something is closed after it was opened,
/// or one that opens all) leave the policy to the runtime's own program or list.
pub(super) fn of(rules: &[DeviceRule]) -> Properties {
    if rules.is_empty() || is_rootless() {
        return Properties::new();
    }
    let auto =
        || vec![("DevicePolicy", Value::Text("auto".into())), ("DeviceAllow", Value::Pairs(Vec::new()))];
    let mut open = Vec::new();
    let mut strict = false;
    for rule in device_rules(rules) {
        match (rule.allow, is_all(&rule)) {
            (false, true) => (strict, open) = (true, Vec::new()),
            (true, false) => match entry(&rule) {
                Some(entry) => open.push(entry),
                None => return auto(),
            },
            (true, true) | (false, false) => strict = false,
        }
        if !strict {
            return auto();
        }
    }
    vec![("DevicePolicy", Value::Text("strict".into())), ("DeviceAllow", Value::Pairs(open))]
}

fn number(n: Option<i64>) -> Option<i64> {
    n.filter(|n| *n >= 0)
}

fn is_all(rule: &DeviceRule) -> bool {
    let any = |n| number(n).is_none();
    let kind = rule.kind.as_deref().unwrap_or("a");
    let whole = rule.access.as_deref().is_none_or(|a| ['r', 'w', 'm'].iter().all(|c| a.contains(*c)));
    kind == "a" && any(rule.major) && any(rule.minor) && whole
}

/// Path or group, and access (systemd.resource-control(5), DeviceAllow=).
fn entry(rule: &DeviceRule) -> Option<(String, String)> {
    let (word, folder) = match rule.kind.as_deref()? {
        "c" | "u" => ("char", "char"),
        "b" => ("block", "block"),
        _ => return None,
    };
    let what = match (number(rule.major), number(rule.minor)) {
        (Some(major), Some(minor)) => format!("/dev/{folder}/{major}:{minor}"),
        (Some(major), None) => format!("{word}-{major}"),
        (None, None) => format!("{word}-*"),
        (None, Some(_)) => return None,
    };
    Some((what, rule.access.clone().unwrap_or_else(|| "rwm".into())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(rules: serde_json::Value) -> (String, Vec<String>) {
        let rules: Vec<DeviceRule> = serde_json::from_value(rules).expect("rules");
        match of(&rules).as_slice() {
            [("DevicePolicy", Value::Text(policy)), ("DeviceAllow", Value::Pairs(open))] => {
                (policy.clone(), open.iter().map(|(what, access)| format!("{what} {access}")).collect())
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_closed_set_with_openings_is_a_list() {
        let none = json!({"allow": false, "access": "rwm"});
        let (policy, open) = said(json!([
            none,
            {"allow": true, "type": "c", "major": 10, "minor": 200, "access": "rwm"},
            {"allow": true, "type": "b", "major": 8, "access": "r"},
        ]));
        assert_eq!(policy, "strict");
        assert_eq!(open[..2], ["/dev/char/10:200 rwm", "block-8 r"]);
        for default in ["char-* m", "/dev/char/1:3 rwm", "char-136 rwm"] {
            assert!(open.iter().any(|o| o == default), "{default} is not in {open:?}");
        }
        let closed_again = json!({"allow": false, "type": "c", "major": 1, "minor": 3, "access": "w"});
        assert_eq!(said(json!([none, closed_again])), ("auto".into(), Vec::new()));
        assert_eq!(said(json!([{"allow": true, "access": "rwm"}])), ("auto".into(), Vec::new()));
        assert_eq!(of(&[]), []);
    }
}
