//! Images that others wrote: OCI layout and docker-archive, as a folder or as a tar archive, plain or compressed.

use super::digest::Digest;
use super::error::{ImageError, io, json};
use super::handle::digest_of;
use super::reference::Reference;
use super::store::Store;
use super::unpack::{Limits, unpack};
use super::{compression::decoder, load_docker, platform};
use oci_spec::image::{Descriptor, ImageIndex};
use serde_json::Value;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// Most bytes of one manifest, index or config that is read into memory.
pub(super) const MOST_JSON: u64 = 16 << 20;

/// Takes in every image that `path` holds for this host, and names them as they are named there.
pub fn load(store: &Store, path: &Path) -> Result<Vec<Reference>, ImageError> {
    load_as(store, path, None)
}

/// [`load`], with another name for the one image that is there.
pub fn load_as(store: &Store, path: &Path, name: Option<&Reference>) -> Result<Vec<Reference>, ImageError> {
    let _adding = store.adding()?;
    let about = std::fs::metadata(path).map_err(io("look at", path))?;
    if about.is_dir() {
        return from_folder(store, path, path, name);
    }
    let space = store.temporary()?;
    let dir = space.path().join("archive");
    std::fs::create_dir(&dir).map_err(io("create", &dir))?;
    let what = path.display().to_string();
    let stream = |source| ImageError::Stream { what: what.clone(), source };
    let plain = decoder(File::open(path).map_err(io("open", path))?).map_err(stream)?;
    let limited = super::compression::Limited::new(plain, Limits::default().bytes);
    // Names in it are only looked up beneath that folder, links in it are followed only beneath it.
    unpack(BufReader::with_capacity(256 << 10, limited), &what, &dir, Limits::default())?;
    from_folder(store, &dir, path, name)
}

fn from_folder(
    store: &Store,
    dir: &Path,
    shown: &Path,
    name: Option<&Reference>,
) -> Result<Vec<Reference>, ImageError> {
    let found = if open(dir, "index.json").is_ok() {
        layout(store, dir)?
    } else if open(dir, "manifest.json").is_ok() {
        load_docker::load(store, dir)?
    } else {
        let why = "neither index.json (OCI layout) nor manifest.json (docker-archive) is in it".to_owned();
        return Err(ImageError::NoImage { path: shown.to_owned(), why });
    };
    let none = |why: &str| ImageError::NoImage { path: shown.to_owned(), why: why.to_owned() };
    let named: Vec<(Reference, Digest)> = match (name, found.as_slice()) {
        (Some(name), [(_, digest)]) => vec![(name.clone(), digest.clone())],
        (Some(_), [_, _, ..]) => return Err(none("there are several, and one name was given")),
        (_, []) => return Err(none("it names none")),
        (None, _) => {
            let mut named = Vec::new();
            for (names, digest) in found {
                if names.is_empty() {
                    return Err(none("the image has no name there: give one"));
                }
                for name in names {
                    named.push((name.parse()?, digest.clone()));
                }
            }
            named
        }
    };
    for (reference, digest) in &named {
        super::Image::read(store, digest)?;
        store.name(reference, digest)?;
    }
    Ok(named.into_iter().map(|(reference, _)| reference).collect())
}

/// Names and manifest of each image: image-layout.md.
fn layout(store: &Store, dir: &Path) -> Result<Vec<(Vec<String>, Digest)>, ImageError> {
    let text = small(dir, "index.json")?;
    let index: ImageIndex = serde_json::from_slice(&text).map_err(json("index.json"))?;
    let index_digest = Digest::of(&text);
    let usable: Vec<&Descriptor> = index.manifests().iter().filter(|d| for_this_host(d)).collect();
    if usable.is_empty() && !index.manifests().is_empty() {
        platform::choose(index.manifests(), &index_digest, &platform::Platform::host())?;
    }
    usable.into_iter().map(|d| Ok((names(d), descend(store, dir, d)?))).collect()
}

fn for_this_host(descriptor: &Descriptor) -> bool {
    let fits = |p: &oci_spec::image::Platform| {
        p.os().to_string() == "linux" && p.architecture().to_string() == platform::architecture()
    };
    descriptor.platform().as_ref().is_none_or(fits)
}

fn names(descriptor: &Descriptor) -> Vec<String> {
    let Some(annotations) = descriptor.annotations() else { return Vec::new() };
    // The first is the full name by containerd and buildkit; the second may be only a tag by image-spec.
    let keys = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];
    keys.iter().find_map(|key| annotations.get(*key)).cloned().into_iter().collect()
}

/// Takes in a manifest and all that it needs; through an index, the manifest for this host.
fn descend(store: &Store, dir: &Path, descriptor: &Descriptor) -> Result<Digest, ImageError> {
    let digest = digest_of(descriptor)?;
    if descriptor.size() > MOST_JSON {
        return Err(ImageError::TooLarge { limit: MOST_JSON });
    }
    blob(store, dir, descriptor)?;
    let bytes = store.read(&digest)?;
    let value: Value = serde_json::from_slice(&bytes).map_err(json(format!("manifest {digest}")))?;
    if value.get("manifests").is_some() {
        let index: ImageIndex = serde_json::from_slice(&bytes).map_err(json(format!("index {digest}")))?;
        return descend(
            store,
            dir,
            platform::choose(index.manifests(), &digest, &platform::Platform::host())?,
        );
    }
    let manifest: oci_spec::image::ImageManifest =
        serde_json::from_slice(&bytes).map_err(json(format!("manifest {digest}")))?;
    for described in manifest.layers().iter().chain([manifest.config()]) {
        blob(store, dir, described)?;
    }
    Ok(digest)
}

fn blob(store: &Store, dir: &Path, descriptor: &Descriptor) -> Result<(), ImageError> {
    let digest = digest_of(descriptor)?;
    let file = open(dir, &format!("blobs/sha256/{}", digest.hex()))?;
    store.put(file, Some((&digest, descriptor.size()))).map(drop)
}

/// Opens a regular file beneath `dir`, whatever links are in it.
pub(super) fn open(dir: &Path, name: &str) -> Result<File, ImageError> {
    use rustix::fs::{Mode, OFlags, ResolveFlags};
    let shown = dir.join(name);
    let failed = |e: rustix::io::Errno| io("open", &shown)(e.into());
    let root = rustix::fs::open(dir, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(failed)?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let file = File::from(rustix::fs::openat2(&root, name, flags, Mode::empty(), resolve).map_err(failed)?);
    let regular = file.metadata().map_err(io("look at", &shown))?.is_file();
    if regular { Ok(file) } else { Err(failed(rustix::io::Errno::INVAL)) }
}

/// A small file, whole.
pub(super) fn small(dir: &Path, name: &str) -> Result<Vec<u8>, ImageError> {
    let file = open(dir, name)?;
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut std::io::Read::take(file, MOST_JSON + 1), &mut bytes)
        .map_err(io("read", &dir.join(name)))?;
    if bytes.len() as u64 > MOST_JSON { Err(ImageError::TooLarge { limit: MOST_JSON }) } else { Ok(bytes) }
}
