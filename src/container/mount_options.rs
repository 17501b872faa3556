//! Options of a mount, as mount(8) spells them, and the recursive ones of runtime-spec 1.1 (config.md, Linux mount
//! options).

use nix::mount::MsFlags;

/// What they say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// For mount(2).
    pub flags: MsFlags,
    /// Flags that are asked to be off; of a bind mount they are taken away.
    pub cleared: MsFlags,
    /// To be set afterwards, each by a call of its own.
    pub propagation: Vec<MsFlags>,
    /// For all mounts beneath: `MOUNT_ATTR_*` to be set and to be cleared.
    pub recursive: Option<(u64, u64)>,
    /// What the image has at this place is copied into a fresh tmpfs.
    pub copy_up: bool,
    /// For the file system; None where there is none.
    pub data: Option<String>,
}

const NONE: MsFlags = MsFlags::empty();
/// MS_NOSYMFOLLOW and MS_LAZYTIME of linux/mount.h, which nix does not name.
const NOSYMFOLLOW: MsFlags = MsFlags::from_bits_retain(1 << 8);
const LAZYTIME: MsFlags = MsFlags::from_bits_retain(1 << 25);
const ATIMES: MsFlags = MsFlags::MS_NOATIME.union(MsFlags::MS_RELATIME).union(MsFlags::MS_STRICTATIME);

/// Name, flags that it sets, flags that it clears.
const PLAIN: [(&str, MsFlags, MsFlags); 36] = [
    ("defaults", NONE, NONE),
    ("acl", NONE, NONE),
    ("noacl", NONE, NONE),
    ("bind", MsFlags::MS_BIND, NONE),
    ("rbind", MsFlags::MS_BIND.union(MsFlags::MS_REC), NONE),
    ("remount", MsFlags::MS_REMOUNT, NONE),
    ("ro", MsFlags::MS_RDONLY, NONE),
    ("rw", NONE, MsFlags::MS_RDONLY),
    ("nosuid", MsFlags::MS_NOSUID, NONE),
    ("suid", NONE, MsFlags::MS_NOSUID),
    ("nodev", MsFlags::MS_NODEV, NONE),
    ("dev", NONE, MsFlags::MS_NODEV),
    ("noexec", MsFlags::MS_NOEXEC, NONE),
    ("exec", NONE, MsFlags::MS_NOEXEC),
    ("sync", MsFlags::MS_SYNCHRONOUS, NONE),
    ("async", NONE, MsFlags::MS_SYNCHRONOUS),
    ("dirsync", MsFlags::MS_DIRSYNC, NONE),
    ("mand", MsFlags::MS_MANDLOCK, NONE),
    ("nomand", NONE, MsFlags::MS_MANDLOCK),
    ("noatime", MsFlags::MS_NOATIME, NONE),
    ("atime", NONE, MsFlags::MS_NOATIME),
    ("nodiratime", MsFlags::MS_NODIRATIME, NONE),
    ("diratime", NONE, MsFlags::MS_NODIRATIME),
    ("relatime", MsFlags::MS_RELATIME, NONE),
    ("norelatime", NONE, MsFlags::MS_RELATIME),
    ("strictatime", MsFlags::MS_STRICTATIME, NONE),
    ("nostrictatime", NONE, MsFlags::MS_STRICTATIME),
    ("iversion", MsFlags::MS_I_VERSION, NONE),
    ("noiversion", NONE, MsFlags::MS_I_VERSION),
    ("lazytime", LAZYTIME, NONE),
    ("nolazytime", NONE, LAZYTIME),
    ("silent", MsFlags::MS_SILENT, NONE),
    ("loud", NONE, MsFlags::MS_SILENT),
    ("nosymfollow", NOSYMFOLLOW, NONE),
    ("symfollow", NONE, NOSYMFOLLOW),
    ("nofail", NONE, NONE),
];

const REC: MsFlags = MsFlags::MS_REC;
const PROPAGATION: [(&str, MsFlags); 8] = [
    ("private", MsFlags::MS_PRIVATE),
    ("rprivate", MsFlags::MS_PRIVATE.union(REC)),
    ("slave", MsFlags::MS_SLAVE),
    ("rslave", MsFlags::MS_SLAVE.union(REC)),
    ("shared", MsFlags::MS_SHARED),
    ("rshared", MsFlags::MS_SHARED.union(REC)),
    ("unbindable", MsFlags::MS_UNBINDABLE),
    ("runbindable", MsFlags::MS_UNBINDABLE.union(REC)),
];

/// `MOUNT_ATTR__ATIME` of linux/mount.h: the mask of the times, which are values, not bits.
const ATIME: u64 = 0x70;
/// Name, `MOUNT_ATTR_*` that it sets, and that it clears.
const RECURSIVE: [(&str, u64, u64); 18] = [
    ("rro", 0x1, 0),
    ("rrw", 0, 0x1),
    ("rnosuid", 0x2, 0),
    ("rsuid", 0, 0x2),
    ("rnodev", 0x4, 0),
    ("rdev", 0, 0x4),
    ("rnoexec", 0x8, 0),
    ("rexec", 0, 0x8),
    ("rnodiratime", 0x80, 0),
    ("rdiratime", 0, 0x80),
    ("rrelatime", 0, ATIME),
    ("rnorelatime", 0x20, ATIME),
    ("rnoatime", 0x10, ATIME),
    ("ratime", 0, ATIME),
    ("rstrictatime", 0x20, ATIME),
    ("rnostrictatime", 0, ATIME),
    ("rnosymfollow", 0x20_0000, 0),
    ("rsymfollow", 0, 0x20_0000),
];

/// The propagation of this name.
pub fn propagation(name: &str) -> Option<MsFlags> {
    PROPAGATION.iter().find(|(n, _)| *n == name).map(|(_, flags)| *flags)
}

/// Every option that is not handed to the file system.
pub fn names() -> impl Iterator<Item = &'static str> {
    let plain = PLAIN.iter().map(|(n, ..)| *n);
    let rest = PROPAGATION.iter().map(|(n, _)| *n).chain(RECURSIVE.iter().map(|(n, ..)| *n));
    plain.chain(rest).chain(["idmap", "ridmap", "tmpcopyup"])
}

/// Sorts a list of options. The last one of those that contradict each other wins.
pub fn parse(options: &[String]) -> Options {
    let (flags, cleared) = (NONE, NONE);
    let mut o =
        Options { flags, cleared, propagation: Vec::new(), recursive: None, copy_up: false, data: None };
    let mut data: Vec<&str> = Vec::new();
    for option in options {
        let name = option.as_str();
        if let Some((_, set, clear)) = PLAIN.iter().find(|(n, ..)| *n == name) {
            let replaced = if ATIMES.contains(*set) && !set.is_empty() { ATIMES } else { NONE };
            o.flags = o.flags.difference(*clear | replaced) | *set;
            o.cleared = (o.cleared | *clear).difference(*set);
        } else if let Some(flags) = propagation(name) {
            o.propagation.push(flags);
        } else if let Some((_, set, clear)) = RECURSIVE.iter().find(|(n, ..)| *n == name) {
            let (before, cleared) = o.recursive.unwrap_or((0, 0));
            o.recursive = Some(((before & !clear) | set, (cleared & !set) | clear));
        } else if name == "tmpcopyup" {
            o.copy_up = true;
        } else if !matches!(name, "idmap" | "ridmap") {
            data.push(name);
        }
    }
    o.data = (!data.is_empty()).then(|| data.join(","));
    o
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(options: &[&str]) -> Options {
        parse(&options.iter().map(|o| (*o).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn flags_propagation_and_data_are_told_apart() {
        let o = parsed(&["nosuid", "rbind", "mode=755", "ro", "rslave", "size=64k"]);
        assert_eq!(o.flags, MsFlags::MS_NOSUID | MsFlags::MS_BIND | MsFlags::MS_REC | MsFlags::MS_RDONLY);
        assert_eq!(o.propagation, [MsFlags::MS_SLAVE | MsFlags::MS_REC]);
        assert_eq!(o.data.as_deref(), Some("mode=755,size=64k"));
    }

    #[test]
    fn the_last_of_two_that_contradict_wins() {
        let o = parsed(&["ro", "rw", "noexec"]);
        assert_eq!((o.flags, o.cleared), (MsFlags::MS_NOEXEC, MsFlags::MS_RDONLY));
        assert_eq!(parsed(&["noatime", "strictatime"]).flags, MsFlags::MS_STRICTATIME);
        assert_eq!(parsed(&["rro", "rrw"]).recursive, Some((0, 1)));
        assert_eq!(parsed(&["rro", "rnoatime"]).recursive, Some((0x11, ATIME)));
    }

    #[test]
    fn every_name_is_known_and_none_is_data() {
        for name in names() {
            assert_eq!(parsed(&[name]).data, None, "{name}");
        }
    }
}
