//! `taremark`: parse, dispatch, exit code.

fn main() -> std::process::ExitCode {
    taremark::cli::main()
}
