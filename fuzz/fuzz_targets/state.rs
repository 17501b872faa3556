//! state.json: any bytes are read or refused; what was read can be told as the specification's state.
#![no_main]

use libfuzzer_sys::fuzz_target;
use taremark::container::state::Saved;

fuzz_target!(|bytes: &[u8]| {
    let Ok(saved) = serde_json::from_slice::<Saved>(bytes) else { return };
    let told = saved.state("running", saved.pid);
    assert_eq!(told["id"], saved.id.as_str());
    let again = serde_json::to_vec(&saved).expect("what was read can be written");
    assert_eq!(saved, serde_json::from_slice(&again).expect("what was written can be read"));
});
