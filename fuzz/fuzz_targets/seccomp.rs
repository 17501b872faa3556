//! The seccomp compiler: whatever compiles is a program that the kernel's checker takes (kernel/seccomp.c,
//! seccomp_check_filter; net/core/filter.c, bpf_check_classic): jumps stay inside and forward, and every way ends in a
//! return.
#![no_main]

use libfuzzer_sys::fuzz_target;
use taremark::container::seccomp::{Seccomp, compile};

fuzz_target!(|bytes: &[u8]| {
    let Ok(section) = serde_json::from_slice::<Seccomp>(bytes) else { return };
    let Ok(filter) = compile(&section) else { return };
    let program = &filter.program;
    assert!((1..=4096).contains(&program.len()));
    assert_eq!(program.last().map(|i| i.code), Some(0x06), "the last one is no return");
    for (at, i) in program.iter().enumerate() {
        let left = program.len() - at - 1;
        match i.code {
            0x05 => assert!((i.k as usize) < left, "{at}: jumps out"),
            0x15 | 0x25 | 0x35 | 0x45 => {
                assert!(usize::from(i.jt) < left && usize::from(i.jf) < left, "{at}: jumps out");
            }
            0x20 => assert!(i.k % 4 == 0 && i.k < 64, "{at}: loads beyond seccomp_data"),
            0x54 | 0x06 => {}
            other => panic!("{at}: operation {other:#x}"),
        }
    }
});
