//! Archives and image layouts made byte by byte, honest and hostile.

use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use taremark::image::digest::Digest;

/// One member: header and padded data. `kind` is the type flag.
pub fn member(path: &str, kind: u8, link: &str, data: &[u8]) -> Vec<u8> {
    with_size(path, kind, link, data, data.len() as u64)
}

/// A member whose header tells another size.
pub fn with_size(path: &str, kind: u8, link: &str, data: &[u8], size: u64) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    let old = header.as_old_mut();
    old.name[..path.len()].copy_from_slice(path.as_bytes());
    old.linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_entry_type(tar::EntryType::new(kind));
    header.set_mode(if kind == b'5' { 0o755 } else { 0o644 });
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(1_000_000_000);
    header.set_size(size);
    header.set_cksum();
    let mut all = header.as_bytes().to_vec();
    all.extend_from_slice(data);
    all.resize(all.len().next_multiple_of(512), 0);
    all
}

/// An extended header for the member after it.
pub fn pax(records: &[(&str, &[u8])]) -> Vec<u8> {
    let mut data = Vec::new();
    for (key, value) in records {
        let rest = key.len() + value.len() + 3;
        let digits = (1..).find(|d| (rest + d).to_string().len() == *d).expect("length");
        data.extend_from_slice(format!("{} {key}=", rest + digits).as_bytes());
        data.extend_from_slice(value);
        data.push(b'\n');
    }
    member("pax", b'x', "", &data)
}

/// A whole archive of members.
pub fn archive(members: &[Vec<u8>]) -> Vec<u8> {
    [members.concat(), vec![0; 1024]].concat()
}

/// Compresses by gzip.
pub fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).expect("gzip");
    encoder.finish().expect("gzip")
}

/// Writes blobs below `dir`, and gives descriptors of them.
pub struct Layout<'a>(pub &'a Path);

impl Layout<'_> {
    /// A blob.
    pub fn blob(&self, kind: &str, bytes: &[u8]) -> Value {
        let digest = Digest::of(bytes);
        let dir = self.0.join("blobs/sha256");
        std::fs::create_dir_all(&dir).expect("folder");
        std::fs::write(dir.join(digest.hex()), bytes).expect("blob");
        json!({ "mediaType": kind, "digest": digest.to_string(), "size": bytes.len() })
    }

    /// An image of these layers (plain tar archives; the first is stored by gzip, the second by zstd, others plain).
    pub fn image(&self, architecture: &str, layers: &[Vec<u8>]) -> Value {
        self.image_that_promises(layers, architecture, layers)
    }

    /// The same, whose config names what is `promised`.
    pub fn image_that_promises(&self, promised: &[Vec<u8>], architecture: &str, layers: &[Vec<u8>]) -> Value {
        let config = config(architecture, promised);
        let descriptors: Vec<Value> = layers
            .iter()
            .enumerate()
            .map(|(n, layer)| match n {
                0 => self.blob("application/vnd.oci.image.layer.v1.tar+gzip", &gzip(layer)),
                1 => {
                    let packed = zstd::encode_all(&layer[..], 1).expect("zstd");
                    self.blob("application/vnd.oci.image.layer.v1.tar+zstd", &packed)
                }
                _ => self.blob("application/vnd.oci.image.layer.v1.tar", layer),
            })
            .collect();
        let config = self.blob("application/vnd.oci.image.config.v1+json", &config);
        let kind = "application/vnd.oci.image.manifest.v1+json";
        let manifest =
            json!({ "schemaVersion": 2, "mediaType": kind, "config": config, "layers": descriptors });
        let mut found = self.blob(kind, manifest.to_string().as_bytes());
        found["platform"] = json!({ "os": "linux", "architecture": architecture });
        found
    }

    /// An index, as a blob.
    pub fn index(&self, manifests: &[Value]) -> Value {
        let kind = "application/vnd.oci.image.index.v1+json";
        self.blob(
            kind,
            json!({ "schemaVersion": 2, "mediaType": kind, "manifests": manifests }).to_string().as_bytes(),
        )
    }

    /// `oci-layout` and `index.json` with one named entry.
    pub fn finish(&self, mut entry: Value, name: Option<&str>) {
        if let Some(name) = name {
            entry["annotations"] = json!({ "org.opencontainers.image.ref.name": name });
        }
        let index = json!({ "schemaVersion": 2, "manifests": [entry] }).to_string();
        std::fs::write(self.0.join("index.json"), index).expect("index");
        std::fs::write(self.0.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("layout");
    }
}

/// A config with a field that no type knows, which has to survive.
pub fn config(architecture: &str, layers: &[Vec<u8>]) -> Vec<u8> {
    let diff_ids: Vec<String> = layers.iter().map(|l| Digest::of(l).to_string()).collect();
    let run = json!({ "Entrypoint": ["/bin/sh"], "Cmd": ["-c", "true"], "Env": ["A=b"], "User": "app",
        "WorkingDir": "/srv", "Healthcheck": { "Test": ["NONE"] } });
    json!({ "created": "2026-01-02T03:04:05Z", "architecture": architecture, "os": "linux", "config": run,
        "rootfs": { "type": "layers", "diff_ids": diff_ids } })
    .to_string()
    .into_bytes()
}

/// Writes a docker-archive's folder.
pub fn docker_archive(dir: &Path, tags: &[&str], layers: &[Vec<u8>]) {
    let config = config("amd64", layers);
    let config_name = format!("{}.json", Digest::of(&config).hex());
    std::fs::write(dir.join(&config_name), config).expect("config");
    let mut names = Vec::new();
    for (n, layer) in layers.iter().enumerate() {
        std::fs::create_dir(dir.join(n.to_string())).expect("folder");
        std::fs::write(dir.join(format!("{n}/layer.tar")), layer).expect("layer");
        names.push(format!("{n}/layer.tar"));
    }
    let manifest = json!([{ "Config": config_name, "RepoTags": tags, "Layers": names }]).to_string();
    std::fs::write(dir.join("manifest.json"), manifest).expect("manifest");
}
