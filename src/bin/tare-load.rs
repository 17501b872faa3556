//! `tare-load`: the built-in workloads, one static program that can be all there is in an image.

#![cfg_attr(all(not(test), target_env = "gnu"), no_main)]

use std::io::Write;
use taremark::load;

taremark::c_main!(started);

fn started() -> u8 {
    let args: Vec<String> = std::env::args_os().skip(1).map(|a| a.to_string_lossy().into_owned()).collect();
    match load::run(&args, &mut std::io::stdout().lock()) {
        Ok(()) => 0,
        Err(e) => {
            let _ = writeln!(std::io::stderr(), "tare-load: {e}");
            e.exit_code()
        }
    }
}
