//! `checkpoint` and `restore`.

use super::{Verb, create};
use crate::args::{Args, Item};
use crate::failure::Failure;
use crate::globals::Globals;
use std::path::PathBuf;
use taremark::container::{
    CreateOptions,
    checkpoint::{Images, checkpoint, restore},
};

const IMAGES: &str = "  \
      --image-path DIR     Folder of the images [checkpoint]
      --work-path DIR      Folder of criu's logs [that of the images]
      --leave-running      Do not end the container
      --tcp-established    With open TCP connections
      --ext-unix-sk        With Unix sockets to the outside
      --shell-job          With the caller's terminal
      --file-locks         With file locks";

pub const CHECKPOINT: Verb = Verb {
    name: "checkpoint",
    arguments: "[OPTIONS] ID",
    about: "Write a running container to files (needs criu)",
    options: IMAGES,
    run: |globals, args| run(globals, args, false),
};

pub const RESTORE: Verb = Verb {
    name: "restore",
    arguments: "[OPTIONS] ID",
    about: "Go on with a container from such files (needs criu)",
    options: "  \
  -b, --bundle DIR         Folder with config.json [.]
      --pid-file FILE      Gets the pid of the container's init
  -d, --detach             Do not wait
      --image-path DIR     Folder of the images [checkpoint]
      --work-path DIR      Folder of criu's logs [that of the images]
      --tcp-established    With open TCP connections
      --ext-unix-sk        With Unix sockets to the outside
      --shell-job          With the caller's terminal
      --file-locks         With file locks",
    run: |globals, args| run(globals, args, true),
};

fn run(globals: &mut Globals, mut args: Args, restoring: bool) -> Result<u8, Failure> {
    let mut images = Images { path: PathBuf::from("checkpoint"), ..Images::default() };
    let (mut options, mut ids, mut detach) = (CreateOptions::default(), Vec::new(), false);
    while let Some(item) = args.next(&[('b', "bundle"), ('d', "detach")])? {
        match item {
            Item::Plain(id) => ids.push(id),
            Item::Option(name) => match name.as_str() {
                "image-path" => images.path = args.path()?,
                "work-path" => images.work = Some(args.path()?),
                "leave-running" => images.leave_running = true,
                "tcp-established" | "ext-unix-sk" | "shell-job" | "file-locks" => {
                    images.allowed.push(format!("--{name}"));
                }
                "detach" => detach = true,
                _ => create::own(&name, &mut options, &mut args, globals)?,
            },
        }
    }
    create::finish(&mut options, ids, &args, globals)?;
    if restoring {
        return Ok(restore(&options, &images, detach)?.clamp(0, 255) as u8);
    }
    checkpoint(&globals.root, &options.id, &images)?;
    Ok(0)
}
