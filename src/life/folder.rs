//! Where containers are kept: a folder each, below one root.
//!
//! `<root>/<id>/` holds `spec.json` (what was asked), `state.json` (what is), `monitor.lock` (locked while its monitor
//! lives), `readers.lock` (shared by those that wait for it, so that it is not removed under them), `log`, `hosts`, the
//! writable layer `upper` with overlayfs' `work`, the mount point `root`, and what the target needs. A folder appears by
//! one rename under the root's lock, and goes by one.

use super::error::{LifeError, io};
use super::names;
use super::spec::Spec;
use super::state::State;
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A lock on a file, held until it is closed in every process that has it: a monitor inherits its own.
pub type Lock = File;

/// `TAREMARK_STATE`, or `/var/lib/taremark/containers`: on a disk, because what containers write is kept there.
pub fn default_root() -> PathBuf {
    let named = std::env::var_os("TAREMARK_STATE").filter(|v| !v.is_empty());
    named.map_or_else(|| "/var/lib/taremark/containers".into(), PathBuf::from)
}

/// The root of all folders.
#[derive(Debug, Clone)]
pub struct Root(PathBuf);

/// One container.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

fn make_private(path: &Path) -> Result<(), LifeError> {
    // Containers' files may be setuid: no other user may reach them.
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(io("create", path))
}

fn open_lock(path: &Path) -> Result<File, LifeError> {
    File::options().create(true).truncate(false).read(true).write(true).open(path).map_err(io("open", path))
}

fn try_lock(path: &Path, how: FlockOperation) -> Result<Option<Lock>, LifeError> {
    let file = open_lock(path)?;
    loop {
        match flock(&file, how) {
            Ok(()) => return Ok(Some(file)),
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(io("lock", path)(e.into())),
        }
    }
}

/// Writes a file whole or not at all.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), LifeError> {
    let new = path.with_extension(format!("new{}", std::process::id()));
    std::fs::write(&new, bytes).map_err(io("write", &new))?;
    std::fs::rename(&new, path).map_err(io("write", path))
}

impl Root {
    /// Opens it, making it if it is not there.
    pub fn open(path: &Path) -> Result<Self, LifeError> {
        make_private(path)?;
        Ok(Self(std::fs::canonicalize(path).map_err(io("find", path))?))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The lock under which containers appear and go and networks change. Waits for it.
    pub fn lock(&self) -> Result<Lock, LifeError> {
        let path = self.0.join("lock");
        let locked = try_lock(&path, FlockOperation::LockExclusive)?;
        locked.ok_or_else(|| io("lock", &path)(std::io::Error::from(std::io::ErrorKind::WouldBlock)))
    }

    /// All containers, the oldest first. Folders that cannot be read are left out: they are on their way in or out.
    pub fn all(&self) -> Result<Vec<(Folder, Spec)>, LifeError> {
        let entries = std::fs::read_dir(&self.0).map_err(io("list", &self.0))?;
        let ids = entries.flatten().filter(|e| e.file_name().len() == 64);
        let folders = ids.map(|e| Folder(e.path()));
        let mut all: Vec<_> = folders.filter_map(|f| f.spec().ok().map(|s| (f, s))).collect();
        all.sort_by(|a, b| (a.1.created_ms, &a.1.id).cmp(&(b.1.created_ms, &b.1.id)));
        Ok(all)
    }

    /// By name, by id, or by the beginning of an id.
    pub fn find(&self, which: &str) -> Result<(Folder, Spec), LifeError> {
        let mut all = self.all()?;
        if let Some(at) = all.iter().position(|(_, s)| s.name == which || s.id == which) {
            return Ok(all.swap_remove(at));
        }
        all.retain(|(_, s)| !which.is_empty() && s.id.starts_with(which));
        match (all.pop(), all.is_empty()) {
            (Some(found), true) => Ok(found),
            (Some(_), false) => Err(LifeError::Ambiguous(which.to_owned())),
            (None, _) => Err(LifeError::NotFound(which.to_owned())),
        }
    }

    /// Makes the folder of a container, and holds the monitor's place for the monitor that is to come. An empty name is
    /// replaced by one at random.
    pub fn create(&self, spec: &mut Spec) -> Result<(Folder, Lock), LifeError> {
        if !spec.name.is_empty() && !names::is_valid(&spec.name) {
            return Err(LifeError::BadName(spec.name.clone()));
        }
        let held = self.lock()?;
        let all = self.all()?;
        let taken = |name: &str| all.iter().find(|(_, s)| s.name == name);
        match taken(&spec.name) {
            Some((_, other)) => {
                return Err(LifeError::NameTaken {
                    name: spec.name.clone(),
                    id: other.short_id().to_owned(),
                });
            }
            None if spec.name.is_empty() => spec.name = names::new_name(|n| taken(n).is_some())?,
            None => {}
        }
        let (new, path) = (self.0.join(format!("new-{}", spec.id)), self.0.join(&spec.id));
        make_private(&new)?;
        super::volume::settle(self, &held, &mut spec.volumes)?;
        let folder = Folder(new.clone());
        folder.write_json("spec.json", spec)?;
        folder.save(&State::default())?;
        let place = folder.claim()?;
        let place =
            place.ok_or_else(|| io("lock", &new)(std::io::Error::from(std::io::ErrorKind::WouldBlock)))?;
        std::fs::rename(&new, &path).map_err(io("create", &path))?;
        Ok((Folder(path), place))
    }

    /// What `create` and `remove` of killed processes left.
    pub fn clear_leavings(&self) -> Result<(), LifeError> {
        let entries = std::fs::read_dir(&self.0).map_err(io("list", &self.0))?;
        let of_volumes = self.0.join("volumes");
        let mut volumes = std::fs::read_dir(&of_volumes).into_iter().flatten().peekable();
        // Made for a volume that was not made.
        let empty = of_volumes.is_dir() && volumes.peek().is_none();
        let is_left = |name: &str| ["new-", "gone-", ".new-", ".gone-"].iter().any(|p| name.starts_with(p));
        let left: Vec<PathBuf> = entries
            .chain(volumes)
            .flatten()
            .filter(|e| is_left(&e.file_name().to_string_lossy()))
            .map(|e| e.path())
            .collect();
        if left.is_empty() && !empty {
            return Ok(());
        }
        let _held = self.lock()?;
        for path in left {
            match std::fs::remove_dir_all(&path) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(io("remove", &path)(e)),
                _ => {}
            }
        }
        // Empty before, or by now.
        let _ = std::fs::remove_dir(of_volumes);
        Ok(())
    }
}

impl Folder {
    /// The folder at a path.
    pub fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The root that it is in.
    pub fn root(&self) -> Root {
        Root(self.0.parent().unwrap_or(Path::new("/")).to_owned())
    }

    pub(super) fn read_json<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<T, LifeError> {
        let path = self.file(name);
        let bytes = std::fs::read(&path).map_err(io("read", &path))?;
        serde_json::from_slice(&bytes).map_err(|source| LifeError::Json { path, source })
    }

    pub(super) fn write_json(&self, name: &str, value: &impl serde::Serialize) -> Result<(), LifeError> {
        let path = self.file(name);
        let bytes = serde_json::to_vec_pretty(value);
        write_whole(&path, &bytes.map_err(|source| LifeError::Json { path: path.clone(), source })?)
    }

    /// What was asked.
    pub fn spec(&self) -> Result<Spec, LifeError> {
        self.read_json("spec.json")
    }

    /// What is.
    pub fn state(&self) -> Result<State, LifeError> {
        self.read_json("state.json")
    }

    /// For the monitor, and for who settles what a dead one left.
    pub fn save(&self, state: &State) -> Result<(), LifeError> {
        self.write_json("state.json", state)
    }

    /// Takes the monitor's place; none while there is one.
    pub fn claim(&self) -> Result<Option<Lock>, LifeError> {
        try_lock(&self.file("monitor.lock"), FlockOperation::NonBlockingLockExclusive)
    }

    /// Whether it has a monitor. Asked without its lock, which nobody but who takes the monitor's place may touch.
    pub fn is_watched(&self) -> Result<bool, LifeError> {
        Ok(self.state()?.monitor.is_alive())
    }

    /// Waits for the lock of a file of its own.
    pub(super) fn lock_file(&self, name: &str) -> Result<Lock, LifeError> {
        let path = self.file(name);
        let locked = try_lock(&path, FlockOperation::LockExclusive)?;
        locked.ok_or_else(|| io("lock", &path)(std::io::Error::from(std::io::ErrorKind::WouldBlock)))
    }

    /// Keeps it from being removed, for a moment, by who has still to read how it ended.
    pub fn reading(&self) -> Result<Option<Lock>, LifeError> {
        try_lock(&self.file("readers.lock"), FlockOperation::NonBlockingLockShared)
    }

    /// Removes it, once nobody reads it or after two seconds. One that is gone is no error.
    pub fn remove(&self) -> Result<(), LifeError> {
        let until = Instant::now() + Duration::from_secs(2);
        let readers = self.file("readers.lock");
        while readers.exists()
            && try_lock(&readers, FlockOperation::NonBlockingLockExclusive).is_ok_and(|l| l.is_none())
            && Instant::now() < until
        {
            std::thread::sleep(Duration::from_millis(5));
        }
        let root = self.root();
        let name = self.0.file_name().unwrap_or_default().to_string_lossy();
        let gone = root.0.join(format!("gone-{name}"));
        let held = root.lock()?;
        match std::fs::rename(&self.0, &gone) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(io("remove", &self.0))?,
        }
        std::fs::remove_dir_all(&gone).map_err(io("remove", &gone))?;
        drop(held);
        Ok(())
    }
}
