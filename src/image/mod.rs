//! OCI images: reference, digest, store, layers, import.
//!
//! A blob enters the store through [`store::Store::put`], which verifies it while it streams; an image is what
//! [`store::Store::resolve`] gives; its layers are unpacked once, by [`unpack`], into folders that overlayfs takes.

mod archive;
pub mod builtin;
pub mod compression;
pub mod digest;
mod error;
pub mod handle;
pub mod import;
pub mod layer;
mod make;
mod pax;
pub mod platform;
pub mod reference;
mod sparse;
pub mod store;
mod sweep;
mod tree;
pub mod unpack;
mod user;
pub mod workspace;

pub use error::ImageError;
pub use handle::{Image, ImageSizes, RunSpec};
