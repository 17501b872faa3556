//! `tarec`: our container runtime, with the command line of an OCI runtime. One file a verb.
//!
//! The arguments are read by a small parser: a start takes a millisecond or two, of which building a large one's tables
//! would be a good part.

#![cfg_attr(all(not(test), target_env = "gnu"), no_main)]

mod args;
mod failure;
mod globals;
mod verbs;

use failure::Failure;
use globals::Globals;

taremark::c_main!(begun);

/// Verbs whose processes are in reach of a container.
const MAKE_PROCESSES: [&str; 4] = ["create", "run", "exec", "restore"];

fn begun() -> u8 {
    let mut globals = Globals::default();
    match run(&mut globals) {
        Ok(code) => code,
        Err(failure) => failure.report(&globals),
    }
}

/// Global options, then the verb.
fn run(globals: &mut Globals) -> Result<u8, Failure> {
    let mut parser = lexopt::Parser::from_env();
    let name = loop {
        match parser.next()? {
            Some(lexopt::Arg::Value(name)) => break name,
            Some(arg) if args::is_help(&arg) => return print(&verbs::usage()),
            Some(lexopt::Arg::Long("version") | lexopt::Arg::Short('v')) => return print(&version()),
            Some(arg) => {
                let arg = args::Owned::from(&arg);
                globals.take(arg, &mut parser)?;
            }
            None => return Err(Failure::usage(verbs::usage())),
        }
    };
    let name = name.to_string_lossy().into_owned();
    let Some(verb) = verbs::ALL.iter().find(|v| v.name == name) else {
        return Err(Failure::usage(format!("{name:?} is not a verb\n\n{}", verbs::usage())));
    };
    if MAKE_PROCESSES.contains(&verb.name) {
        taremark::container::seal::seal()?;
    }
    globals.tell_warnings();
    globals.debug(&format!("{name} begins"));
    let code = (verb.run)(globals, args::Args::new(parser, verb))?;
    globals.debug(&format!("{name} ends with {code}"));
    Ok(code)
}

/// Engines read the version of the specification from the second line.
fn version() -> String {
    format!("tarec version {}\nspec: 1.2.1", env!("CARGO_PKG_VERSION"))
}

/// A text on standard output.
fn print(text: &str) -> Result<u8, Failure> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    let written = out.write_all(text.trim_end().as_bytes()).and_then(|()| out.write_all(b"\n"));
    match written {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::Output(e)),
        _ => Ok(0),
    }
}
