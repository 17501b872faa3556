//! `tare-init`: PID 1 of a machine's guest.

#![cfg_attr(all(not(test), target_env = "gnu"), no_main)]

taremark::c_main!(begun);

fn begun() -> u8 {
    if std::process::id() == 1 {
        taremark::guest::run();
    }
    use std::io::Write;
    let version = env!("CARGO_PKG_VERSION");
    match std::env::args().nth(1).as_deref() {
        Some("--version") => {
            let _ = writeln!(std::io::stdout(), "tare-init {version}");
            return 0;
        }
        Some("--stamp-kernel") => {
            taremark::guest::stamp_kernel();
            return 0;
        }
        Some("--in-system") => {
            if let Err(e) = taremark::guest::run_in_system() {
                let _ = writeln!(std::io::stderr(), "tare-init: {e}");
                return 1;
            }
            return 0;
        }
        Some(how) => {
            let path = std::env::args().nth(2).unwrap_or_default();
            if let Some(copied) = taremark::guest::copy_program::copy(how, &path) {
                let Err(e) = copied else { return 0 };
                let _ = writeln!(std::io::stderr(), "{e}");
                return 1;
            }
        }
        None => {}
    }
    let _ = writeln!(
        std::io::stderr(),
        "tare-init: this is the init of a guest and runs as its first process only, or with --in-system as a service of one"
    );
    2
}
