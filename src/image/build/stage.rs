//! One stage: from its base through its instructions to config and layers.

use super::cache::{Cache, Key, Record};
use super::commit::{Layer, Writing, commit};
use super::config::Config;
use super::configure::{Reading, argv, configure};
use super::context::Opened;
use super::error::{BuildError, StepError, io, refused};
use super::files::Files;
use super::options::Options;
use super::overlay::{self, Overlay};
use super::place::Source;
use super::plan::{Base, Plan, platform_argument};
use super::step::{Event, Executor, Listener};
use super::syntax::{Instruction, Kind};
use super::{base, expand, parse};
use crate::image::layer::unpacked;
use crate::image::store::Store;
use crate::image::unpack::Limits;
use crate::image::workspace::Workspace;
use serde_json::json;
use std::collections::BTreeMap;
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
    pub failed: AtomicBool,
    pub slots: Vec<Slot>,
    pub pending: Mutex<Vec<Pending>>,
    /// Of stages that are done: others may look into them still.
    pub spaces: Mutex<Vec<Workspace>>,
}

/// A step that was carried out and is not kept yet.
pub(super) struct Pending {
    key: Key,
    record: Record,
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

/// Carries out a stage, on a thread of its own.
pub(super) struct Work<'a> {
    pub build: &'a Build<'a>,
    pub index: usize,
    pub shown: String,
    pub config: Config,
    pub layers: Vec<Layer>,
    pub key: Key,
    pub arguments: BTreeMap<String, String>,
    has_cmd: bool,
    folders: u32,
    /// All changes of the stage in one, where one layer is asked for.
    squashed: Option<Overlay>,
    squashing: bool,
    space: Option<Workspace>,
}

impl<'a> Work<'a> {
    /// Does all of it.
    pub fn run(build: &'a Build<'a>, index: usize) -> Result<Finished, BuildError> {
        let stage = &build.plan.stages[index];
        let shown = stage.shown(index);
        (build.tell)(&Event::Step {
            stage: &shown,
            number: 1,
            of: stage.steps.len() + 1,
            text: &stage.from.shown,
        });
        let at = |source: StepError| at_place(&build.opened.source, &stage.from, source);
        let (config, layers, key) = match &stage.base {
            Base::Stage(i) => {
                let base = build.stage(*i, "FROM").map_err(at)?;
                (base.config.clone(), base.layers.clone(), base.key.clone())
            }
            other => base::start(build, other, stage.platform.as_ref()).map_err(at)?,
        };
        let squashing = build.options.squash && index == build.plan.target;
        let mut work = Self {
            build,
            index,
            shown,
            config,
            layers,
            key,
            arguments: BTreeMap::new(),
            has_cmd: false,
            space: None,
            folders: 0,
            squashed: None,
            squashing,
        };
        work.triggers()?;
        for (i, step) in stage.steps.iter().enumerate() {
            work.step(&build.opened.source, step, Some(i + 2))?;
        }
        work.finish().map_err(at)
    }

    /// What the base asks of those that build on it.
    fn triggers(&mut self) -> Result<(), BuildError> {
        let triggers = self.config.list("OnBuild").unwrap_or_default();
        self.config.set("OnBuild", serde_json::Value::Null);
        let of = self.build.plan.stages[self.index].from.shown.clone();
        for text in triggers {
            let (source, step) = parse::trigger(&text, &of)?;
            self.step(&source, &step, None)?;
        }
        Ok(())
    }

    fn step(&mut self, source: &Source, step: &Instruction, number: Option<usize>) -> Result<(), BuildError> {
        let build = self.build;
        if build.failed.load(Ordering::Relaxed) {
            return Err(BuildError::GivenUp);
        }
        if let Some(number) = number {
            let of = build.plan.stages[self.index].steps.len() + 1;
            (build.tell)(&Event::Step { stage: &self.shown, number, of, text: &step.shown });
        }
        let at = |why: StepError| at_place(source, step, why);
        let changed = match &step.kind {
            Kind::Arg(list) => {
                self.argument(list).map_err(|why| parse::syntax(source, &step.span, why))?;
                None
            }
            Kind::Run { flags, command, documents } => {
                Some(self.run_step(flags, command, documents).map_err(at)?)
            }
            Kind::Copy { add, flags, from, to } => Some(self.copy_step(*add, flags, from, to).map_err(at)?),
            Kind::Workdir(word) => {
                let dir = self.expand(&word.text).map_err(at)?;
                Some(self.workdir(&dir).map_err(at)?)
            }
            Kind::Entrypoint(command) => {
                let argv = argv(&self.config, command);
                self.config.set("Entrypoint", json!(argv));
                // A command of the base was meant for the base's entry point.
                if !self.has_cmd {
                    self.config.set("Cmd", serde_json::Value::Null);
                }
                self.key = self.key.next(&["ENTRYPOINT", &format!("{argv:?}")]);
                None
            }
            other => {
                self.has_cmd |= matches!(other, Kind::Cmd(_));
                let known = self.variables();
                let lookup = |name: &str| known.get(name).cloned();
                let reading = Reading { escape: build.escape, lookup: &lookup };
                let said = configure(&mut self.config, other, &reading)
                    .map_err(|why| parse::syntax(source, &step.span, why))?;
                self.key = self.key.next(&[said.as_deref().unwrap_or_default()]);
                None
            }
        };
        let (layer, created) = changed.unwrap_or((None, build.created.clone()));
        let mut entry = json!({ "created": created, "created_by": step.shown });
        match layer {
            Some(layer) => {
                self.config.layer(&layer.diff_id);
                self.layers.push(layer);
            }
            None => entry["empty_layer"] = json!(true),
        }
        self.config.history(entry);
        Ok(())
    }

    fn argument(&mut self, list: &[(String, Option<String>)]) -> Result<(), String> {
        let build = self.build;
        for (name, default) in list {
            let default = match default {
                Some(text) => Some(self.expand_text(text)?),
                None => build.plan.globals.get(name).cloned(),
            };
            let epoch = || build.options.epoch.filter(|_| name == "SOURCE_DATE_EPOCH").map(|e| e.to_string());
            let given = build.options.arguments.get(name).cloned();
            let value = given.or_else(epoch).or(default).or_else(|| platform_argument(name, build.options));
            self.key = self.key.next(&["ARG", name, value.as_deref().unwrap_or("\0")]);
            match value {
                Some(value) => self.arguments.insert(name.clone(), value),
                None => self.arguments.remove(name),
            };
        }
        Ok(())
    }

    /// ENV wins over ARG.
    pub fn variables(&self) -> BTreeMap<String, String> {
        let mut all = self.arguments.clone();
        for line in self.config.list("Env").unwrap_or_default() {
            if let Some((name, value)) = line.split_once('=') {
                all.insert(name.to_owned(), value.to_owned());
            }
        }
        all
    }

    fn expand_text(&self, text: &str) -> Result<String, String> {
        let known = self.variables();
        expand::word(text, self.build.escape, &|name: &str| known.get(name).cloned())
    }

    pub fn expand(&self, text: &str) -> Result<String, StepError> {
        self.expand_text(text).map_err(|why| refused(text, why))
    }

    /// A path of the image, from the working folder where it is relative.
    pub fn absolute(&self, path: &str) -> String {
        let cwd = self.config.text("WorkingDir");
        let whole = if path.starts_with('/') { path.to_owned() } else { format!("{cwd}/{path}") };
        format!("/{}", super::select::clean(&whole))
    }

    fn workdir(&mut self, dir: &str) -> Result<(Option<Layer>, String), StepError> {
        if dir.is_empty() {
            return Err(refused("WORKDIR", "the path is empty"));
        }
        let dir = self.absolute(dir);
        self.config.set("WorkingDir", json!(dir));
        let key = self.key.next(&["WORKDIR", &dir]);
        self.changing(key, None, |work, seen| {
            let root = seen.open()?;
            let path = dir.trim_start_matches('/');
            if !super::copy::is_folder(&root, path) {
                // Whoever works there may write there.
                let layers = [seen.path().to_owned()];
                let (uid, gid, _) = crate::image::user::resolve(work.config.text("User"), &layers)?;
                super::copy::folder(&root, path, (uid, gid))?;
            }
            Ok(())
        })
    }

    /// Carries out something that changes files, unless it was done before: the layer, if anything changed, and when.
    pub fn changing(
        &mut self,
        key: Key,
        alone: Option<Key>,
        act: impl FnOnce(&mut Self, &Overlay) -> Result<(), StepError>,
    ) -> Result<(Option<Layer>, String), StepError> {
        self.key = key;
        if self.squashing {
            let seen = match self.squashed.take() {
                Some(seen) => seen,
                None => self.mount(&self.layers.clone(), true)?,
            };
            let done = act(self, &seen);
            self.squashed = Some(seen);
            return done.map(|()| (None, self.build.created.clone()));
        }
        let (stage, of) = (self.shown.clone(), self.build.plan.stages[self.index].steps.len() + 1);
        let single = alone.is_some();
        let key = alone.unwrap_or_else(|| self.key.clone());
        if let Some(record) = self.build.cache.step(&key) {
            (self.build.tell)(&Event::Cached { stage: &stage, number: 0, of });
            return Ok((record.layer, record.created));
        }
        let lower = if single { Vec::new() } else { self.layers.clone() };
        let seen = self.mount(&lower, true)?;
        act(self, &seen)?;
        let upper = seen.upper.clone().unwrap_or_default();
        drop(seen);
        let layer = commit(self.build.store, &upper, self.writing())?;
        let record = Record { layer: layer.clone(), created: self.build.created.clone() };
        let pending = Pending { key, record };
        self.build.pending.lock().unwrap_or_else(PoisonError::into_inner).push(pending);
        Ok((layer, self.build.created.clone()))
    }

    fn writing(&self) -> Writing {
        Writing { compression: self.build.options.compression, epoch: self.build.options.epoch }
    }

    /// A new folder of this stage's own.
    pub fn folder(&mut self) -> Result<PathBuf, StepError> {
        if self.space.is_none() {
            overlay::own_namespace()?;
            self.space = Some(self.build.store.temporary()?);
        }
        self.folders += 1;
        let root = self.space.as_ref().map(|s| s.path().to_owned()).unwrap_or_default();
        let dir = root.join(self.folders.to_string());
        overlay::make(&dir)?;
        Ok(dir)
    }

    /// Layers as they are seen.
    pub fn mount(&mut self, layers: &[Layer], writable: bool) -> Result<Overlay, StepError> {
        let dir = self.folder()?;
        let dirs = dirs(self.build.store, layers)?;
        Overlay::mount(&dir, &dirs, writable)
    }

    fn finish(&mut self) -> Result<Finished, StepError> {
        if let Some(seen) = self.squashed.take() {
            let upper = seen.upper.clone().unwrap_or_default();
            drop(seen);
            if let Some(layer) = commit(self.build.store, &upper, self.writing())? {
                self.config.layer(&layer.diff_id);
                let record = Record { layer: Some(layer.clone()), created: self.build.created.clone() };
                let pending = Pending { key: self.key.next(&["squashed"]), record };
                self.build.pending.lock().unwrap_or_else(PoisonError::into_inner).push(pending);
                self.layers.push(layer);
                let entry =
                    json!({ "created": self.build.created, "created_by": "one layer for all of the above" });
                self.config.history(entry);
            }
        }
        Ok(Finished { config: self.config.clone(), layers: self.layers.clone(), key: self.key.clone() })
    }
}

impl Drop for Work<'_> {
    fn drop(&mut self) {
        if let Some(space) = self.space.take() {
            self.build.spaces.lock().unwrap_or_else(PoisonError::into_inner).push(space);
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
            self.cache.keep_step(&key, &record)?;
        }
        Ok(())
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
    let mut dirs = Vec::new();
    for layer in layers.iter().rev() {
        let known = layer.dir.clone().filter(|d| d.is_dir());
        let dir = match known {
            Some(dir) => dir,
            None => unpacked(store, &layer.blob.parse()?, &layer.diff_id.parse()?, Limits::default())?,
        };
        // A layer that comes twice hides nothing that its upper copy does not.
        if !dirs.contains(&dir) {
            dirs.push(dir);
        }
    }
    Ok(dirs)
}

fn at_place(source: &Source, step: &Instruction, why: StepError) -> BuildError {
    let place = Box::new(source.place(&step.span));
    let step = step.shown.chars().take(60).collect();
    BuildError::Step { place, step, source: Box::new(why) }
}
