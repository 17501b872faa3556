//! One stage: from its base through its instructions to config and layers.

use super::cache::{Key, Record};
use super::commit::{Layer, Writing, commit};
use super::config::Config;
use super::configure::{Reading, argv, configure};
use super::error::{BuildError, StepError, refused};
use super::overlay::{self, Overlay};
use super::place::Source;
use super::plan::{Base, platform_argument};
use super::shared::{Build, Finished, Pending, dirs};
use super::step::Event;
use super::syntax::{Instruction, Kind};
use super::{base, expand, parse};
use crate::image::workspace::Workspace;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

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
    pub squashing: bool,
    /// Only the key is wanted: nothing is carried out.
    probing: bool,
    space: Option<Workspace>,
}

impl<'a> Work<'a> {
    /// Does all of it.
    pub fn run(build: &'a Build<'a>, index: usize) -> Result<Finished, BuildError> {
        let squashing = build.options.squash && index == build.plan.target;
        // One layer for all steps is known by the last step's key alone, so that is found out first.
        if squashing && !build.options.no_cache {
            let probed = Self::pass(build, index, squashing, true)?;
            if build.cache.image(&build.image_key(&probed.key)).is_some() {
                let stage = &build.plan.stages[index];
                (build.tell)(&Event::Cached {
                    stage: &stage.shown(index),
                    number: 0,
                    of: stage.steps.len() + 1,
                });
                return Ok(probed);
            }
        }
        Self::pass(build, index, squashing, false)
    }

    fn pass(
        build: &'a Build<'a>,
        index: usize,
        squashing: bool,
        probing: bool,
    ) -> Result<Finished, BuildError> {
        let stage = &build.plan.stages[index];
        let shown = stage.shown(index);
        if !probing {
            (build.tell)(&Event::Step {
                stage: &shown,
                number: 1,
                of: stage.steps.len() + 1,
                text: &stage.from.shown,
            });
        }
        let at = |source: StepError| at_place(&build.opened.source, &stage.from, source);
        let (config, layers, key) = match &stage.base {
            Base::Stage(i) => {
                let base = build.stage(*i, "FROM").map_err(at)?;
                (base.config.clone(), base.layers.clone(), base.key.clone())
            }
            other => base::start(build, other, stage.platform.as_ref()).map_err(at)?,
        };
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
            probing,
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
        if let Some(number) = number.filter(|_| !self.probing) {
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
        if self.probing {
            return Ok((None, self.build.created.clone()));
        }
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

fn at_place(source: &Source, step: &Instruction, why: StepError) -> BuildError {
    let place = Box::new(source.place(&step.span));
    let step = step.shown.chars().take(60).collect();
    BuildError::Step { place, step, source: Box::new(why) }
}
