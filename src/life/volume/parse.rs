//! `-v [SOURCE:]CONTAINER[:OPTIONS]` and `--mount type=…,…`, with podman's words where something is wrong.

use super::Volume;
use crate::life::names;
use std::path::{Component, Path, PathBuf};

/// Reads one `-v`. A path of the host has to exist, and begins with `/` or `.`; anything else is a volume's name. With
/// no source it is a volume that nobody gave a name.
pub fn parse(text: &str) -> Result<Volume, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, inside, options) = match parts[..] {
        [inside] => (None, inside, ""),
        [source, inside] => (Some(source), inside, ""),
        [source, inside, options] => (Some(source), inside, options),
        _ => {
            return Err(format!(
                "{text}: incorrect volume format, should be [SOURCE:]CONTAINER-DIR[:OPTIONS]"
            ));
        }
    };
    let mut volume = Volume { inside: place(inside)?, ..of(source)? };
    for option in options.split(',').filter(|o| !o.is_empty()) {
        match option {
            "ro" => volume.read_only = true,
            "nocopy" => volume.copy_up = false,
            // The labels of SELinux, and what is the default anyway.
            "rw" | "z" | "Z" | "copy" | "rbind" | "bind" | "rprivate" | "private" => {}
            "U" | "O" | "exec" | "noexec" | "dev" | "nodev" | "suid" | "nosuid" | "shared" | "rshared"
            | "slave" | "rslave" | "unbindable" | "runbindable" | "idmap" => {
                return Err(format!(
                    "{text}: option {option:?} is not there; ro, rw, z, Z, copy and nocopy are"
                ));
            }
            other => return Err(format!("invalid option type {other:?}")),
        }
    }
    Ok(volume)
}

fn of(source: Option<&str>) -> Result<Volume, String> {
    match source {
        None => Ok(Volume::anonymous(PathBuf::new())),
        Some("") => Err("host directory cannot be empty".into()),
        Some(path) if path.starts_with(['/', '.']) => {
            let host = std::fs::canonicalize(path).map_err(|e| format!("statfs {path}: {e}"))?;
            Ok(Volume { host, ..Volume::default() })
        }
        Some(name) if names::is_valid(name) => {
            Ok(Volume { name: Some(name.to_owned()), copy_up: true, ..Volume::default() })
        }
        Some(name) => Err(format!(
            "{name:?} is no volume's name: names must match [a-zA-Z0-9][a-zA-Z0-9_.-]* (a path of the host begins with / or .)"
        )),
    }
}

/// The path in the container, without what changes nothing.
fn place(text: &str) -> Result<PathBuf, String> {
    if !text.starts_with('/') {
        return Err(format!("invalid container path {text:?}, must be an absolute path"));
    }
    let path: PathBuf = Path::new(text).components().collect();
    if path.components().any(|c| c == Component::ParentDir) || path == Path::new("/") {
        return Err(format!("invalid container path {text:?}, it may neither be / nor have .. in it"));
    }
    Ok(path)
}

/// Reads one `--mount`: `type=bind|volume,source=…,destination=…[,ro]`.
pub fn parse_mount(text: &str) -> Result<Volume, String> {
    let (mut kind, mut source, mut inside, mut read_only, mut copy) = ("volume", None, None, false, true);
    for field in text.split(',') {
        let (key, value) = field.split_once('=').unwrap_or((field, "true"));
        let yes = || match value {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(format!("{text}: {key} is true or false")),
        };
        match key {
            "type" => kind = value,
            "source" | "src" => source = Some(value),
            "destination" | "dst" | "target" => inside = Some(value),
            "ro" | "readonly" => read_only = yes()?,
            "rw" => read_only = !yes()?,
            "volume-nocopy" => copy = !yes()?,
            "bind-propagation" if matches!(value, "private" | "rprivate") => {}
            _ => return Err(format!("{text}: invalid mount option {field:?}")),
        }
    }
    let inside = place(inside.ok_or_else(|| format!("{text}: must set volume destination"))?)?;
    let from = match (kind, source) {
        ("bind", None | Some("")) => return Err(format!("{text}: a bind mount has a source")),
        ("bind", Some(path)) if !path.starts_with(['/', '.']) => of(Some(&format!("./{path}")))?,
        ("volume", Some(name)) if name.starts_with(['/', '.']) => {
            return Err(format!("{text}: {name} is a path; with type=volume the source is a name"));
        }
        ("bind" | "volume", source) => of(source)?,
        (other, _) => return Err(format!("{text}: type {other:?} is not there; bind and volume are")),
    };
    let copy_up = from.copy_up && copy;
    Ok(Volume { inside, read_only, copy_up, ..from })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_are_read() {
        let v = parse("/tmp:/data/:ro,z").expect("volume");
        assert_eq!((v.inside.to_str(), v.read_only, v.name.as_deref()), (Some("/data"), true, None));
        assert!(!parse("/tmp:/data").expect("volume").read_only);
        let v = parse("data:/data:nocopy").expect("named");
        assert_eq!((v.name.as_deref(), v.anonymous, v.copy_up), (Some("data"), false, false));
        let v = parse("/data").expect("anonymous");
        assert_eq!((v.name.as_deref(), v.anonymous, v.copy_up), (Some(""), true, true));
        for (bad, why) in [
            ("tmp", "absolute"),
            ("/tmp:data", "absolute"),
            ("/tmp:/", "neither be /"),
            ("/tmp:/a/../..", "neither be /"),
            ("/tmp:/a:xx", "invalid option type \"xx\""),
            ("/tmp:/a:noexec", "is not there"),
            ("/no/such:/a", "statfs /no/such: No such file"),
            ("/tmp:/a:ro:b", "incorrect volume format"),
            (":/a", "cannot be empty"),
            ("a/b:/x", "names must match"),
        ] {
            let e = parse(bad).expect_err(bad);
            assert!(e.contains(why), "{bad}: {e}");
        }
    }

    #[test]
    fn mounts_are_read() {
        assert_eq!(parse_mount("type=bind,src=/tmp,dst=/a,ro"), parse("/tmp:/a:ro"));
        assert_eq!(parse_mount("source=data,target=/a,readonly=false"), parse("data:/a"));
        assert_eq!(parse_mount("type=volume,destination=/a"), parse("/a"));
        for bad in
            ["type=bind,dst=/a", "type=tmpfs,dst=/a", "src=a", "dst=/a,x=y", "src=/tmp,dst=/a", "dst=/a,ro=x"]
        {
            parse_mount(bad).expect_err(bad);
        }
    }
}
