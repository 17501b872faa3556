//! What `linux.cgroupsPath` means with systemd: `slice:prefix:name`, and where the cgroup of that unit is.

use super::SystemdError;

/// A scope in a slice.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Names {
    /// `a-b.slice`
    pub(super) slice: String,
    /// `prefix-name.scope`
    pub(super) unit: String,
}

/// `cgroups_path` may be empty; then, and where it names no slice, the slice is `default`.
pub(super) fn parse(cgroups_path: &str, id: &str, default: &str) -> Result<Names, SystemdError> {
    let wrong = |why| SystemdError::Path { path: cgroups_path.to_owned(), why };
    let (slice, prefix, name) = if cgroups_path.is_empty() {
        ("", "tarec", id)
    } else {
        let parts: Vec<&str> = cgroups_path.split(':').collect();
        let [slice, prefix, name] = parts[..] else {
            return Err(wrong("has to be slice:prefix:name"));
        };
        (slice, prefix, name)
    };
    if name.is_empty() {
        return Err(wrong("has no name"));
    }
    if name.ends_with(".slice") {
        return Err(wrong("names a slice where the container's scope has to be"));
    }
    let slice = if slice.is_empty() { default } else { slice };
    if folders(slice).is_none() {
        return Err(wrong("names no slice, as a-b.slice is one"));
    }
    let whole = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}-{name}") };
    let unit = format!("{}.scope", escape(&whole));
    // UNIT_NAME_MAX of systemd.
    if unit.len() > 255 {
        Err(wrong("makes a name of more than 255 bytes"))
    } else {
        Ok(Names { slice: slice.to_owned(), unit })
    }
}

/// Characters that no name of a unit may have, as systemd-escape(1) writes them.
fn escape(name: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b":-_.\\".contains(&b);
    name.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("\\x{b:02x}") }).collect()
}

/// The folder of a slice: `a-b.slice` is `a.slice/a-b.slice` (systemd.slice(5)). None: not the name of one.
pub(super) fn folders(slice: &str) -> Option<String> {
    let name = slice.strip_suffix(".slice")?;
    if name == "-" {
        return Some(String::new());
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.\\:".contains(c);
    let parts: Vec<&str> = name.split('-').collect();
    if parts.iter().any(|part| part.is_empty() || !part.chars().all(plain)) {
        return None;
    }
    let above: Vec<String> = (1..=parts.len()).map(|n| format!("/{}.slice", parts[..n].join("-"))).collect();
    Some(above.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_folders_in_folders() {
        assert_eq!(folders("system.slice").as_deref(), Some("/system.slice"));
        assert_eq!(folders("a-b-c.slice").as_deref(), Some("/a.slice/a-b.slice/a-b-c.slice"));
        assert_eq!(folders("-.slice").as_deref(), Some(""));
        for wrong in ["", "system", ".slice", "a--b.slice", "-a.slice", "a-.slice", "a/b.slice", "../x.slice"]
        {
            assert_eq!(folders(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_path_names_slice_and_scope() {
        let names = |path| parse(path, "an+id", "system.slice").map(|n| (n.slice, n.unit));
        let ok = |slice: &str, unit: &str| (slice.to_owned(), unit.to_owned());
        assert_eq!(names("").expect("default"), ok("system.slice", "tarec-an\\x2bid.scope"));
        assert_eq!(names("machine.slice:libpod:x").expect("three"), ok("machine.slice", "libpod-x.scope"));
        assert_eq!(names("::x").expect("name"), ok("system.slice", "x.scope"));
        for wrong in
            ["/a/b", "a:b", "a.slice:b:", "a:b:c", "x/y.slice:b:c", "a.slice:b:c.slice", "a.slice:b:c:d"]
        {
            let error = names(wrong).expect_err(wrong).to_string();
            assert!(error.starts_with(&format!("linux.cgroupsPath {wrong:?} ")), "{error}");
        }
        parse(&format!("::{}", "x".repeat(300)), "i", "a.slice").expect_err("too long");
    }
}
