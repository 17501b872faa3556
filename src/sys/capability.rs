//! Capability sets of the calling thread, by the raw calls.

fn done(r: i64) -> std::io::Result<()> {
    if r < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}

/// Whether `cap` is in the bounding set; none if the kernel does not know it.
pub fn in_bounding_set(cap: u32) -> Option<bool> {
    // SAFETY: plain call.
    match unsafe { libc::prctl(libc::PR_CAPBSET_READ, libc::c_ulong::from(cap), 0, 0, 0) } {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// For good.
pub fn drop_from_bounding_set(cap: u32) -> std::io::Result<()> {
    // SAFETY: plain call.
    done(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(cap), 0, 0, 0) }.into())
}

/// Empties the ambient set. A kernel without one (before 4.3) is no error.
pub fn clear_ambient() -> std::io::Result<()> {
    // SAFETY: plain call.
    let r = unsafe {
        libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL as libc::c_ulong, 0, 0, 0)
    };
    let e = std::io::Error::last_os_error();
    if r < 0 && e.raw_os_error() != Some(libc::EINVAL) { Err(e) } else { Ok(()) }
}

/// Adds one to the ambient set.
pub fn raise_ambient(cap: u32) -> std::io::Result<()> {
    let raise = libc::PR_CAP_AMBIENT_RAISE as libc::c_ulong;
    // SAFETY: plain call.
    done(unsafe { libc::prctl(libc::PR_CAP_AMBIENT, raise, libc::c_ulong::from(cap), 0, 0) }.into())
}

/// All three sets at once (capset(2), version 3).
pub fn set_capabilities(effective: u64, permitted: u64, inheritable: u64) -> std::io::Result<()> {
    const VERSION_3: u32 = 0x2008_0522;
    let header: [u32; 2] = [VERSION_3, 0];
    let low = |set: u64| set as u32;
    let high = |set: u64| (set >> 32) as u32;
    let data: [u32; 6] = [
        low(effective),
        low(permitted),
        low(inheritable),
        high(effective),
        high(permitted),
        high(inheritable),
    ];
    // SAFETY: header and data have the sizes that version 3 wants and live through the call.
    done(unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), data.as_ptr()) })
}
