//! Ids and names.

use super::error::{LifeError, io};
use std::io::Read;
use std::path::Path;

const ADJECTIVES: [&str; 32] = [
    "amber", "brave", "brisk", "calm", "clever", "cosy", "crisp", "eager", "fair", "fond", "gentle", "glad",
    "golden", "grand", "happy", "humble", "jolly", "keen", "kind", "light", "lively", "merry", "mild",
    "neat", "noble", "plain", "proud", "quick", "quiet", "ripe", "sharp", "warm",
];
/// People who weighed and measured.
const PEOPLE: [&str; 32] = [
    "agnesi",
    "archimedes",
    "banneker",
    "bessel",
    "boyle",
    "cavendish",
    "celsius",
    "curie",
    "delambre",
    "eotvos",
    "eratosthenes",
    "faraday",
    "galilei",
    "gauss",
    "germain",
    "hooke",
    "huygens",
    "joule",
    "kelvin",
    "lavoisier",
    "mechain",
    "meitner",
    "michelson",
    "napier",
    "noether",
    "nobel",
    "ohm",
    "rumford",
    "somerville",
    "tycho",
    "volta",
    "watt",
];

fn random(bytes: &mut [u8]) -> Result<(), LifeError> {
    let path = Path::new("/dev/urandom");
    std::fs::File::open(path).and_then(|mut f| f.read_exact(bytes)).map_err(io("read", path))
}

/// 64 hexadecimal digits at random.
pub fn new_id() -> Result<String, LifeError> {
    let mut bytes = [0u8; 32];
    random(&mut bytes)?;
    Ok(hex::encode(bytes))
}

/// A name at random that `taken` does not know.
pub fn new_name(taken: impl Fn(&str) -> bool) -> Result<String, LifeError> {
    for round in 0.. {
        let mut bytes = [0u8; 3];
        random(&mut bytes)?;
        let pick = |list: [&'static str; 32], at: u8| list[usize::from(at) % list.len()];
        let mut name = format!("{}_{}", pick(ADJECTIVES, bytes[0]), pick(PEOPLE, bytes[1]));
        if round > 8 {
            name += &bytes[2].to_string();
        }
        if round > 64 {
            name += &format!("_{round}");
        }
        if !taken(&name) {
            return Ok(name);
        }
    }
    unreachable!("the range has no end")
}

/// Letters, digits, `_`, `.`, `-`; a letter or digit first; at most 128. Also a host name, a file name and a word of
/// /etc/hosts.
pub fn is_valid(name: &str) -> bool {
    let ok = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    (1..=128).contains(&name.len())
        && name.chars().all(ok)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_names() {
        let id = new_id().expect("id");
        assert!(id.len() == 64 && id != new_id().expect("id"));
        let name = new_name(|n| !n.ends_with(char::is_numeric)).expect("name");
        assert!(is_valid(&name) && name.ends_with(char::is_numeric), "{name}");
        for bad in ["", "-a", "a b", "a/b", "..", &"x".repeat(129)] {
            assert!(!is_valid(bad), "{bad:?}");
        }
    }
}
