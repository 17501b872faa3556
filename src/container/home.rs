//! HOME, for a process whose environment has none: from the container's /etc/passwd, as runc and crun set it and Docker
//! relies on.

use super::config::RuntimeConfig;
use super::open::open_at;
use super::rootfs::LOWER;
use rustix::fs::{CWD, FileType, OFlags, ResolveFlags};
use std::io::Read;

/// Most of the file that is read, bytes. It is the image's, and can be anything.
const MOST: u64 = 1 << 20;

/// `HOME=…` of this user; `/` where the file does not know it.
pub fn of(uid: u32) -> String {
    let text = passwd().unwrap_or_default();
    let home = text.lines().find_map(|line| of_line(line, uid)).unwrap_or("/");
    format!("HOME={home}")
}

/// Not in the suite's own bundles, whose environment is the same on every target.
pub fn is_ours_to_set(config: &RuntimeConfig) -> bool {
    !config.annotations.contains_key(LOWER)
}

/// name:password:uid:gid:comment:home:shell (passwd(5))
fn of_line(line: &str, uid: u32) -> Option<&str> {
    let fields: Vec<&str> = line.split(':').collect();
    let is_it = fields.get(2).is_some_and(|field| field.parse() == Ok(uid));
    fields.get(5).filter(|home| is_it && home.starts_with('/') && !home.contains('\0')).copied()
}

fn passwd() -> Option<String> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = open_at(CWD, "/etc/passwd", flags, ResolveFlags::NO_MAGICLINKS).ok()?;
    if !FileType::from_raw_mode(rustix::fs::fstat(&file).ok()?.st_mode).is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    std::fs::File::from(file).take(MOST).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::of_line;

    #[test]
    fn a_home_is_an_absolute_path_of_the_very_user() {
        assert_eq!(of_line("root:x:0:0:root:/root:/bin/sh", 0), Some("/root"));
        for other in ["u:x:1:1::/home/u:", "u:x:0:1::relative:", "u:x:0", "", "u:x:00000000000:1:/h"] {
            assert_eq!(of_line(other, 0), None, "{other}");
        }
    }
}
