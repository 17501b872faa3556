//! What `tarec` does before its C library: it executes itself again from a mount of its binary that is read-only, where a
//! verb makes processes that containers may reach (see src/container/seal.rs, which does the same in plain Rust
//! wherever this did not).
//!
//! Here because the C library's start (trapped cpuid instructions, relocations and their page faults) would otherwise
//! be paid twice: 0.6 ms of a start of 4. Nothing is relocated yet, so this has no tables, no formatted text and no
//! calls into any library. build.rs makes it the program's entry.

use core::arch::asm;

/// The name by which the second start knows itself.
pub const SEALED: &core::ffi::CStr = c"tarec (sealed)";

/// The kernel's entry: a look at the arguments on the stack, then the C library's own.
///
/// # Safety
///
/// For the kernel only.
#[cfg(not(glibc_start))]
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tarec_start() -> ! {
    core::arch::naked_asm!(
        "mov rdi, rsp",
        "mov rbx, rsp",
        "mov r12, rdx",
        "and rsp, -16",
        "call {seal}",
        "mov rsp, rbx",
        "mov rdx, r12",
        "jmp _start",
        seal = sym seal,
    )
}

/// As above, and instead of the C library's own start the same steps, but for the one that asks the processor about itself:
/// 69 cpuid instructions, each of which a virtual machine traps, a tenth of a millisecond in all. What is missing then is
/// the choice of vector instructions for strings and memory: those that every processor of this kind has (SSE2) are taken,
/// and the sizes from which copies of large blocks go past the caches are set to what the library takes for a cache of 1
/// MiB. build.rs takes this where the library is the one that it was written for: glibc 2.36, csu/libc-start.c.
///
/// # Safety
///
/// For the kernel only.
#[cfg(glibc_start)]
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tarec_start() -> ! {
    core::arch::naked_asm!(
        // Other programs, which have a main, too, are linked with this module and without this function.
        ".weak __environ, __libc_stack_end, _dl_aux_init, __tunables_init, _dl_relocate_static_pie",
        ".weak __x86_shared_non_temporal_threshold, __x86_rep_movsb_stop_threshold, __libc_setup_tls, _dl_random",
        ".weak __libc_early_init, __libc_init_first, _init, __init_array_start, __init_array_end, exit",
        "xor ebp, ebp",
        "mov rdi, rsp",
        "mov rbx, rsp",
        "and rsp, -16",
        "call {seal}",
        // r14: number of arguments, r13: they, r15: the environment.
        "mov r14, [rbx]",
        "lea r13, [rbx + 8]",
        "lea r15, [r13 + r14 * 8 + 8]",
        "mov [rip + __environ], r15",
        "mov [rip + __libc_stack_end], rbx",
        // The auxiliary vector comes after the environment's end.
        "mov rdi, r15",
        "2: add rdi, 8",
        "cmp qword ptr [rdi - 8], 0",
        "jne 2b",
        "call _dl_aux_init",
        "mov rdi, r15",
        "call __tunables_init",
        "mov qword ptr [rip + __x86_shared_non_temporal_threshold], 0xc0000",
        "mov qword ptr [rip + __x86_rep_movsb_stop_threshold], 0xc0000",
        "call _dl_relocate_static_pie",
        "call __libc_setup_tls",
        // The guards of stacks and of saved pointers: tcbhead_t of sysdeps/x86_64/nptl/tls.h.
        "mov rax, [rip + _dl_random]",
        "mov rcx, [rax]",
        "xor cl, cl",
        "mov fs:[0x28], rcx",
        "mov rcx, [rax + 8]",
        "mov fs:[0x30], rcx",
        "mov edi, 1",
        "call __libc_early_init",
        "mov edi, r14d",
        "mov rsi, r13",
        "mov rdx, r15",
        "call __libc_init_first",
        "call _init",
        "lea r12, [rip + __init_array_start]",
        "lea rbx, [rip + __init_array_end]",
        "3: cmp r12, rbx",
        "jae 4f",
        "mov edi, r14d",
        "mov rsi, r13",
        "mov rdx, r15",
        "call qword ptr [r12]",
        "add r12, 8",
        "jmp 3b",
        "4: mov edi, r14d",
        "mov rsi, r13",
        "mov rdx, r15",
        "call main",
        "mov edi, eax",
        "call exit",
        "ud2",
        seal = sym seal,
    )
}

fn is(text: *const u8, word: &[u8]) -> bool {
    let (mut at, mut left) = (0, word.len());
    while left > 0 {
        // SAFETY: the texts end with a zero byte, as `word` does: the first difference ends the loop.
        if unsafe { *text.wrapping_add(at) != *word.as_ptr().wrapping_add(at) } {
            return false;
        }
        (at, left) = (at.wrapping_add(1), left.wrapping_sub(1));
    }
    true
}

/// A system call; minus errno where it fails.
fn call(number: i64, a: [usize; 5]) -> isize {
    let result;
    // SAFETY: the callers pass pointers that live through the call; the kernel changes rax, rcx and r11.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number as isize => result,
            in("rdi") a[0], in("rsi") a[1], in("rdx") a[2], in("r10") a[3], in("r8") a[4],
            lateout("rcx") _, lateout("r11") _,
        );
    }
    result
}

/// `stack`: number of arguments, the arguments, 0, the environment, 0 (System V ABI, Initial Stack).
extern "C" fn seal(stack: *mut usize) {
    // SAFETY: the kernel has put that there.
    let count = unsafe { *stack };
    let argv = stack.wrapping_add(1);
    let mut wanted = false;
    let mut i = 0;
    while i < count {
        // SAFETY: less than their number.
        let arg = unsafe { *argv.wrapping_add(i) } as *const u8;
        if i == 0 && is(arg, SEALED.to_bytes_with_nul()) {
            return;
        }
        wanted |= is(arg, b"create\0") || is(arg, b"run\0") || is(arg, b"exec\0") || is(arg, b"restore\0");
        i = i.wrapping_add(1);
    }
    if !wanted || count == 0 {
        return;
    }
    let here = libc::AT_FDCWD as usize;
    let (own, empty) = (c"/proc/self/exe".as_ptr() as usize, c"".as_ptr() as usize);
    // OPEN_TREE_CLONE and OPEN_TREE_CLOEXEC of linux/mount.h.
    let tree = call(libc::SYS_open_tree, [here, own, 1 | libc::O_CLOEXEC as usize, 0, 0]);
    if tree < 0 {
        return;
    }
    let tree = tree as usize;
    // struct mount_attr with MOUNT_ATTR_RDONLY.
    let attr: [u64; 4] = [1, 0, 0, 0];
    let at_empty = libc::AT_EMPTY_PATH as usize;
    let as_us = at_empty | libc::AT_EACCESS as usize;
    let writable = call(libc::SYS_faccessat2, [tree, empty, libc::W_OK as usize, as_us, 0]) == 0;
    let restricted = writable
        && call(
            libc::SYS_mount_setattr,
            [tree, empty, at_empty, attr.as_ptr() as usize, size_of::<[u64; 4]>()],
        ) == 0;
    if restricted {
        let env = argv.wrapping_add(count).wrapping_add(1);
        // SAFETY: there is a first argument; it is put back where the exec fails.
        unsafe {
            let name = *argv;
            *argv = SEALED.as_ptr() as usize;
            call(libc::SYS_execveat, [tree, empty, argv as usize, env as usize, at_empty]);
            *argv = name;
        }
    }
    call(libc::SYS_close, [tree, 0, 0, 0, 0]);
}
