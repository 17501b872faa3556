//! A layer's archive: any bytes are unpacked beneath the folder or refused, and nothing beside it changes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use taremark::image::unpack::{Limits, check, unpack};

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits { bytes: 1 << 20, members: 1000 };
    let checked = check(bytes, "fuzzed", limits);
    let ground = tempfile::tempdir_in("/dev/shm").expect("a folder");
    let (root, beside) = (ground.path().join("root"), ground.path().join("beside"));
    std::fs::create_dir(&root).expect("root");
    std::fs::write(&beside, "secret").expect("beside");
    let unpacked = unpack(bytes, "fuzzed", &root, limits);
    assert_eq!(std::fs::read(&beside).expect("beside"), b"secret", "what lies beside the root was changed");
    assert_eq!(std::fs::read_dir(ground.path()).expect("ground").count(), 2, "something lies beside the root");
    // What unpacks has passed the check that an import makes.
    assert!(unpacked.is_err() || checked.is_ok(), "it unpacks, and its check says: {:?}", checked.err());
});
