//! OCI images: reference, digest, manifest, store, layers, archives.
