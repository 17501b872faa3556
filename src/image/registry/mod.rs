//! Registries: pull, push, and what both stand on (distribution-spec 1.1).
//!
//! All of it is synchronous: a pull is a few threads, each with one blob. The client is ours and thin, because a
//! registry is not trusted: every answer is read up to a limit, every wait has an end, a redirect to another host gets
//! no credentials, and what was fetched is believed only by its digest.
//!
//! `endpoint` says where, `http` how one request is made and repeated, `auth` and `credentials` who asks; `manifest`,
//! `blob_get` and `blob_put` are one exchange each; `pull` and `push` put them together.

mod auth;
mod blob_get;
mod blob_put;
mod credentials;
mod endpoint;
mod error;
mod http;
mod manifest;
mod options;
mod origins;
mod pace;
mod progress;
pub mod pull;
pub mod push;
mod retry;
mod tls;

pub use error::RegistryError;
pub(super) use manifest::media_type;
pub use options::Options;
pub use progress::{How, Step};
