//! A reader that has seen enough (`taremark … | head`) ends a command, and is no error of it.

use std::any::Any;
use std::panic::{set_hook, take_hook};

/// From here on printing to a pipe that nobody reads any more ends the program, silently and well. `println!` panics then;
/// what verbs have open they have closed before they print their results.
pub fn end_when_nobody_reads() {
    let usual = take_hook();
    set_hook(Box::new(move |info| {
        if nobody_reads(info.payload()) {
            std::process::exit(0);
        }
        usual(info);
    }));
}

/// What `println!` says then.
fn nobody_reads(payload: &(dyn Any + Send)) -> bool {
    let said = payload.downcast_ref::<String>();
    said.is_some_and(|s| s.starts_with("failed printing to stdout") && s.contains("(os error 32)"))
}
