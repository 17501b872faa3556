//! config.json: any bytes are parsed and checked, or refused with a field and a reason; what was taken survives a round.
#![no_main]

use libfuzzer_sys::fuzz_target;
use taremark::container::config::RuntimeConfig;

fuzz_target!(|bytes: &[u8]| {
    match RuntimeConfig::from_json(bytes) {
        Ok(config) => {
            let again = serde_json::to_vec(&config).expect("what was read can be written");
            let back = RuntimeConfig::from_json(&again).expect("what was written can be read");
            assert_eq!(config, back);
        }
        Err((field, why)) => assert!(!field.is_empty() && !why.is_empty(), "{field:?}: {why:?}"),
    }
});
