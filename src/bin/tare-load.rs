//! `tare-load`: the built-in workloads, one static program that can be all there is in an image.

use std::io::Write;
use std::process::ExitCode;
use taremark::load;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args_os().skip(1).map(|a| a.to_string_lossy().into_owned()).collect();
    match load::run(&args, &mut std::io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            let _ = writeln!(std::io::stderr(), "tare-load: {e}");
            ExitCode::from(e.exit_code())
        }
    }
}
