//! `tare-load`: the built-in workloads, one static program that can be all there is in an image.

#![cfg_attr(all(not(test), target_env = "gnu"), no_main)]

use std::io::Write;
use taremark::load;

/// C's main, as in `tarec`: Rust's own start reads /proc/self/maps, which would be the greater part of `hello`. The
/// attribute is no `unsafe` code: nothing else in this program has that name.
#[cfg(all(not(test), target_env = "gnu"))]
#[allow(unsafe_code)]
#[unsafe(no_mangle)]
pub extern "C" fn main(_: i32, _: *const *const u8) -> i32 {
    taremark::sys::start::begin();
    std::process::exit(load().into())
}

#[cfg(any(test, not(target_env = "gnu")))]
#[cfg_attr(test, allow(dead_code))]
fn main() {
    std::process::exit(load().into())
}

fn load() -> u8 {
    let args: Vec<String> = std::env::args_os().skip(1).map(|a| a.to_string_lossy().into_owned()).collect();
    match load::run(&args, &mut std::io::stdout().lock()) {
        Ok(()) => 0,
        Err(e) => {
            let _ = writeln!(std::io::stderr(), "tare-load: {e}");
            e.exit_code()
        }
    }
}
