//! What the verbs for containers have in common.

use super::failure::note;
use crate::life::LifeError;
use crate::life::folder::{Folder, Root, default_root};
use crate::life::recover::recover;
use crate::life::spec::Spec;
use anyhow::Context;
use std::process::ExitCode;

/// The folders of all containers, after what dead monitors left has been set right.
pub fn open() -> anyhow::Result<Root> {
    let path = default_root();
    let root =
        Root::open(&path).with_context(|| format!("open the containers' folder {}", path.display()))?;
    // One container that cannot be helped must not keep others from being listed, stopped or removed.
    if let Err(e) = recover(&root) {
        note(&format!("set right what a killed command left: {}", e.chain()));
    }
    Ok(root)
}

/// Does something with each, prints what it gives, and goes on after an error. The exit code of the last error.
pub fn each(
    names: &[String],
    code_of: impl Fn(&LifeError) -> u8,
    mut what: impl FnMut(&Folder, &Spec, &str) -> Result<String, LifeError>,
) -> anyhow::Result<ExitCode> {
    let root = open()?;
    let mut code = 0;
    for name in names {
        match root.find(name).and_then(|(folder, spec)| what(&folder, &spec, name)) {
            Ok(said) if said.is_empty() => {}
            Ok(said) => println!("{said}"),
            Err(e) => {
                code = code_of(&e);
                super::failure::show(&anyhow::Error::from(e));
            }
        }
    }
    Ok(ExitCode::from(code))
}

/// For the shell: 255 where nobody knows.
pub fn exit_code(code: i32) -> u8 {
    u8::try_from(code).unwrap_or(255)
}

/// podman's: 125, but for what is unknown.
pub fn plain(_: &LifeError) -> u8 {
    125
}

/// Rows and columns of the caller's terminal; 0, as the kernel has it, where there is none.
pub fn terminal_size() -> (u16, u16) {
    rustix::termios::tcgetwinsize(std::io::stdin()).map_or((0, 0), |s| (s.ws_row, s.ws_col))
}

/// `K=V`, or `K` with the value that this program has.
pub fn variable(text: &str) -> Result<String, String> {
    match text.split_once('=') {
        Some(("", _)) => Err(format!("{text:?}: a name is missing before =")),
        Some(_) => Ok(text.to_owned()),
        // One that is not set is set nowhere.
        None => Ok(std::env::var(text).map_or_else(|_| String::new(), |value| format!("{text}={value}"))),
    }
}
