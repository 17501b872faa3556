//! Thousands of configs that chance has spoiled, in their bytes and in their values: none makes the parser, the checks or
//! the compiler of filters panic, and each error names a field.

use crate::support::shell;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use serde_json::{Value, json};
use taremark::container::config::RuntimeConfig;
use taremark::container::seccomp;

/// Values that have hurt parsers.
fn odd(rng: &mut ChaCha8Rng) -> Value {
    let all = [
        json!(null),
        json!(true),
        json!(-1),
        json!(0),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(1e300),
        json!(""),
        json!("\0"),
        json!("/"),
        json!("/../.."),
        json!("../x"),
        json!("SCMP_ACT_ERRNO"),
        json!("x".repeat(5000)),
        json!("\u{202e}é\u{0}"),
        json!([]),
        json!({}),
        json!([[[[[[]]]]]]),
        json!({"a": {"b": [null]}}),
        json!([1, "2", null, {}]),
    ];
    all[below(rng, all.len())].clone()
}

fn below(rng: &mut ChaCha8Rng, n: usize) -> usize {
    (rng.next_u32() as usize) % n.max(1)
}

/// Goes down by chance, and spoils what it meets there.
fn spoil(value: &mut Value, rng: &mut ChaCha8Rng) {
    let here = below(rng, 6) == 0;
    match value {
        Value::Object(map) if !here && !map.is_empty() => {
            let key = map.keys().nth(below(rng, map.len())).expect("key").clone();
            match below(rng, 12) {
                0 => drop(map.remove(&key)),
                1 => drop(map.insert(format!("{key}{key}"), odd(rng))),
                _ => spoil(map.get_mut(&key).expect("entry"), rng),
            }
        }
        Value::Array(list) if !here && !list.is_empty() => {
            let i = below(rng, list.len());
            match below(rng, 12) {
                0 => drop(list.remove(i)),
                1 => list.push(list[i].clone()),
                _ => spoil(&mut list[i], rng),
            }
        }
        _ => *value = odd(rng),
    }
}

fn take(json: &[u8]) -> bool {
    match RuntimeConfig::from_json(json) {
        Ok(config) => {
            if let Some(filter) = &config.linux.seccomp {
                let _ = seccomp::compile(filter);
            }
            true
        }
        Err((field, why)) => {
            assert!(!field.is_empty() && !why.is_empty());
            false
        }
    }
}

fn good() -> Value {
    let mut config = serde_json::to_value(shell(std::path::Path::new("/"), "true").config()).expect("json");
    let more = json!({"hooks": {"prestart": [{"path": "/x", "timeout": 1}]}, "domainname": "d",
        "process": {"scheduler": {"policy": "SCHED_RR", "priority": 1}, "ioPriority": {"class": "IOPRIO_CLASS_BE"},
            "execCPUAffinity": {"initial": "0-3"}, "oomScoreAdj": 3, "consoleSize": {"height": 1, "width": 2}},
        "linux": {"timeOffsets": {"monotonic": {"secs": 1}}, "personality": {"domain": "LINUX"}, "sysctl": {"net.b": "c"},
            "devices": [{"path": "/dev/x", "type": "c", "major": 1, "minor": 2}], "rootfsPropagation": "slave"}});
    for (part, fields) in more.as_object().expect("object") {
        match fields.as_object().filter(|_| config[part].is_object()) {
            Some(fields) => fields.iter().for_each(|(k, v)| config[part][k] = v.clone()),
            None => config[part] = fields.clone(),
        }
    }
    config["linux"]["namespaces"].as_array_mut().expect("namespaces").push(json!({"type": "time"}));
    config
}

#[test]
fn spoiled_values_are_refused_or_taken_and_never_panic() {
    let good = good();
    assert!(take(good.to_string().as_bytes()), "{:?}", RuntimeConfig::from_json(good.to_string().as_bytes()));
    let mut rng = ChaCha8Rng::seed_from_u64(20_261_124);
    let mut taken = 0;
    for _ in 0..4000 {
        let mut config = good.clone();
        for _ in 0..=below(&mut rng, 3) {
            spoil(&mut config, &mut rng);
        }
        taken += u32::from(take(config.to_string().as_bytes()));
    }
    // Both kinds come about, or the test is blind.
    assert!((100..3900).contains(&taken), "{taken} of 4000 were taken");
}

#[test]
fn spoiled_bytes_never_panic() {
    let good = good().to_string().into_bytes();
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    for _ in 0..4000 {
        let mut bytes = good.clone();
        for _ in 0..=below(&mut rng, 4) {
            let at = below(&mut rng, bytes.len());
            match below(&mut rng, 4) {
                0 => bytes[at] = rng.next_u32() as u8,
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, b"{}[],:\"0-9e.\\u"[below(&mut rng, 14)]),
                _ => bytes.truncate(at + 1),
            }
        }
        take(&bytes);
    }
}
