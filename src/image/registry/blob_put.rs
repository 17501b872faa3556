//! One blob goes out: not at all where it is there, taken over from another repository where that is possible, and
//! resumed where the connection broke (distribution-spec, "Pushing blobs").

use super::endpoint::{joined, with_query};
use super::error::RegistryError;
use super::http::{Ask, Client, Payload, shown};
use super::pace::Pace;
use super::progress::{How, Listener, Step};
use super::retry::retried;
use crate::image::digest::Digest;
use crate::image::error::{ImageError, io};
use crate::image::store::Store;
use std::cell::RefCell;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use ureq::Body;
use ureq::http::Response;

/// Where a blob was sent to: some of it may be there.
struct Upload {
    location: String,
}

/// Sends it, unless it is there. `others`: repositories of the same registry that may have it.
pub(super) fn send(
    client: &Client,
    store: &Store,
    digest: &Digest,
    bytes: u64,
    others: &[String],
    listener: Listener<'_>,
) -> Result<How, ImageError> {
    let upload: RefCell<Option<Upload>> = RefCell::new(None);
    let how = retried(
        &client.options,
        listener,
        || 0,
        || {
            let begun = upload.borrow_mut().take();
            let resumed = begun.is_some();
            let (to, from) = match begun.map(|u| reached(client, &u.location, bytes)) {
                Some(Ok(found)) => found,
                // The registry knows nothing of that upload any more, or wants it otherwise.
                None | Some(Err(RegistryError::Status { status: 400..500, .. })) => {
                    if there(client, digest)? {
                        return Ok(How::Already);
                    }
                    match begin(client, digest, others)? {
                        Some(location) => (location, 0),
                        None => return Ok(How::Mounted),
                    }
                }
                Some(Err(e)) => return Err(e.into()),
            };
            upload.borrow_mut().replace(Upload { location: to.clone() });
            listener(&Step::Begins { digest, bytes, from });
            let to = match send_rest(client, store, digest, (from, bytes), to, listener) {
                // What was written of the request that broke came to light only now, and the upload is void
                // (docker-registry 2.8).
                Err(ImageError::Registry(RegistryError::Status { status: 400..500, .. })) if resumed => {
                    let Some(to) = begin(client, digest, others)? else { return Ok(How::Mounted) };
                    listener(&Step::Begins { digest, bytes, from: 0 });
                    send_rest(client, store, digest, (0, bytes), to, listener)?
                }
                other => other?,
            };
            upload.borrow_mut().replace(Upload { location: to.clone() });
            end(client, digest, &to).map(|()| How::Moved)
        },
    )?;
    listener(&Step::Ends { digest, bytes, how });
    Ok(how)
}

fn there(client: &Client, digest: &Digest) -> Result<bool, RegistryError> {
    match client.send(&Ask::new("HEAD", client.url(&format!("blobs/{digest}")))) {
        Ok(_) => Ok(true),
        Err(RegistryError::Status { status: 404, .. }) => Ok(false),
        Err(e) => Err(e),
    }
}

/// Where to send it; none where the registry took it over from another repository.
fn begin(client: &Client, digest: &Digest, others: &[String]) -> Result<Option<String>, RegistryError> {
    let url = client.url("blobs/uploads/");
    for other in others.iter().filter(|o| **o != client.endpoint.repository) {
        let mount = with_query(&with_query(&url, "mount", &digest.to_string()), "from", other);
        match client.send(&Ask::new("POST", mount)) {
            Ok(response) if response.status() == 201 => return Ok(None),
            // It will not, and began an upload instead.
            Ok(response) => return location(&url, &response).map(Some),
            // It may not read there, or there is nothing.
            Err(RegistryError::Status { status: 400..500, .. } | RegistryError::Denied { .. }) => {}
            Err(e) => return Err(e),
        }
    }
    let response = client.send(&Ask::new("POST", &url))?;
    location(&url, &response).map(Some)
}

fn location(url: &str, response: &Response<Body>) -> Result<String, RegistryError> {
    let told = response.headers().get("location").and_then(|l| l.to_str().ok());
    let none =
        || RegistryError::Lies { url: shown(url), why: "it does not say where to send the blob".into() };
    told.map(|to| joined(url, to)).ok_or_else(none)
}

/// Sends what is lacking, and says where the upload is ended.
fn send_rest(
    client: &Client,
    store: &Store,
    digest: &Digest,
    (from, bytes): (u64, u64),
    to: String,
    listener: Listener<'_>,
) -> Result<String, ImageError> {
    let path = store.blob_path(digest);
    let open = || {
        let mut file = File::open(&path)?;
        file.seek(SeekFrom::Start(from))?;
        let pace = Pace::new(client.options.idle);
        Ok(Box::new(Told { file, digest, listener, pace }) as Box<dyn Read + '_>)
    };
    open().map_err(io("open", &path))?;
    if from == bytes {
        return Ok(to);
    }
    let mut ask = Ask::new("PATCH", &to).header("content-type", "application/octet-stream");
    if from > 0 {
        ask = ask.header("content-range", format!("{from}-{}", bytes - 1));
    }
    ask.payload = Payload::Stream(bytes - from, &open);
    let response = client.send(&ask)?;
    Ok(location(&to, &response)?)
}

fn end(client: &Client, digest: &Digest, to: &str) -> Result<(), ImageError> {
    let response = client.send(&Ask::new("PUT", with_query(to, "digest", &digest.to_string())))?;
    let told = response.headers().get("docker-content-digest").and_then(|v| v.to_str().ok());
    match told {
        Some(told) if told.starts_with("sha256:") && told != digest.to_string() => {
            let why = format!("blob {digest} was sent, it says that it took {told}");
            Err(RegistryError::Lies { url: shown(to), why }.into())
        }
        _ => Ok(()),
    }
}

/// Where to send the rest, and how much an upload has.
fn reached(client: &Client, asked: &str, bytes: u64) -> Result<(String, u64), RegistryError> {
    let response = client.send(&Ask::new("GET", asked))?;
    let range = response.headers().get("range").and_then(|v| v.to_str().ok()).unwrap_or_default();
    let last = range.rsplit('-').next().and_then(|n| n.parse::<u64>().ok());
    let to = location(asked, &response).unwrap_or_else(|_| asked.to_owned());
    match last {
        // Nothing and one byte are both told as `0-0`.
        None | Some(0) => Ok((to, 0)),
        Some(last) if last < bytes => Ok((to, last + 1)),
        Some(_) => {
            let why = "it has more of the blob than there is".to_owned();
            Err(RegistryError::Lies { url: shown(asked), why })
        }
    }
}

/// Tells what was read.
struct Told<'a> {
    file: File,
    digest: &'a Digest,
    listener: Listener<'a>,
    pace: Pace,
}

impl Read for Told<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.file.read(buffer)?;
        if n > 0 {
            self.pace.moved(n)?;
        }
        (self.listener)(&Step::Moves { digest: self.digest, bytes: n as u64 });
        Ok(n)
    }
}
