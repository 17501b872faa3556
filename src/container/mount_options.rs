//! Options of a mount, as mount(8) spells them.

use nix::mount::MsFlags;

/// What they say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// For mount(2).
    pub flags: MsFlags,
    /// To be set afterwards, each by a call of its own.
    pub propagation: Vec<MsFlags>,
    /// For the file system; None where there is none.
    pub data: Option<String>,
}

/// Sorts a list of options.
pub fn parse(options: &[String]) -> Options {
    let mut parsed = Options { flags: MsFlags::empty(), propagation: Vec::new(), data: None };
    let mut data: Vec<&str> = Vec::new();
    for option in options {
        match option.as_str() {
            "bind" => parsed.flags |= MsFlags::MS_BIND,
            "rbind" => parsed.flags |= MsFlags::MS_BIND | MsFlags::MS_REC,
            "ro" => parsed.flags |= MsFlags::MS_RDONLY,
            "nosuid" => parsed.flags |= MsFlags::MS_NOSUID,
            "nodev" => parsed.flags |= MsFlags::MS_NODEV,
            "noexec" => parsed.flags |= MsFlags::MS_NOEXEC,
            "sync" => parsed.flags |= MsFlags::MS_SYNCHRONOUS,
            "dirsync" => parsed.flags |= MsFlags::MS_DIRSYNC,
            "noatime" => parsed.flags |= MsFlags::MS_NOATIME,
            "nodiratime" => parsed.flags |= MsFlags::MS_NODIRATIME,
            "relatime" => parsed.flags |= MsFlags::MS_RELATIME,
            "strictatime" => parsed.flags |= MsFlags::MS_STRICTATIME,
            "defaults" | "rw" | "suid" | "dev" | "exec" | "async" | "atime" | "diratime" => {}
            "private" => parsed.propagation.push(MsFlags::MS_PRIVATE),
            "rprivate" => parsed.propagation.push(MsFlags::MS_PRIVATE | MsFlags::MS_REC),
            "slave" => parsed.propagation.push(MsFlags::MS_SLAVE),
            "rslave" => parsed.propagation.push(MsFlags::MS_SLAVE | MsFlags::MS_REC),
            "shared" => parsed.propagation.push(MsFlags::MS_SHARED),
            "rshared" => parsed.propagation.push(MsFlags::MS_SHARED | MsFlags::MS_REC),
            "unbindable" => parsed.propagation.push(MsFlags::MS_UNBINDABLE),
            "runbindable" => parsed.propagation.push(MsFlags::MS_UNBINDABLE | MsFlags::MS_REC),
            other => data.push(other),
        }
    }
    parsed.data = (!data.is_empty()).then(|| data.join(","));
    parsed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_propagation_and_data_are_told_apart() {
        let options = ["nosuid", "rbind", "mode=755", "ro", "rslave", "size=64k"].map(String::from);
        let o = parse(&options);
        assert_eq!(o.flags, MsFlags::MS_NOSUID | MsFlags::MS_BIND | MsFlags::MS_REC | MsFlags::MS_RDONLY);
        assert_eq!(o.propagation, [MsFlags::MS_SLAVE | MsFlags::MS_REC]);
        assert_eq!(o.data.as_deref(), Some("mode=755,size=64k"));
    }
}
