//! `tare-init`: PID 1 of a machine's guest.

fn main() -> std::process::ExitCode {
    if std::process::id() == 1 {
        taremark::guest::run();
    }
    use std::io::Write;
    let version = env!("CARGO_PKG_VERSION");
    if std::env::args().nth(1).as_deref() == Some("--version") {
        let _ = writeln!(std::io::stdout(), "tare-init {version}");
        return std::process::ExitCode::SUCCESS;
    }
    let _ = writeln!(
        std::io::stderr(),
        "tare-init: this is the init of a guest and runs as its first process only"
    );
    std::process::ExitCode::from(2)
}
