//! `ps --filter KEY=VALUE`: filters of one key are alternatives, those of different keys hold together, as podman's.

use super::ps::Listed;
use super::spec::TargetKind;
use super::state::Status;

/// What is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Key {
    Name(String),
    Id(String),
    Status(&'static str),
    Health(String),
    Exited(i32),
    Ancestor(String),
    Network(String),
    Target(TargetKind),
    Volume(String),
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter(Key);

/// Reads one.
pub fn parse(text: &str) -> Result<Filter, String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("{text:?}: use KEY=VALUE"))?;
    let value = value.to_owned();
    let bad = |why: &str| format!("{text:?}: {why}");
    let key = match key {
        "name" => Key::Name(value),
        "id" => Key::Id(value),
        "ancestor" => Key::Ancestor(value),
        "network" => Key::Network(value),
        "health" => Key::Health(value),
        "volume" => Key::Volume(value),
        "target" => Key::Target(value.parse().map_err(|e: String| bad(&e))?),
        "exited" => Key::Exited(value.parse().map_err(|_| bad("an exit code is a number"))?),
        "status" => {
            let found = ["created", "running", "paused", "exited"].into_iter().find(|s| *s == value);
            Key::Status(found.ok_or_else(|| bad("created, running, paused or exited"))?)
        }
        _ => {
            return Err(bad(
                "the keys are name, id, status, exited, ancestor, network, target, volume and health",
            ));
        }
    };
    Ok(Filter(key))
}

impl Filter {
    /// Whether it asks for a state, so that those that do not run are meant, too.
    pub fn is_of_state(&self) -> bool {
        matches!(self.0, Key::Status(_) | Key::Exited(_))
    }

    fn same_key(&self, other: &Self) -> bool {
        std::mem::discriminant(&self.0) == std::mem::discriminant(&other.0)
    }

    fn fits(&self, l: &Listed) -> bool {
        match &self.0 {
            Key::Name(part) => l.spec.name.contains(part.as_str()),
            Key::Id(first) => l.spec.id.starts_with(first.as_str()),
            Key::Status(status) => l.state_name() == *status,
            Key::Health(wanted) => l.health.map_or("none", |h| h.as_str()) == wanted,
            Key::Exited(code) => l.state.status == Status::Exited && l.state.exit_code == Some(*code),
            Key::Ancestor(image) => {
                let digest = l.spec.image_digest.strip_prefix("sha256:").unwrap_or_default();
                let bare = l.spec.image.strip_suffix(":latest").unwrap_or(&l.spec.image);
                let wanted = image.strip_suffix(":latest").unwrap_or(image);
                bare == wanted || (image.len() >= 12 && digest.starts_with(image.as_str()))
            }
            Key::Network(name) => l.spec.network.to_string() == *name,
            Key::Target(target) => l.spec.target == *target,
            Key::Volume(which) => l.spec.volumes.iter().any(|v| v.is_called(which)),
        }
    }
}

/// Leaves only what all of them let through.
pub fn keep(listed: &mut Vec<Listed>, filters: &[Filter]) {
    listed.retain(|l| {
        filters.iter().all(|f| filters.iter().filter(|other| other.same_key(f)).any(|other| other.fits(l)))
    });
}
