//! Memory of a run's processes, from `/proc/PID/smaps_rollup` and `status`.

/// Sums over processes, bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProcessMemory {
    /// Proportional set size: each shared page divided by the number of those who map it.
    pub pss_bytes: u64,
    /// Private clean + private dirty.
    pub uss_bytes: u64,
    /// Resident set size.
    pub rss_bytes: u64,
    /// Page tables.
    pub page_tables_bytes: u64,
}

/// MemAvailable of the host (proc(5), /proc/meminfo), bytes.
pub fn available_bytes() -> Option<u64> {
    field("MemAvailable:")
}

/// MemTotal of the host, bytes.
pub fn total_bytes() -> Option<u64> {
    field("MemTotal:")
}

/// Memory of the host's kernel that cannot be had back, bytes: slab, page tables, per-CPU memory, and what is mapped page by
/// page, stacks among it (CONFIG_VMAP_STACK). Much of what an instance takes here, such as a network namespace or a cgroup, is
/// charged to no cgroup.
pub fn kernel_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    kernel_of(&text)
}

fn kernel_of(text: &str) -> Option<u64> {
    let of = |name| field_of(text, name);
    // Guests' page tables came with Linux 6.1.
    let tables = of("PageTables:")? + of("SecPageTables:").unwrap_or(0);
    Some(
        of("SUnreclaim:")?
            + tables
            + of("Percpu:").unwrap_or(0)
            + of("VmallocUsed:")?.max(of("KernelStack:")?),
    )
}

fn field(name: &str) -> Option<u64> {
    field_of(&std::fs::read_to_string("/proc/meminfo").ok()?, name)
}

fn field_of(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find(|l| l.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// Sum over `pids`. A process that has ended meanwhile adds nothing.
pub fn of_processes(pids: &[i32]) -> ProcessMemory {
    let files = |pid: &i32| {
        let read = |name| std::fs::read_to_string(format!("/proc/{pid}/{name}"));
        Some(parse(&(read("smaps_rollup").ok()? + &read("status").ok()?)))
    };
    pids.iter().filter_map(files).fold(ProcessMemory::default(), |sum, m| ProcessMemory {
        pss_bytes: sum.pss_bytes + m.pss_bytes,
        uss_bytes: sum.uss_bytes + m.uss_bytes,
        rss_bytes: sum.rss_bytes + m.rss_bytes,
        page_tables_bytes: sum.page_tables_bytes + m.page_tables_bytes,
    })
}

/// Format: proc(5), `Name:   N kB` a line.
fn parse(text: &str) -> ProcessMemory {
    let mut m = ProcessMemory::default();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let (Some(name), Some(Ok(kib))) = (words.next(), words.next().map(str::parse::<u64>)) else {
            continue;
        };
        match name {
            "Pss:" => m.pss_bytes += kib * 1024,
            "VmPTE:" => m.page_tables_bytes += kib * 1024,
            "Rss:" => m.rss_bytes += kib * 1024,
            "Private_Clean:" | "Private_Dirty:" => m.uss_bytes += kib * 1024,
            _ => {}
        }
    }
    m
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_own_memory_is_summed() {
        let text = "MemFree: 9 kB\nSUnreclaim: 100 kB\nKernelStack:  16 kB\nPageTables: 20 kB\nSecPageTables: 3 kB\n\
                    VmallocUsed: 40 kB\nPercpu: 5 kB\n";
        assert_eq!(kernel_of(text), Some((100 + 20 + 3 + 40 + 5) << 10));
        assert_eq!(kernel_of("SUnreclaim: 100 kB\n"), None);
    }

    #[test]
    fn a_rollup_is_read() {
        let text = "55d0-7ffd ---p 00000000 00:00 0 [rollup]\nRss: 884 kB\nPss: 385 kB\nPss_Dirty: 68 kB\n\
                    Private_Clean: 100 kB\nPrivate_Dirty: 68 kB\nVmPTE:\t  44 kB\n";
        let m = parse(text);
        let expected = ProcessMemory {
            pss_bytes: 385 << 10,
            uss_bytes: 168 << 10,
            rss_bytes: 884 << 10,
            page_tables_bytes: 44 << 10,
        };
        assert_eq!(m, expected);
    }

    #[test]
    fn this_process_has_memory_and_a_dead_one_has_none() {
        let own = of_processes(&[std::process::id() as i32]);
        assert!(
            own.page_tables_bytes > 0
                && own.pss_bytes > 0
                && own.uss_bytes <= own.pss_bytes
                && own.pss_bytes <= own.rss_bytes
        );
        assert_eq!(of_processes(&[i32::MAX]), ProcessMemory::default());
    }
}
