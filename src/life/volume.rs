//! `-v HOST:CONTAINER[:ro]`.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A file or folder of the host that is seen in the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Absolute, on the host.
    pub host: PathBuf,
    /// Absolute, in the container.
    pub inside: PathBuf,
    /// Cannot be written.
    pub read_only: bool,
}

/// Reads one `-v`. The host's path has to exist; a relative one begins with `.`, as for podman.
pub fn parse(text: &str) -> Result<Volume, String> {
    let bad = |why: &str| format!("{text:?}: {why}; use HOST:CONTAINER[:ro]");
    let mut parts = text.split(':');
    let (host, inside, options) = match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(host), Some(inside), options, None) => (host, inside, options.unwrap_or("rw")),
        _ => return Err(bad("it has two or three parts")),
    };
    if !host.starts_with(['/', '.']) {
        return Err(bad("volumes with a name are not kept here: give a path of the host"));
    }
    if !inside.starts_with('/') || inside == "/" {
        return Err(bad("the container's path is absolute and not its root"));
    }
    let mut read_only = false;
    for option in options.split(',') {
        match option {
            "ro" => read_only = true,
            // The labels of SELinux and the propagation that is the default anyway.
            "rw" | "z" | "Z" | "rbind" | "bind" | "rprivate" | "private" => {}
            _ => return Err(bad("the only options are ro and rw")),
        }
    }
    let found = std::fs::canonicalize(host).map_err(|e| format!("{host}: {e}"))?;
    Ok(Volume { host: found, inside: inside.into(), read_only })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_are_read() {
        let v = parse("/tmp:/data:ro").expect("volume");
        assert_eq!((v.inside.to_str(), v.read_only), (Some("/data"), true));
        assert!(!parse("/tmp:/data").expect("volume").read_only);
        for bad in ["/tmp", "data:/data", "/tmp:data", "/tmp:/", "/tmp:/a:xx", "/no/such:/a", "/tmp:/a:ro:b"]
        {
            parse(bad).expect_err(bad);
        }
    }
}
