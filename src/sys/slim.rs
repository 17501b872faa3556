//! Gives memory back that this process can do without while it waits.

/// Lets go of the heap's free part, and of all pages of files that are as they are in the file (code, tables): what is
/// touched again is read from there. What cannot be let go of stays.
pub fn down() {
    let maps = std::fs::read_to_string("/proc/self/smaps").unwrap_or_default();
    for (start, end) in clean(&maps) {
        // SAFETY: a private mapping of a file, never written to and not writable, so that every page comes back from
        // the file as it was; a running program's file cannot be written to (ETXTBSY).
        unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_DONTNEED) };
    }
    drop(maps);
    #[cfg(target_env = "gnu")]
    // SAFETY: plain call.
    unsafe {
        libc::malloc_trim(0)
    };
}

/// Mappings of files that are private, not writable and without any page of our own (proc(5), smaps).
fn clean(smaps: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut candidate = None;
    for line in smaps.lines() {
        let mut words = line.split_ascii_whitespace();
        let (Some(first), Some(second)) = (words.next(), words.next()) else { continue };
        if let Some((start, end)) = first.split_once('-').filter(|_| second.len() == 4) {
            let number = |text| usize::from_str_radix(text, 16).ok();
            let of_file = words.nth(2).is_some_and(|inode| inode != "0");
            let wanted = of_file && second.starts_with('r') && &second[1..2] == "-" && second.ends_with('p');
            candidate = number(start).zip(number(end)).filter(|_| wanted);
        } else if first == "Anonymous:" && second == "0" {
            found.extend(candidate.take());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_what_the_file_has_is_let_go() {
        let smaps = "55e0-55f0 r-xp 00001000 fe:00 17 /bin/tarec\nRss: 8 kB\nAnonymous: 0 kB\n\
            55f0-5600 r--p 00002000 fe:00 17 /bin/tarec\nRss: 8 kB\nAnonymous: 4 kB\n\
            5600-5610 rw-p 00003000 fe:00 17 /bin/tarec\nAnonymous: 0 kB\n\
            5700-5710 rw-p 00000000 00:00 0 [heap]\nAnonymous: 0 kB\n\
            5800-5810 r-xp 00000000 00:00 0 [vdso]\nAnonymous: 0 kB\n";
        assert_eq!(super::clean(smaps), [(0x55e0, 0x55f0)]);
    }

    #[test]
    fn the_program_goes_on() {
        super::down();
        assert_eq!("7".parse::<u8>().map(|n| n + 1), Ok(8));
    }
}
