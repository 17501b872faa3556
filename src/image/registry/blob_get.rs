//! One blob comes in: resumed where an earlier attempt, of this process or another, broke off.

use super::error::RegistryError;
use super::http::{Ask, Client, shown};
use super::pace::Pace;
use super::progress::{How, Listener, Step};
use super::retry::retried;
use crate::image::digest::Digest;
use crate::image::error::ImageError;
use crate::image::partial::Partial;
use crate::image::store::Store;
use std::cell::{Cell, RefCell};
use std::io::Read;
use ureq::Body;
use ureq::http::Response;

/// An attempt that brought so much is none that failed: a registry that gives a byte and hangs up is not asked for ever.
const PROGRESS: u64 = 64 << 10;

/// Fetches it, unless it is there.
pub(super) fn fetch(
    client: &Client,
    store: &Store,
    digest: &Digest,
    bytes: u64,
    listener: Listener<'_>,
) -> Result<(), ImageError> {
    let Some(partial) = Partial::open(store, digest)? else {
        listener(&Step::Ends { digest, bytes, how: How::Already });
        return Ok(());
    };
    let mut inherited = partial.bytes() > 0;
    let reached = Cell::new(partial.bytes());
    let partial = RefCell::new(partial);
    loop {
        retried(
            &client.options,
            listener,
            || reached.get() / PROGRESS,
            || {
                let mut partial = partial.borrow_mut();
                let done = attempt(client, digest, bytes, &mut partial, listener);
                reached.set(partial.bytes());
                done
            },
        )?;
        let mut whole = partial.borrow_mut();
        match whole.finish(store, bytes) {
            // What another process left may be damaged: that is no lie of the registry's.
            Err(ImageError::WrongDigest { .. }) if inherited => {
                inherited = false;
                whole.restart()?;
            }
            Err(e) => return Err(e),
            Ok(()) => break,
        }
    }
    listener(&Step::Ends { digest, bytes, how: How::Moved });
    Ok(())
}

fn attempt(
    client: &Client,
    digest: &Digest,
    bytes: u64,
    partial: &mut Partial,
    listener: Listener<'_>,
) -> Result<(), ImageError> {
    if partial.bytes() > bytes {
        partial.restart()?;
    }
    if partial.bytes() == bytes && bytes > 0 {
        return Ok(());
    }
    let url = client.url(&format!("blobs/{digest}"));
    let response = open(client, &url, partial)?;
    let from = partial.bytes();
    listener(&Step::Begins { digest, bytes, from });
    let lies = |why: String| RegistryError::Lies { url: shown(&url), why };
    if let Some(length) = response.body().content_length()
        && length != bytes - from
    {
        let found = from + length;
        return Err(ImageError::WrongSize { digest: digest.clone(), expected: bytes, found });
    }
    let mut pace = Pace::new(client.options.idle);
    let mut reader = response.into_body().into_reader().take(bytes - from + 1);
    let mut buffer = vec![0; 256 << 10];
    loop {
        let n = match reader.read(&mut buffer) {
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            Ok(0) if partial.bytes() < bytes => Err(std::io::ErrorKind::UnexpectedEof.into()),
            other => other,
        };
        let n = n.and_then(|n| pace.moved(n).map(|()| n));
        let n = n.map_err(|source| RegistryError::BrokeOff {
            digest: digest.clone(),
            url: shown(&url),
            bytes: partial.bytes(),
            source,
        })?;
        if n == 0 {
            return Ok(());
        }
        if partial.bytes() + n as u64 > bytes {
            partial.restart()?;
            return Err(lies(format!("blob {digest} has more than the {bytes} bytes of its manifest")).into());
        }
        partial.append(&buffer[..n])?;
        listener(&Step::Moves { digest, bytes: n as u64 });
    }
}

/// The answer, from where the partial blob ends; it is emptied where the registry begins anew.
fn open(client: &Client, url: &str, partial: &mut Partial) -> Result<Response<Body>, ImageError> {
    let from = partial.bytes();
    if from > 0 {
        match client.send(&Ask::new("GET", url).header("range", format!("bytes={from}-"))) {
            Ok(response) if response.status() == 206 => {
                let range = response.headers().get("content-range").and_then(|v| v.to_str().ok());
                if range.is_some_and(|r| r.starts_with(&format!("bytes {from}-"))) {
                    return Ok(response);
                }
            }
            Ok(response) => {
                partial.restart()?;
                return Ok(response);
            }
            Err(RegistryError::Status { status: 416, .. }) => {}
            Err(e) => return Err(e.into()),
        }
        partial.restart()?;
    }
    Ok(client.send(&Ask::new("GET", url))?)
}
