//! `user[:group]` of an image -> numbers, by the image's own /etc/passwd and /etc/group.

use super::error::{ImageError, io};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, openat2, statat};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Most bytes of either file.
const MOST: u64 = 16 << 20;

/// A line of /etc/passwd.
struct User<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
}

/// User, group, supplementary groups. As image-spec, config.md ("User") says: a name or number, and where no group is
/// given, the user's own and those that list it.
pub(super) fn resolve(user: &str, layers: &[PathBuf]) -> Result<(u32, u32, Vec<u32>), ImageError> {
    let (who, group) = user.split_once(':').map_or((user, None), |(u, g)| (u, Some(g)));
    let who = if who.is_empty() { "0" } else { who };
    let refuse = |why: String| ImageError::User { user: user.to_owned(), why };
    let passwd = find(layers, "etc/passwd")?.unwrap_or_default();
    let groups = find(layers, "etc/group")?.unwrap_or_default();
    let number = who.parse::<u32>().ok();
    let known = passwd.lines().filter_map(passwd_line).find(|u| u.name == who || number == Some(u.uid));
    let uid = known.as_ref().map(|u| u.uid).or(number);
    let uid = uid.ok_or_else(|| refuse(format!("no line for {who} in its /etc/passwd")))?;
    if let Some(group) = group {
        let by_name = || groups.lines().filter_map(group_line).find(|g| g.0 == group).map(|g| g.1);
        let gid = group.parse().ok().or_else(by_name);
        let gid = gid.ok_or_else(|| refuse(format!("no line for {group} in its /etc/group")))?;
        return Ok((uid, gid, Vec::new()));
    }
    let Some(known) = known else { return Ok((uid, 0, Vec::new())) };
    let lists = |members: &str| members.split(',').any(|m| m == known.name);
    let others =
        groups.lines().filter_map(group_line).filter(|g| lists(g.2) && g.1 != known.gid).map(|g| g.1);
    let mut others: Vec<u32> = others.collect();
    others.sort_unstable();
    others.dedup();
    Ok((uid, known.gid, others))
}

fn passwd_line(line: &str) -> Option<User<'_>> {
    let mut fields = line.split(':');
    let name = fields.next()?;
    let uid = fields.nth(1)?.parse().ok()?;
    Some(User { name, uid, gid: fields.next()?.parse().ok()? })
}

/// Name, number and members.
fn group_line(line: &str) -> Option<(&str, u32, &str)> {
    let mut fields = line.split(':');
    let name = fields.next()?;
    let gid = fields.nth(1)?.parse().ok()?;
    Some((name, gid, fields.next().unwrap_or_default()))
}

/// The uppermost layer's file at `path`; a link is followed beneath that layer's root only.
fn find(layers: &[PathBuf], path: &str) -> Result<Option<String>, ImageError> {
    for layer in layers {
        let shown = layer.join(path);
        let failed = |e: rustix::io::Errno| io("open", &shown)(e.into());
        let root = rustix::fs::open(layer, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(failed)?;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        match openat2(&root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS)
        {
            Ok(file) => return read(File::from(file), &shown),
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => {}
            // A whiteout is a device that cannot be opened.
            Err(rustix::io::Errno::NXIO) => return Ok(None),
            Err(e) => return Err(failed(e)),
        }
        if hides_below(&root, path) {
            return Ok(None);
        }
    }
    Ok(None)
}

fn read(file: File, shown: &Path) -> Result<Option<String>, ImageError> {
    let about = file.metadata().map_err(io("look at", shown))?;
    if !about.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    file.take(MOST).read_to_end(&mut bytes).map_err(io("read", shown))?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// Whether the layer hides `path`'s folder in the layers below it.
fn hides_below(root: &std::os::fd::OwnedFd, path: &str) -> bool {
    let dir = path.split('/').next().unwrap_or_default();
    let whiteout = statat(root, dir, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|s| FileType::from_raw_mode(s.st_mode) != FileType::Directory);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opaque = rustix::fs::openat(root, dir, flags, Mode::empty())
        .is_ok_and(|fd| rustix::fs::fgetxattr(fd, super::tree::OPAQUE, &mut [0u8; 8][..]).is_ok());
    whiteout || opaque
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> (tempfile::TempDir, Vec<PathBuf>) {
        let dir = tempfile::tempdir().expect("folder");
        let layers = ["upper", "lower"].map(|l| dir.path().join(l));
        for layer in &layers {
            std::fs::create_dir_all(layer.join("etc")).expect("folder");
        }
        let passwd = "root:x:0:0::/root:/bin/sh\nbroken\nredis:x:101:102::/:/bin/false\n";
        std::fs::write(layers[1].join("etc/passwd"), passwd).expect("passwd");
        let group = "root:x:0:\nredis:x:102:\nssl:x:103:www,redis\ntty:x:5:redis\n";
        std::fs::write(layers[0].join("etc/group"), group).expect("group");
        (dir, layers.to_vec())
    }

    #[test]
    fn names_and_numbers_with_and_without_groups() {
        let (_dir, layers) = image();
        let of = |user: &str| resolve(user, &layers).expect(user);
        assert_eq!(of(""), (0, 0, vec![]));
        assert_eq!(of("redis"), (101, 102, vec![5, 103]));
        assert_eq!(of("101"), (101, 102, vec![5, 103]));
        assert_eq!(of("redis:ssl"), (101, 103, vec![]));
        assert_eq!(of("7:8"), (7, 8, vec![]));
        assert_eq!(of("7"), (7, 0, vec![]));
        let e = resolve("nobody", &layers).expect_err("unknown").to_string();
        assert_eq!(e, "user \"nobody\" of the image: no line for nobody in its /etc/passwd");
        resolve("redis:none", &layers).expect_err("unknown group");
        resolve("-1", &layers).expect_err("no number");
    }

    #[test]
    fn a_link_out_of_the_layer_is_not_followed_outside() {
        let (_dir, layers) = image();
        std::fs::remove_file(layers[1].join("etc/passwd")).expect("remove");
        std::os::unix::fs::symlink("/etc/passwd", layers[0].join("etc/passwd")).expect("link");
        resolve("root", &layers).expect_err("the host's file was read");
    }
}
