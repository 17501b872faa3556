//! The entry of `tarec` is its own, see src/sys/early.rs.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-check-cfg=cfg(glibc_start)");
    if std::env::var("CARGO_CFG_TARGET_ARCH").as_deref() == Ok("x86_64") {
        println!("cargo:rustc-link-arg-bin=tarec=-Wl,-e,tarec_start");
        if is_known_glibc() {
            println!("cargo:rustc-cfg=glibc_start");
            // Relocations of a static program as bit maps: 1 KB instead of 74, of which each start reads every page.
            println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
        }
    }
}

/// Whether the C library that is linked is the static one whose start is known there.
fn is_known_glibc() -> bool {
    let var = |name: &str| std::env::var(name).unwrap_or_default();
    if var("CARGO_CFG_TARGET_ENV") != "gnu"
        || !var("CARGO_CFG_TARGET_FEATURE").split(',').any(|f| f == "crt-static")
    {
        return false;
    }
    let output = Command::new("cc").arg("-print-file-name=libc.a").output();
    let path = output.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned()).unwrap_or_default();
    if !path.is_empty() {
        println!("cargo:rerun-if-changed={path}");
    }
    let library = std::fs::read(&path).unwrap_or_default();
    let known = b"stable release version 2.36.";
    library.windows(known.len()).any(|text| text == known)
}
