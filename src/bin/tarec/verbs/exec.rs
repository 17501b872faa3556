//! `exec`.

use super::Verb;
use crate::args::{Args, Item};
use crate::failure::Failure;
use crate::globals::Globals;
use taremark::container::exec::{ExecOptions, exec};

pub const VERB: Verb = Verb {
    name: "exec",
    arguments: "[OPTIONS] ID PROGRAM [ARGUMENTS]",
    about: "Run another process in a running container",
    options: "  \
  -p, --process FILE         The process as JSON, in place of PROGRAM and the options about it
  -t, --tty                  With a terminal
  -u, --user UID[:GID]       As this user
  -g, --additional-gids GID  In this group as well; may be repeated
      --cwd DIR              In this folder
  -e, --env NAME=VALUE       More for the environment; may be repeated
  -c, --cap CAPABILITY       With this capability as well; may be repeated
      --no-new-privs         Without gaining privileges
      --apparmor PROFILE     With this AppArmor profile
      --process-label LABEL  With this SELinux label
  -d, --detach               Do not wait
      --pid-file FILE        Gets the pid
      --console-socket PATH  Unix socket that gets the master of the terminal
      --preserve-fds N       Hand N more descriptors through, besides those of LISTEN_FDS
      --ignore-paused        Also in a paused container, where it waits",
    run,
};

const SHORT: &[(char, &str)] = &[
    ('p', "process"),
    ('t', "tty"),
    ('u', "user"),
    ('g', "additional-gids"),
    ('e', "env"),
    ('c', "cap"),
    ('d', "detach"),
];

/// A failure of ours is told apart from one of the program.
const FAILED: u8 = 255;

fn run(globals: &mut Globals, mut args: Args) -> Result<u8, Failure> {
    let mut options = ExecOptions::default();
    while let Some(item) = args.next(SHORT)? {
        match item {
            Item::Option(name) => own(&name, &mut options, &mut args, globals)?,
            Item::Plain(id) => {
                options.id = id;
                options.changes.args = args.rest()?;
                break;
            }
        }
    }
    if options.id.is_empty() {
        return Err(args.usage("exec needs a container id"));
    }
    if options.process.is_none() && options.changes.args.is_empty() {
        return Err(args.usage("exec needs a program, or --process"));
    }
    options.root.clone_from(&globals.root);
    let code = exec(&options).map_err(|e| Failure::Coded(FAILED, e))?;
    Ok(code.clamp(0, 255) as u8)
}

fn own(name: &str, o: &mut ExecOptions, args: &mut Args, globals: &mut Globals) -> Result<(), Failure> {
    match name {
        "process" => o.process = Some(args.path()?),
        "tty" => o.changes.tty = true,
        "user" => o.changes.user = Some(user(&args.text()?, args)?),
        "additional-gids" => o.changes.additional_gids.push(args.parsed(name)?),
        "cwd" => o.changes.cwd = Some(args.text()?),
        "env" => o.changes.env.push(args.text()?),
        "cap" => o.changes.capabilities.push(args.text()?),
        "no-new-privs" => o.changes.no_new_privileges = true,
        "apparmor" => o.changes.apparmor = Some(args.text()?),
        "process-label" => o.changes.process_label = Some(args.text()?),
        "detach" => o.detach = true,
        "pid-file" => o.pid_file = Some(args.path()?),
        "console-socket" => o.console_socket = Some(args.path()?),
        "preserve-fds" => o.preserve_fds = args.parsed(name)?,
        "ignore-paused" => o.ignore_paused = true,
        other => args.global(globals, other.to_owned())?,
    }
    Ok(())
}

fn user(text: &str, args: &Args) -> Result<(u32, Option<u32>), Failure> {
    let (uid, gid) = text.split_once(':').map_or((text, None), |(u, g)| (u, Some(g)));
    let number = |n: &str| n.parse().map_err(|_| args.usage(&format!("--user: {text:?} is not UID[:GID]")));
    Ok((number(uid)?, gid.map(number).transpose()?))
}
