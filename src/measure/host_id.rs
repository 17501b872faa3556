//! Who this host is: the same after every reboot, and without telling a secret.

use crate::record::schema::Identity;
use sha2::{Digest, Sha256};
use std::path::Path;
use std::time::SystemTime;

/// taremark's own constant, so that its ids have nothing in common with those of another program.
const APPLICATION: [u8; 16] = *b"taremark/host-id";

/// Where machine-id(5) lies, and where D-Bus kept it before.
const MACHINE_IDS: [&str; 2] = ["/etc/machine-id", "/var/lib/dbus/machine-id"];
const PRODUCT_UUID: &str = "/sys/class/dmi/id/product_uuid";

/// Host, session (a new one at each call) and clock.
pub fn identity(folder: &Path) -> Identity {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let machine = MACHINE_IDS.map(read);
    let name = sysinfo::System::host_name().unwrap_or_default();
    let (host_id, from) = host_id(&machine, &read(PRODUCT_UUID), &name);
    let mut session = [0u8; 16];
    // Cannot fail on a kernel that has getrandom(2) and is up.
    let _ = rustix::rand::getrandom(&mut session, rustix::rand::GetRandomFlags::empty());
    Identity {
        host_id,
        host_id_from: from.to_owned(),
        session: hex::encode(session),
        architecture: std::env::consts::ARCH.to_owned(),
        clock_offset_s: clock_offset_s(folder),
    }
}

/// The id and what it was made of.
fn host_id(machine: &[String], product_uuid: &str, name: &str) -> (String, &'static str) {
    let hexadecimal = |text: &str| -> Option<[u8; 16]> {
        let digits: String = text.trim().chars().filter(|c| *c != '-').collect();
        let bytes: [u8; 16] = hex::decode(digits).ok()?.try_into().ok()?;
        // "uninitialized" is no number; all zeros or ones is what a firmware without one says.
        (bytes != [0; 16] && bytes != [255; 16]).then_some(bytes)
    };
    if let Some(id) = machine.iter().find_map(|m| hexadecimal(m)) {
        return (keyed(&id), "machine-id");
    }
    match hexadecimal(product_uuid) {
        Some(id) => (keyed(&id), "DMI"),
        None => (keyed(name.as_bytes()), "host name"),
    }
}

/// As sd_id128_get_machine_app_specific(3): HMAC-SHA256 of the application's constant, keyed with the secret, cut to 128 bits.
fn keyed(secret: &[u8]) -> String {
    hex::encode(&hmac(secret, &APPLICATION)[..16])
}

/// HMAC-SHA256 (RFC 2104), for keys of one block (64 bytes) at most; longer ones are hashed first.
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0u8; 64];
    if key.len() > block.len() {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let pad = |with: u8| block.map(|b| b ^ with);
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().into()
}

/// This host's clock less that of whoever stamps files in `folder`: a file server's, or its own.
fn clock_offset_s(folder: &Path) -> Option<f64> {
    let probe = tempfile::NamedTempFile::new_in(existing(folder)?).ok()?;
    std::fs::write(probe.path(), b"?").ok()?;
    let stamped = probe.as_file().metadata().ok()?.modified().ok()?;
    let seconds = |t: SystemTime| t.duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64());
    // Coarse clocks and caches of attributes: less than a second says nothing.
    Some((seconds(SystemTime::now()) - seconds(stamped)).round())
}

fn existing(folder: &Path) -> Option<&Path> {
    folder.ancestors().find(|f| f.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hmac_is_that_of_rfc_4231() {
        let data = b"what do ya want for nothing?";
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(hex::encode(hmac(b"Jefe", data)), expected);
        let long = b"Test Using Larger Than Block-Size Key - Hash Key First";
        let expected = "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54";
        assert_eq!(hex::encode(hmac(&[0xaa; 131], long)), expected);
    }

    #[test]
    fn a_host_is_known_by_the_best_that_there_is() {
        let id = "0123456789abcdef0123456789abcdef".to_owned();
        let uuid = "03000200-0400-0500-0006-000700080009";
        let (host, from) = host_id(&["uninitialized\n".into(), format!("{id}\n")], uuid, "n1");
        assert_eq!((host.len(), from), (32, "machine-id"));
        assert!(!host.contains(&id[..8]), "the machine id shows");
        assert_eq!(host_id(&[id], "", "n2").0, host, "the name does not matter");
        assert_eq!(host_id(&[String::new()], uuid, "n1").1, "DMI");
        let none = "ffffffff-ffff-ffff-ffff-ffffffffffff";
        let (first, second) = (host_id(&[], none, "n1"), host_id(&[], "", "n2"));
        assert_eq!((first.1, second.1), ("host name", "host name"));
        assert_ne!(first.0, second.0);
    }

    #[test]
    fn a_session_is_new_each_time_and_the_host_is_not() {
        let (a, b) = (identity(&std::env::temp_dir()), identity(Path::new("/tmp/not/there/yet")));
        assert_eq!(a.host_id, b.host_id);
        assert_ne!(a.session, b.session);
        assert!(a.clock_offset_s.is_some_and(|o| o.abs() < 60.0) && b.clock_offset_s.is_some());
    }
}
