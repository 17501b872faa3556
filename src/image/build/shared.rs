//! What the stages of a build share, and what is kept of them.

use super::cache::{Cache, Key, Record};
use super::commit::Layer;
use super::config::Config;
use super::context::Opened;
use super::error::{StepError, io, refused};
use super::files::Files;
use super::options::Options;
use super::plan::Plan;
use super::step::{Executor, Listener};
use crate::image::layer::unpacked;
use crate::image::platform::Platform;
use crate::image::store::Store;
use crate::image::unpack::Limits;
use crate::image::workspace::Workspace;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// What all stages share.
pub(super) struct Build<'a> {
    pub store: &'a Store,
    pub options: &'a Options,
    pub plan: &'a Plan,
    pub escape: char,
    pub opened: &'a Opened,
    pub cache: Cache,
    pub files: Files,
    pub execute: &'a Executor<'a>,
    pub tell: &'a Listener<'a>,
    /// When the build began, or the epoch; RFC 3339.
    pub created: String,
    /// What was fetched from registries.
    pub fetched: Mutex<BTreeSet<(String, Platform)>>,
    pub failed: AtomicBool,
    /// Files changed while they were copied: nothing is kept under keys that are not theirs any more.
    pub unsteady: AtomicBool,
    pub slots: Vec<Slot>,
    pub pending: Mutex<Vec<Pending>>,
    /// Of stages that are done: others may look into them still.
    pub spaces: Mutex<Vec<Workspace>>,
}

/// A step that was carried out and is not kept yet.
pub(super) struct Pending {
    pub key: Key,
    pub record: Record,
}

/// A stage that is done.
#[derive(Debug, Clone)]
pub(super) struct Finished {
    pub config: Config,
    pub layers: Vec<Layer>,
    pub key: Key,
}

/// Where those that need a stage wait for it.
#[derive(Default)]
pub(super) struct Slot {
    done: Mutex<Option<Option<Arc<Finished>>>>,
    told: Condvar,
}

impl Slot {
    /// None: it failed.
    pub fn put(&self, result: Option<Arc<Finished>>) {
        *self.done.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        self.told.notify_all();
    }

    pub fn wait(&self) -> Option<Arc<Finished>> {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(result) = &*done {
                return result.clone();
            }
            done = self.told.wait(done).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Build<'_> {
    /// Puts layers in their places and keeps the records, after all of it is on the disk: what is there is believed to
    /// be whole, also after the power went. One sync for all steps, as each may take as long as all together.
    pub fn settle(&self) -> Result<(), StepError> {
        let pending = std::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner));
        if pending.is_empty() {
            return Ok(());
        }
        let root = self.store.root();
        let dir = std::fs::File::open(root).map_err(io("open", root))?;
        rustix::fs::syncfs(&dir).map_err(io("write", root))?;
        for Pending { key, record } in pending {
            if let Some((layer, from)) = record.layer.as_ref().and_then(|l| Some((l, l.dir.as_ref()?))) {
                let to = self.store.layer_path(&layer.diff_id.parse()?);
                match std::fs::rename(from, &to) {
                    Err(e) if matches!(e.raw_os_error(), Some(libc::EEXIST | libc::ENOTEMPTY)) => {}
                    other => other.map_err(io("put in place", &to))?,
                }
            }
            if !self.unsteady.load(Ordering::Relaxed) {
                self.cache.keep_step(&key, &record)?;
            }
        }
        Ok(())
    }

    /// Of the image that is made of the wanted stage.
    pub fn image_key(&self, stage: &Key) -> Key {
        let options = self.options;
        let said = format!("{:?} {:?} {}", options.labels, options.compression, options.squash);
        stage.next(&["image", &said])
    }

    /// Waits for an earlier stage.
    pub fn stage(&self, index: usize, what: &str) -> Result<Arc<Finished>, StepError> {
        let shown = self.plan.stages[index].shown(index);
        if !self.plan.needed[index] {
            return Err(refused(what, format!("the stage {shown} is not built: ONBUILD cannot name stages")));
        }
        self.slots[index].wait().ok_or(StepError::Stage(shown))
    }
}

/// Unpacked folders, top first, each once.
pub(super) fn dirs(store: &Store, layers: &[Layer]) -> Result<Vec<PathBuf>, StepError> {
    let mut ids = Vec::new();
    for layer in layers.iter().rev().filter(|l| l.dir.as_ref().is_none_or(|d| !d.is_dir())) {
        ids.push((layer.blob.parse()?, layer.diff_id.parse()?));
    }
    let mut unpacked = unpacked(store, &ids, Limits::default())?.into_iter();
    let mut dirs = Vec::new();
    for layer in layers.iter().rev() {
        let own = layer.dir.clone().filter(|d| d.is_dir());
        // A layer that comes twice hides nothing that its upper copy does not.
        if let Some(dir) = own.or_else(|| unpacked.next()).filter(|d| !dirs.contains(d)) {
            dirs.push(dir);
        }
    }
    Ok(dirs)
}
