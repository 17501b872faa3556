//! OCI images: reference, digest, store, layers, import.
//!
//! A blob enters the store through [`store::Store::put`], which verifies it while it streams; an image is what
//! [`store::Store::resolve`] gives; its layers are unpacked once, by [`unpack`], into folders that overlayfs takes.

mod ahead;
mod archive;
pub mod build;
pub mod builtin;
pub mod compare;
pub mod compression;
pub mod digest;
mod each;
mod error;
pub mod export;
mod flatten;
mod gzip;
pub mod handle;
pub mod history;
pub mod import;
pub mod layer;
pub mod list;
pub mod load;
mod load_docker;
mod make;
mod partial;
mod parts;
mod pax;
pub mod platform;
pub mod reference;
pub mod registry;
pub mod remove;
pub mod save;
pub mod save_docker;
mod sizes;
mod source;
mod sparse;
pub mod store;
mod sweep;
pub mod tag;
mod tree;
pub mod unpack;
mod user;
pub mod verify;
mod view;
pub mod whole;
pub mod workspace;

pub use error::ImageError;
pub use handle::{Image, ImageSizes, RunSpec};
