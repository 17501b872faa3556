//! `run`.

use super::{Verb, create};
use crate::args::{Args, Item};
use crate::failure::Failure;
use crate::globals::Globals;
use taremark::container::{self, CreateOptions};

pub const VERB: Verb = Verb {
    name: "run",
    arguments: "[OPTIONS] ID",
    about: "Create, start, wait, delete",
    options: "  \
  -d, --detach               Do not wait
      --keep                 Do not delete afterwards
      --die-with-parent      Kill the container when whoever started this tarec ends
      --no-subreaper         Taken for compatibility: tarec never adopts processes
  -b, --bundle DIR           Folder with config.json [.]
      --console-socket PATH  Unix socket that gets the master of the terminal
      --pid-file FILE        Gets the pid of the container's init
      --no-pivot             Move the root instead of pivot_root, for a host that runs from a ramdisk
      --no-new-keyring       Keep the caller's session keyring
      --preserve-fds N       Hand N more descriptors through, besides those of LISTEN_FDS",
    run,
};

fn run(globals: &mut Globals, mut args: Args) -> Result<u8, Failure> {
    let (mut options, mut ids) = (CreateOptions::default(), Vec::new());
    let (mut detach, mut keep, mut dies) = (false, false, false);
    while let Some(item) = args.next(&[('b', "bundle"), ('d', "detach")])? {
        match item {
            Item::Plain(id) => ids.push(id),
            Item::Option(name) => match name.as_str() {
                "detach" => detach = true,
                "keep" => keep = true,
                "die-with-parent" => dies = true,
                "no-subreaper" => {}
                _ => create::own(&name, &mut options, &mut args, globals)?,
            },
        }
    }
    create::finish(&mut options, ids, &args, globals)?;
    if dies && detach {
        return Err(Failure::usage(
            "--die-with-parent: a detached container has no tarec that stays with it",
        ));
    }
    if dies {
        container::run::die_with_parent()?;
    }
    let code = container::run::run(&options, detach, keep)?;
    Ok(code.clamp(0, 255) as u8)
}
