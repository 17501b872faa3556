//! The entry of `tarec` is its own, see src/sys/early.rs.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_ARCH").as_deref() == Ok("x86_64") {
        println!("cargo:rustc-link-arg-bin=tarec=-Wl,-e,tarec_start");
    }
}
