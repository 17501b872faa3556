//! Splits QEMU's memory into the guest's RAM and the rest, by the name of the mapping.

use super::arguments::FRESH;
use super::error::{MachineError, io};
use std::path::Path;

/// Proportional set size, bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Split {
    /// In the mapping that is the guest's RAM.
    pub guest_ram_bytes: u64,
    /// In all other mappings.
    pub vmm_bytes: u64,
}

/// Names of a guest's RAM: new, or saved.
const GUEST_RAM: [&str; 2] = [FRESH, "memfd:taremark-ram"];

/// Of a running QEMU.
pub fn split(pid: i32) -> Result<Split, MachineError> {
    let path = format!("/proc/{pid}/smaps");
    let text = std::fs::read_to_string(&path).map_err(io("read", Path::new(&path)))?;
    Ok(parse(&text))
}

/// Format: proc(5), a line for each mapping, then `Name:   N kB` lines.
fn parse(text: &str) -> Split {
    let mut split = Split::default();
    let mut in_guest_ram = false;
    for line in text.lines() {
        let first = line.split_whitespace().next().unwrap_or_default();
        if !first.ends_with(':') {
            in_guest_ram = GUEST_RAM.iter().any(|name| line.contains(name));
        } else if first == "Pss:" {
            let kib: u64 = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0);
            let part = if in_guest_ram { &mut split.guest_ram_bytes } else { &mut split.vmm_bytes };
            *part += kib * 1024;
        }
    }
    split
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guest_ram_is_told_by_name() {
        let text = "7f00-7f10 rw-p 00000000 00:06 4  /dev/zero\nSize: 9 kB\nPss: 100 kB\n\
                    Pss_Dirty: 50 kB\n7f20-7f30 r-xp 0 00:01 5 /usr/bin/qemu\nPss: 7 kB\n7f40-7f50 rw-p 0 00:00 0\nPss: 3 kB\n";
        assert_eq!(parse(text), Split { guest_ram_bytes: 100 << 10, vmm_bytes: 10 << 10 });
    }
}
