//! Manifest and config, cut apart at the first line end: read, or refused, whatever they name.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use taremark::image::Image;
use taremark::image::store::Store;

static STORE: LazyLock<(tempfile::TempDir, Store)> = LazyLock::new(|| {
    let dir = tempfile::tempdir_in("/dev/shm").expect("a folder");
    let store = Store::open(dir.path()).expect("store");
    (dir, store)
});

fuzz_target!(|bytes: &[u8]| {
    let (_, store) = &*STORE;
    let cut = bytes.iter().position(|b| *b == b'\n').unwrap_or(bytes.len());
    let (manifest, config) = (&bytes[..cut], bytes.get(cut + 1..).unwrap_or_default());
    let (config, _) = store.put(config, None).expect("a blob");
    // The config's digest cannot be guessed: the word stands for it.
    let manifest = String::from_utf8_lossy(manifest).replace("CONFIG", &config.to_string());
    let (digest, _) = store.put(manifest.as_bytes(), None).expect("a blob");
    if let Ok(image) = Image::read(store, &digest) {
        let _ = (image.run_spec(), image.platform(), image.created().map(str::to_owned));
        let _ = (image.blobs(), taremark::image::history::events(&image));
        assert!(!image.is_unpacked(store) || image.diff_ids().is_empty());
    }
    for blob in [config, digest] {
        // Both may be the same.
        let _ = std::fs::remove_file(store.blob_path(&blob));
    }
});
