//! The files that a build may take: the context without what is ignored, and the Dockerfile.

use super::error::BuildError;
use super::ignore::Ignore;
use super::options::{Context, Options};
use super::parse::MOST;
use super::place::Source;
use crate::image::ImageError;
use crate::image::store::Store;
use crate::image::unpack::{Limits, unpack};
use crate::image::workspace::Workspace;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// See the module.
#[derive(Debug)]
pub struct Opened {
    /// Its root; an empty folder where there is no context.
    pub root: PathBuf,
    /// What is left out.
    pub ignore: Ignore,
    /// The Dockerfile.
    pub source: Source,
    _space: Option<Workspace>,
}

/// Opens the context and reads Dockerfile and ignore file.
pub fn open(store: &Store, options: &Options, mut stdin: impl Read) -> Result<Opened, BuildError> {
    let from_stdin = options.file.as_deref() == Some(Path::new("-"));
    let mut inline = None;
    let (root, space) = match &options.context {
        Context::Folder(path) => {
            let root = std::fs::canonicalize(path).map_err(io("find the context", path))?;
            if !root.is_dir() {
                let source = std::io::ErrorKind::NotADirectory.into();
                return Err(io("use as context", path)(source));
            }
            (root, None)
        }
        Context::Empty => empty(store)?,
        Context::Stdin if from_stdin => {
            return Err(BuildError::Option("context and Dockerfile cannot both be standard input".into()));
        }
        Context::Stdin => {
            let (root, space) = empty(store)?;
            inline = read_stdin(&mut stdin, &root)?;
            (root, space)
        }
    };
    let source = match (inline, &options.file) {
        (Some(text), _) => Source { name: "Dockerfile".into(), text },
        (None, Some(_)) if from_stdin => {
            let mut bytes = Vec::new();
            let read = stdin.take(MOST as u64 + 1).read_to_end(&mut bytes);
            read.map_err(io("read", Path::new("standard input")))?;
            Source { name: "standard input".into(), text: text(bytes, Path::new("standard input"))? }
        }
        (None, Some(file)) => read(&within(&root, &options.context, file))?,
        (None, None) => {
            let names = ["Containerfile", "Dockerfile"].map(|n| root.join(n));
            let found = names.iter().find(|p| p.is_file()).ok_or_else(|| {
                let shown = root.display();
                BuildError::Option(format!(
                    "{shown} has neither Containerfile nor Dockerfile: -f FILE names another"
                ))
            })?;
            let mut source = read(found)?;
            // Shown as a person would call it.
            source.name = found.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
            source
        }
    };
    let ignore = ignore_file(&root, options)?;
    Ok(Opened { root, ignore, source, _space: space })
}

/// A Dockerfile that is named is looked for where one stands, and then in the context.
fn within(root: &Path, context: &Context, file: &Path) -> PathBuf {
    let in_context = root.join(file);
    if (*context == Context::Stdin || !file.exists()) && in_context.exists() {
        in_context
    } else {
        file.to_owned()
    }
}

fn empty(store: &Store) -> Result<(PathBuf, Option<Workspace>), BuildError> {
    let space = store.temporary()?;
    let root = space.path().join("context");
    std::fs::create_dir(&root).map_err(io("create", &root))?;
    Ok((root, Some(space)))
}

/// A tar is unpacked; anything else that is text is the Dockerfile.
fn read_stdin(stdin: &mut impl Read, root: &Path) -> Result<Option<String>, BuildError> {
    let mut reader =
        BufReader::with_capacity(256 << 10, crate::image::compression::decoder(stdin).map_err(stream)?);
    let mut head = Vec::new();
    reader.by_ref().take(512).read_to_end(&mut head).map_err(stream)?;
    if head.len() == 512 && tar::Header::from_byte_slice(&head).as_ustar().is_some()
        || head.get(257..262) == Some(b"ustar")
    {
        unpack(head.chain(reader), "the context", root, Limits::default())?;
        return Ok(None);
    }
    reader.take(MOST as u64).read_to_end(&mut head).map_err(stream)?;
    text(head, Path::new("standard input")).map(Some)
}

fn stream(source: std::io::Error) -> BuildError {
    ImageError::Stream { what: "the context on standard input".into(), source }.into()
}

fn ignore_file(root: &Path, options: &Options) -> Result<Ignore, BuildError> {
    // One beside the Dockerfile and with its name comes first.
    let own = options.file.as_ref().map(|f| {
        let mut name = within(root, &options.context, f).into_os_string();
        name.push(".dockerignore");
        PathBuf::from(name)
    });
    let shared = [".containerignore", ".dockerignore"].map(|n| root.join(n));
    for path in own.into_iter().chain(shared) {
        match std::fs::read(&path) {
            Err(e)
                if matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {}
            Err(e) => return Err(io("read", &path)(e)),
            Ok(bytes) => {
                let name = path.display().to_string();
                let source = Source { name, text: text(bytes, &path)? };
                return Ignore::parse(&source.text).map_err(|(line, why)| BuildError::Syntax {
                    place: Box::new(source.place_at(line, 1)),
                    why,
                });
            }
        }
    }
    Ok(Ignore::default())
}

fn read(path: &Path) -> Result<Source, BuildError> {
    let bytes = std::fs::read(path).map_err(io("read", path))?;
    Ok(Source { name: path.display().to_string(), text: text(bytes, path)? })
}

fn text(bytes: Vec<u8>, path: &Path) -> Result<String, BuildError> {
    let invalid = |why: &str| io("read", path)(std::io::Error::new(std::io::ErrorKind::InvalidData, why));
    if bytes.len() > MOST {
        return Err(invalid("it is longer than 16 MiB"));
    }
    let text = String::from_utf8(bytes).map_err(|_| invalid("it is not UTF-8 text"))?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

fn io(step: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> BuildError {
    move |source| BuildError::Io { step, path: path.to_owned(), source }
}
