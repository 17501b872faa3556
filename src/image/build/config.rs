//! An image's config while it is built. Kept as raw JSON: fields that the OCI types do not know (Docker's Healthcheck,
//! OnBuild, Shell) survive.

use crate::image::platform::Platform;
use serde_json::{Map, Value, json};

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub struct Config(Value);

/// What the process of an image inherits when its config says nothing.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

impl Config {
    /// Of `FROM scratch`.
    pub fn scratch(platform: &Platform) -> Self {
        let mut config = json!({
            "architecture": platform.architecture,
            "os": platform.os,
            "config": { "Env": [format!("PATH={PATH}")] },
            "rootfs": { "type": "layers", "diff_ids": [] },
            "history": [],
        });
        if let Some(variant) = &platform.variant {
            config["variant"] = json!(variant);
        }
        Self(config)
    }

    /// Of an image that is built on.
    pub fn of(base: &Value) -> Self {
        let mut config = base.clone();
        // Docker's builder keeps what the last container was there; it says nothing about the image.
        if let Some(map) = config.as_object_mut() {
            for old in ["container", "container_config", "docker_version", "id", "parent", "parent_id"] {
                map.shift_remove(old);
            }
        }
        let mut config = Self(config);
        config.run();
        config
    }

    /// The raw JSON, to be changed.
    pub fn value_mut(&mut self) -> &mut Value {
        &mut self.0
    }

    /// The part about the process.
    pub fn run(&mut self) -> &mut Map<String, Value> {
        let slot = &mut self.0["config"];
        if !slot.is_object() {
            *slot = json!({});
        }
        match slot {
            Value::Object(map) => map,
            // Just made one.
            _ => unreachable!("an object was put there"),
        }
    }

    /// Sets a field of that part; an empty value takes it away.
    pub fn set(&mut self, key: &str, value: Value) {
        let empty = match &value {
            Value::Null => true,
            Value::String(s) => s.is_empty(),
            _ => false,
        };
        if empty {
            self.run().shift_remove(key);
        } else {
            self.run().insert(key.to_owned(), value);
        }
    }

    fn get(&self, key: &str) -> Option<&Value> {
        self.0.get("config").and_then(|c| c.get(key))
    }

    /// A text field; empty when it is not there.
    pub fn text(&self, key: &str) -> &str {
        self.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// A list of texts.
    pub fn list(&self, key: &str) -> Option<Vec<String>> {
        let list = self.get(key)?.as_array()?;
        Some(list.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect())
    }

    /// Sets a variable, in its old place if it had one.
    pub fn set_env(&mut self, name: &str, value: &str) {
        let mut all = self.list("Env").unwrap_or_default();
        let line = format!("{name}={value}");
        match all.iter_mut().find(|e| e.split_once('=').is_some_and(|(k, _)| k == name)) {
            Some(old) => *old = line,
            None => all.push(line),
        }
        self.set("Env", json!(all));
    }

    /// Puts into a map field: Labels, ExposedPorts, Volumes.
    pub fn put(&mut self, field: &str, key: &str, value: Value) {
        let slot = self.run().entry(field).or_insert_with(|| json!({}));
        if !slot.is_object() {
            *slot = json!({});
        }
        slot[key] = value;
    }

    /// The shell for commands that are one string.
    pub fn shell(&self) -> Vec<String> {
        self.list("Shell").filter(|s| !s.is_empty()).unwrap_or_else(|| vec!["/bin/sh".into(), "-c".into()])
    }

    /// Adds an entry of the history (image-spec, config.md).
    pub fn history(&mut self, entry: Value) {
        match &mut self.0["history"] {
            Value::Array(list) => list.push(entry),
            other => *other = json!([entry]),
        }
    }

    /// Adds a layer.
    pub fn layer(&mut self, diff_id: &str) {
        match self.0.pointer_mut("/rootfs/diff_ids") {
            Some(Value::Array(list)) => list.push(json!(diff_id)),
            _ => self.0["rootfs"] = json!({ "type": "layers", "diff_ids": [diff_id] }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_fields_survive_and_variables_keep_their_place() {
        let base = json!({"architecture": "amd64", "os": "linux", "x": 1, "container": "y",
            "config": {"Env": ["A=1", "B=2"], "Healthcheck": {"Test": ["NONE"]}}});
        let mut config = Config::of(&base);
        config.set_env("A", "3");
        config.set_env("C", "4=5");
        config.put("Labels", "a", json!("b"));
        config.layer("sha256:0");
        assert_eq!(config.list("Env").expect("env"), ["A=3", "B=2", "C=4=5"]);
        assert_eq!(config.0["config"]["Healthcheck"]["Test"][0], "NONE");
        assert_eq!((config.0["x"].as_i64(), config.0.get("container")), (Some(1), None));
        assert_eq!(config.shell(), ["/bin/sh", "-c"]);
        config.set("Healthcheck", Value::Null);
        assert_eq!(config.0["config"].get("Healthcheck"), None);
    }
}
