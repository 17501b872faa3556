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
        Some(how) => {
            let path = std::env::args().nth(2).unwrap_or_default();
            if let Some(copied) = taremark::guest::copy_program::copy(how, &path) {
                let Err(e) = copied else { return std::process::ExitCode::SUCCESS };
                let _ = writeln!(std::io::stderr(), "{e}");
                return std::process::ExitCode::FAILURE;
            }
        }
        None => {}
    }
    let _ = writeln!(
        std::io::stderr(),
        "tare-init: this is the init of a guest and runs as its first process only, or with --in-system as a service of one"
    );
    std::process::ExitCode::from(2)
}
