//! Copying files as a tar archive: what is copied, where it belongs, packing and unpacking. One side of it may run in a
//! guest ([`super::copy_program`]), the other on the host (`life::cp`).
//!
//! A folder is packed with the names beneath it (`./a/b`), anything else as one entry. So the receiver alone decides
//! what the copy is called, and an archive from a guest, which nobody trusts, cannot name anything outside of it.

use super::error::{GuestError, failed};
use serde::{Deserialize, Serialize};
use std::io::{Error, Read, Write};
use std::path::{Path, PathBuf};
use tar::EntryType;

/// What is copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Where it is.
    pub path: PathBuf,
    /// A folder.
    pub is_dir: bool,
    /// `DIR/.`: what is in it, not itself.
    pub contents: bool,
    /// Its last part.
    pub name: PathBuf,
}

fn on(path: &Path) -> String {
    path.display().to_string()
}

/// Looks at what is to be copied.
pub fn source(path: &str) -> Result<Source, GuestError> {
    let contents = path.ends_with("/.") || path == ".";
    let path = PathBuf::from(path);
    let about = std::fs::symlink_metadata(&path).map_err(failed("find", on(&path)))?;
    // A link that is named with a slash after it is its target.
    let is_dir = about.is_dir() || (contents && path.is_dir());
    let name = path.file_name().map_or_else(|| PathBuf::from("."), PathBuf::from);
    Ok(Source { path, is_dir, contents, name })
}

/// Path of the copy.
pub fn destination(path: &str, from: &Source) -> Result<PathBuf, GuestError> {
    let to = PathBuf::from(path);
    let not = |why: &str| Err(failed("copy to", path)(Error::other(why.to_owned())));
    if to.is_dir() {
        return Ok(if from.contents { to } else { to.join(&from.name) });
    }
    if to.symlink_metadata().is_ok() && from.is_dir {
        return not("that is a file, and a folder cannot be copied over it");
    }
    if path.ends_with('/') && !from.is_dir {
        return not("that is no folder");
    }
    let parent = to.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !parent.is_dir() {
        return not("there is no folder that it could be put in");
    }
    Ok(to)
}

/// Packs it; for a reader of its own (`-`) with its name.
pub fn pack(source: &Source, named: bool, to: impl Write) -> Result<(), GuestError> {
    let mut archive = tar::Builder::new(to);
    archive.follow_symlinks(false);
    let here = Path::new(".");
    let added = if source.is_dir {
        archive.append_dir_all(if named && !source.contents { &source.name } else { here }, &source.path)
    } else {
        archive.append_path_with_name(&source.path, &source.name)
    };
    added.and_then(|()| archive.finish()).map_err(failed("read", on(&source.path)))
}

fn archive<R: Read>(from: R) -> tar::Archive<R> {
    let mut archive = tar::Archive::new(from);
    archive.set_preserve_permissions(true);
    archive.set_preserve_ownerships(nix::unistd::geteuid().is_root());
    archive.set_preserve_mtime(true);
    archive.set_overwrite(true);
    archive
}

/// Unpacks what [`pack`] made; `to` is the copy itself.
pub fn unpack(from: impl Read, source: &Source, to: &Path) -> Result<(), GuestError> {
    let wrong = |e| failed("write", on(to))(e);
    let mut archive = archive(from);
    let is_new = to.symlink_metadata().is_err();
    if source.is_dir && is_new {
        std::fs::create_dir(to).map_err(failed("create", on(to)))?;
    }
    // Their rights and times come last: a folder may be read-only, and what is put into it changes its time.
    let mut folders = Vec::new();
    for (n, entry) in archive.entries().map_err(wrong)?.enumerate() {
        let mut entry = entry.map_err(wrong)?;
        let kind = entry.header().entry_type();
        let plain = matches!(kind, EntryType::Regular | EntryType::Continuous | EntryType::Symlink);
        match (source.is_dir, kind) {
            (true, EntryType::Directory) => folders.push(entry),
            (true, _) if plain => {
                entry.unpack_in(to).map_err(wrong)?;
            }
            (false, _) if plain && n == 0 => drop(entry.unpack(to).map_err(wrong)?),
            // Sockets, pipes and devices stay where they are.
            (true, EntryType::Char | EntryType::Block | EntryType::Fifo) => {}
            _ => {
                return Err(wrong(Error::other(format!(
                    "the archive has an entry that is none of {}",
                    on(&source.name)
                ))));
            }
        }
    }
    // Empty ones are made now, and the deepest is the last to be made and the first to be closed.
    folders.sort_by_cached_key(|f| std::cmp::Reverse(f.path().map_or(0, |p| p.components().count())));
    for mut folder in folders {
        let itself = folder.path().is_ok_and(|p| p.components().all(|c| c == std::path::Component::CurDir));
        if !itself {
            // The crate would take a link for its folder, and change the rights of what it leads to.
            let is_link = folder.path().is_ok_and(|p| to.join(&p).is_symlink());
            if is_link {
                return Err(wrong(Error::other("the archive has a link and a folder of one name")));
            }
            folder.unpack_in(to).map_err(wrong)?;
        } else if is_new {
            folder.unpack(to).map_err(wrong)?;
        }
    }
    Ok(())
}

/// Unpacks an archive of somebody's own making in a folder.
pub fn unpack_any(from: impl Read, to: &Path) -> Result<(), GuestError> {
    if !to.is_dir() {
        return Err(failed("copy to", on(to))(Error::other("that is no folder of the container")));
    }
    archive(from).unpack(to).map_err(failed("write", on(to)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(dir: &Path) -> PathBuf {
        let from = dir.join("from");
        std::fs::create_dir_all(from.join("sub/empty")).expect("folder");
        std::fs::write(from.join("sub/file"), "deep").expect("file");
        std::os::unix::fs::symlink("/no/where", from.join("link")).expect("link");
        from
    }

    fn copy(from: &str, to: &str) -> Result<PathBuf, GuestError> {
        let source = source(from)?;
        let mut bytes = Vec::new();
        pack(&source, false, &mut bytes)?;
        let to = destination(to, &source)?;
        unpack(&bytes[..], &source, &to).map(|()| to)
    }

    #[test]
    fn a_copy_is_called_what_its_receiver_says() {
        let dir = tempfile::tempdir().expect("folder");
        let from = tree(dir.path()).display().to_string();
        let to = dir.path().join("to").display().to_string();
        let new = copy(&from, &to).expect("to a new name");
        assert_eq!(std::fs::read_to_string(new.join("sub/file")).expect("file"), "deep");
        assert!(new.join("sub/empty").is_dir());
        assert_eq!(std::fs::read_link(new.join("link")).expect("link"), Path::new("/no/where"));
        assert!(copy(&from, &to).expect("into a folder").ends_with("to/from"));
        assert!(copy(&format!("{from}/."), &to).expect("what is in it").ends_with("to"));
        assert!(
            copy(&format!("{from}/sub/file"), &format!("{to}/other")).expect("a file").ends_with("other")
        );
        for (from, to, why) in [
            (from.as_str(), format!("{to}/other"), "over it"),
            (&format!("{from}/sub/file"), format!("{to}/none/"), "no folder"),
            (&format!("{from}/sub/file"), format!("{to}/none/x"), "put in"),
            ("/no/such", to.clone(), "/no/such"),
        ] {
            let e = copy(from, &to).expect_err(&to).to_string();
            assert!(e.contains(why), "{e}");
        }
    }

    /// An archive of one's own making: (kind, name, link or text).
    fn crafted(entries: &[(EntryType, &str, &str)]) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        for (kind, name, text) in entries {
            let mut header = tar::Header::new_gnu();
            header.as_gnu_mut().expect("gnu").name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(*kind);
            header.set_mode(0o755);
            let is_file = kind.is_file();
            if !is_file && !text.is_empty() {
                header.set_link_name_literal(text).expect("link");
            }
            let body = if is_file { text.as_bytes() } else { b"" };
            header.set_size(body.len() as u64);
            header.set_cksum();
            archive.append(&header, body).expect("entry");
        }
        archive.into_inner().expect("archive")
    }

    #[test]
    fn nothing_beside_the_copy_is_written_whatever_an_archive_says() {
        use EntryType::{Directory, Link, Regular, Symlink};
        let dir = tempfile::tempdir().expect("folder");
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(dir.path(), private).expect("rights");
        let outside = dir.path().join("outside");
        std::fs::write(&outside, "untouched").expect("file");
        let out = outside.display().to_string();
        let folder = dir.path().display().to_string();
        let attacks: [&[(EntryType, &str, &str)]; 9] = [
            &[(Symlink, "./l", &folder), (Directory, "./l", "")],
            &[(Regular, "../outside", "evil")],
            &[(Regular, &out, "evil")],
            &[(Symlink, "./l", &folder), (Regular, "./l/outside", "evil")],
            &[(Link, "./h", &out), (Regular, "./h", "evil")],
            &[(Symlink, ".", &folder), (Regular, "./outside", "evil")],
            &[(Symlink, "./o", &out), (Regular, "./o", "evil")],
            &[(Regular, "one", "x"), (Regular, "../outside", "evil")],
            &[(Symlink, "one", &folder), (Directory, "one", ""), (Regular, "one/outside", "evil")],
        ];
        for (n, attack) in attacks.into_iter().enumerate() {
            for is_dir in [true, false] {
                let to = dir.path().join(format!("to{n}{is_dir}"));
                let source = Source { path: "/x".into(), is_dir, contents: false, name: "x".into() };
                let _ = unpack(&crafted(attack)[..], &source, &to);
                assert_eq!(std::fs::read_to_string(&outside).expect("file"), "untouched", "{n} {is_dir}");
                let mode = std::os::unix::fs::PermissionsExt::mode(
                    &dir.path().metadata().expect("folder").permissions(),
                );
                assert_eq!(mode & 0o777, 0o700, "{n} {is_dir}: the rights of another folder were changed");
                let one = format!("to{n}{is_dir}");
                for entry in std::fs::read_dir(dir.path()).expect("list").flatten() {
                    let name = entry.file_name().to_string_lossy().into_owned();
                    assert!(name == "outside" || name == one, "{n} {is_dir}: {name} was made");
                }
                let _ = std::fs::remove_dir_all(&to);
                let _ = std::fs::remove_file(&to);
            }
        }
    }
}
