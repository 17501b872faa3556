//! `tare-init`: PID 1 of a machine's guest.

fn main() -> std::process::ExitCode {
    if std::process::id() == 1 {
        taremark::guest::run();
    }
    use std::io::Write;
    let version = env!("CARGO_PKG_VERSION");
    match std::env::args().nth(1).as_deref() {
        Some("--version") => {
            let _ = writeln!(std::io::stdout(), "tare-init {version}");
            return std::process::ExitCode::SUCCESS;
        }
        Some("--stamp-kernel") => {
            taremark::guest::stamp_kernel();
            return std::process::ExitCode::SUCCESS;
        }
        Some("--in-system") => {
            if let Err(e) = taremark::guest::run_in_system() {
                let _ = writeln!(std::io::stderr(), "tare-init: {e}");
                return std::process::ExitCode::FAILURE;
            }
            return std::process::ExitCode::SUCCESS;
        }
        _ => {}
    }
    let _ = writeln!(
        std::io::stderr(),
        "tare-init: this is the init of a guest and runs as its first process only, or with --in-system as a service of one"
    );
    std::process::ExitCode::from(2)
}
