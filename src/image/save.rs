//! Images for others: OCI layout as a folder or archive, and docker-archive.
//!
//! What is written is verified on the way: a store that is damaged gives no damaged archive.

use super::digest::{Digest, Hashing};
use super::error::{ImageError, io, json};
use super::parts::Parts;
use super::reference::Reference;
use super::store::Store;
use super::whole::whole;
use serde_json::{Value, json as object};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// Images that leave together.
struct Leaving {
    /// `index.json`.
    index: Vec<Value>,
    /// Every blob once, manifests included.
    blobs: BTreeMap<Digest, u64>,
}

fn leaving(store: &Store, references: &[String]) -> Result<Leaving, ImageError> {
    let mut all = Leaving { index: Vec::new(), blobs: BTreeMap::new() };
    for reference in references {
        let mut parts = Parts::of(store, &store.digest_of(reference)?)?;
        if !parts.missing.is_empty() {
            // An index of which the store has a part: this host's image leaves alone.
            parts = Parts::of(store, store.resolve(reference)?.digest())?;
        }
        let Some(top) = parts.manifests.last() else { continue };
        let bytes = store.read(top)?;
        let value: Value = serde_json::from_slice(&bytes).map_err(json(format!("manifest {top}")))?;
        let name = reference.parse::<Reference>()?.to_string();
        all.index.push(object!({
            "mediaType": super::registry::media_type(&value),
            "digest": top.to_string(),
            "size": bytes.len(),
            "annotations": { "io.containerd.image.name": name, "org.opencontainers.image.ref.name": name },
        }));
        for manifest in &parts.manifests {
            all.blobs.insert(manifest.clone(), store.read(manifest)?.len() as u64);
        }
        all.blobs.extend(parts.blobs);
    }
    Ok(all)
}

fn index(entries: &[Value]) -> Result<Vec<u8>, ImageError> {
    serde_json::to_vec(&object!({ "schemaVersion": 2, "manifests": entries })).map_err(json("index.json"))
}

/// An OCI layout as a folder. One that is there is added to; an image of the same name is replaced in its index.
pub fn layout(store: &Store, references: &[String], dir: &Path) -> Result<(), ImageError> {
    let _adding = store.adding()?;
    let leaving = leaving(store, references)?;
    let blobs = dir.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).map_err(io("create", &blobs))?;
    let items: Vec<(&Digest, u64)> = leaving.blobs.iter().map(|(d, b)| (d, *b)).collect();
    super::each::each(super::each::cpus(), &items, |(digest, bytes)| {
        let to = blobs.join(digest.hex());
        if std::fs::metadata(&to).is_ok_and(|m| m.len() == *bytes) {
            return Ok(());
        }
        whole(&to, |file| copy(store, digest, *bytes, file, &to))
    })?;
    let there = dir.join("index.json");
    let mut entries = match std::fs::read(&there) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(e) => return Err(io("read", &there)(e)),
        Ok(bytes) => {
            let before: Value = serde_json::from_slice(&bytes).map_err(json(there.display()))?;
            before.get("manifests").and_then(Value::as_array).cloned().unwrap_or_default()
        }
    };
    let name = |e: &Value| e.pointer("/annotations/org.opencontainers.image.ref.name").cloned();
    entries.retain(|e| name(e).is_none() || !leaving.index.iter().any(|new| name(new) == name(e)));
    entries.extend(leaving.index);
    let marker = dir.join("oci-layout");
    whole(&marker, |file| file.write_all(LAYOUT).map_err(io("write", &marker)))?;
    let index = index(&entries)?;
    whole(&there, |file| file.write_all(&index).map_err(io("write", &there)))
}

/// An OCI layout as a tar archive, the same bytes for the same images.
pub fn archive(store: &Store, references: &[String], to: impl Write) -> Result<(), ImageError> {
    let _adding = store.adding()?;
    let leaving = leaving(store, references)?;
    let shown = Path::new("the archive");
    let mut tar = tar::Builder::new(to);
    let failed = |e| io("write", shown)(e);
    tar.append(&header("oci-layout", LAYOUT.len() as u64).map_err(failed)?, LAYOUT).map_err(failed)?;
    let index = index(&leaving.index)?;
    tar.append(&header("index.json", index.len() as u64).map_err(failed)?, &index[..]).map_err(failed)?;
    for (digest, bytes) in &leaving.blobs {
        let name = format!("blobs/sha256/{}", digest.hex());
        let header = header(&name, *bytes).map_err(failed)?;
        let out = tar.get_mut();
        out.write_all(header.as_bytes()).map_err(failed)?;
        copy(store, digest, *bytes, out, shown)?;
        out.write_all(&[0; 512][..padding(*bytes)]).map_err(failed)?;
    }
    tar.into_inner().and_then(|mut out| out.flush()).map_err(failed)
}

/// Of a regular file that says nothing about this host.
pub(super) fn header(name: &str, bytes: u64) -> std::io::Result<tar::Header> {
    let mut header = tar::Header::new_ustar();
    header.set_path(name)?;
    header.set_size(bytes);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_cksum();
    Ok(header)
}

/// From the end of a member's bytes to the next header.
pub(super) fn padding(bytes: u64) -> usize {
    (bytes.wrapping_neg() % 512) as usize
}

fn copy(
    store: &Store,
    digest: &Digest,
    bytes: u64,
    to: &mut impl Write,
    shown: &Path,
) -> Result<(), ImageError> {
    let path = store.blob_path(digest);
    let file = match File::open(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Err(ImageError::NoBlob(digest.clone())),
        other => other.map_err(io("open", &path))?,
    };
    let mut reader = Hashing::new(file.take(bytes + 1));
    let mut buffer = vec![0; 256 << 10];
    loop {
        let n = reader.read(&mut buffer).map_err(io("read", &path))?;
        if n == 0 {
            break;
        }
        to.write_all(&buffer[..n]).map_err(io("write", shown))?;
    }
    let (found, length, _) = reader.finish();
    let digest = digest.clone();
    if length != bytes {
        return Err(ImageError::WrongSize { digest, expected: bytes, found: length });
    }
    if found == digest { Ok(()) } else { Err(ImageError::WrongDigest { expected: digest, found }) }
}
