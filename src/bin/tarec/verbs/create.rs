//! `create`, and the options that it shares with `run`.

use super::Verb;
use crate::args::{Args, Item};
use crate::failure::Failure;
use crate::globals::Globals;
use taremark::container::{self, CreateOptions};

pub const VERB: Verb = Verb {
    name: "create",
    arguments: "[OPTIONS] ID",
    about: "Make a container, up to the point where only its process is missing",
    options: OPTIONS,
    run: create,
};

/// Of `create`; `run` has more.
pub const OPTIONS: &str = "  \
  -b, --bundle DIR           Folder with config.json [.]
      --console-socket PATH  Unix socket that gets the master of the terminal
      --pid-file FILE        Gets the pid of the container's init
      --no-pivot             Move the root instead of pivot_root, for a host that runs from a ramdisk
      --no-new-keyring       Keep the caller's session keyring
      --preserve-fds N       Hand N more descriptors through, besides those of LISTEN_FDS";

fn create(globals: &mut Globals, mut args: Args) -> Result<u8, Failure> {
    let (mut options, mut ids) = (CreateOptions::default(), Vec::new());
    while let Some(item) = args.next(&[('b', "bundle")])? {
        match item {
            Item::Plain(id) => ids.push(id),
            Item::Option(name) => own(&name, &mut options, &mut args, globals)?,
        }
    }
    finish(&mut options, ids, &args, globals)?;
    container::create(&options)?;
    Ok(0)
}

/// One option of `create`.
pub fn own(
    name: &str,
    options: &mut CreateOptions,
    args: &mut Args,
    globals: &mut Globals,
) -> Result<(), Failure> {
    match name {
        "bundle" => options.bundle = args.path()?,
        "console-socket" => options.console_socket = Some(args.path()?),
        "pid-file" => options.pid_file = Some(args.path()?),
        "no-pivot" => options.no_pivot = true,
        "no-new-keyring" => options.no_new_keyring = true,
        "preserve-fds" => options.preserve_fds = args.parsed(name)?,
        other => args.global(globals, other.to_owned())?,
    }
    Ok(())
}

/// What is common to both, once all is read.
pub fn finish(
    options: &mut CreateOptions,
    ids: Vec<String>,
    args: &Args,
    globals: &Globals,
) -> Result<(), Failure> {
    options.id = args.id(ids)?;
    if options.bundle.as_os_str().is_empty() {
        options.bundle = ".".into();
    }
    options.root.clone_from(&globals.root);
    options.trace.clone_from(&globals.trace);
    options.systemd_cgroup = globals.systemd_cgroup;
    options.may_lack_cgroup = globals.rootless;
    Ok(())
}
