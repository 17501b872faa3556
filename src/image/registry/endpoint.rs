//! From a reference to a registry's host and repository.

use super::error::RegistryError;
use crate::image::reference::Reference;

/// Docker Hub's name in references, and the host that serves its registry.
const HUB: (&str, &str) = ("docker.io", "registry-1.docker.io");

/// Where a repository is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// As references and credentials name it: `host[:port]`.
    pub host: String,
    /// Where requests go.
    pub server: String,
    /// Path within.
    pub repository: String,
}

impl Endpoint {
    /// Of a reference, whose first part has to be a host.
    pub fn of(reference: &Reference) -> Result<Self, RegistryError> {
        let name = &reference.name;
        let none = || RegistryError::NoHost(name.clone());
        let (host, path) = name.split_once('/').ok_or_else(none)?;
        if !(host.contains(['.', ':']) || host == "localhost") {
            return Err(none());
        }
        let hub = host == HUB.0 || host == "index.docker.io";
        let host = if hub { HUB.0 } else { host };
        let repository = if hub && !path.contains('/') { format!("library/{path}") } else { path.to_owned() };
        let server = if hub { HUB.1 } else { host };
        Ok(Self { host: host.to_owned(), server: server.to_owned(), repository })
    }
}

/// `scheme://host:port` of a URL.
pub(super) fn origin(url: &str) -> &str {
    let from = url.find("://").map_or(0, |i| i + 3);
    let end = url[from..].find(['/', '?', '#']).map_or(url.len(), |i| from + i);
    &url[..end]
}

/// A `Location`, which may be whole, or relative to `base` (RFC 3986, 5.2, without dot segments: nobody sends them).
pub(super) fn joined(base: &str, location: &str) -> String {
    let origin = origin(base);
    if location.starts_with("http://") || location.starts_with("https://") {
        location.to_owned()
    } else if location.starts_with("//") {
        format!("{}:{location}", origin.split("://").next().unwrap_or("https"))
    } else if location.starts_with('/') {
        format!("{origin}{location}")
    } else {
        let path = base.split(['?', '#']).next().unwrap_or(base);
        let folder = path.rfind('/').filter(|i| *i > origin.len()).map_or(path.len(), |i| i);
        format!("{}/{location}", &path[..folder])
    }
}

/// With one more parameter.
pub(super) fn with_query(url: &str, key: &str, value: &str) -> String {
    let sign = if url.contains('?') { '&' } else { '?' };
    format!("{url}{sign}{key}={}", escaped(value))
}

/// Percent-encoding of all but what may stand in a query as it is (RFC 3986, 3.4).
pub(super) fn escaped(text: &str) -> String {
    use std::fmt::Write;
    text.bytes().fold(String::new(), |mut all, b| {
        if b.is_ascii_alphanumeric() || b"-._~:/,@".contains(&b) {
            all.push(char::from(b));
        } else {
            let _ = write!(all, "%{b:02X}");
        }
        all
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_repositories() {
        let of = |text: &str| {
            let e = Endpoint::of(&text.parse().expect(text))?;
            Ok::<_, RegistryError>(format!("{} {} {}", e.host, e.server, e.repository))
        };
        assert_eq!(of("localhost:5000/a/b:1").expect("port"), "localhost:5000 localhost:5000 a/b");
        assert_eq!(of("docker.io/redis").expect("hub"), "docker.io registry-1.docker.io library/redis");
        assert_eq!(of("docker.io/a/b").expect("hub"), "docker.io registry-1.docker.io a/b");
        assert_eq!(of("quay.io/a").expect("other"), "quay.io quay.io a");
        for bad in ["redis", "taremark/load"] {
            assert!(matches!(of(bad), Err(RegistryError::NoHost(_))), "{bad}");
        }
    }

    #[test]
    fn locations_are_joined() {
        let base = "https://h:1/v2/a/blobs/uploads/";
        for (location, whole) in [
            ("http://o/x?y=1", "http://o/x?y=1"),
            ("/v2/a/x", "https://h:1/v2/a/x"),
            ("//o/x", "https://o/x"),
            ("x?y", "https://h:1/v2/a/blobs/uploads/x?y"),
        ] {
            assert_eq!(joined(base, location), whole);
        }
        assert_eq!(joined("https://h", "x"), "https://h/x");
        assert_eq!(origin("https://h:1?x=/"), "https://h:1");
        assert_eq!(
            with_query("https://h/u?s=1", "digest", "sha256:a b&c"),
            "https://h/u?s=1&digest=sha256:a%20b%26c"
        );
    }
}
