//! Builds images from a Containerfile or Dockerfile.
//!
//! [`parse`](parse::parse) gives instructions, `plan` stages and what they need; each needed stage is carried out by
//! `stage` on a thread of its own: config in `configure`, files in `put`, commands in `run`, each change committed as
//! a layer and kept in the cache under a key made of content. How commands are run is not known here: the caller gives
//! an [`Executor`].

mod archive;
mod base;
mod cache;
mod commit;
mod compress;
mod config;
mod configure;
mod context;
mod copy;
mod error;
mod expand;
mod files;
mod finish;
mod glob;
mod heredoc;
mod ignore;
mod mode;
mod mounts;
mod options;
mod overlay;
pub mod parse;
mod place;
mod plan;
mod put;
mod run;
mod select;
mod shared;
mod signs;
mod sources;
mod stage;
mod step;
mod stubs;
pub mod syntax;
mod tar_write;
mod walk;
mod words;

pub use super::platform::Platform;
pub(super) use cache::{forget, sweep};
pub use error::{BuildError, StepError};
pub use options::{Compression, Context, Network, Options, Pull, Secret};
pub use place::{Place, Source};
pub use step::{Event, Executor, Listener, RunStep};

use super::digest::Digest;
use super::store::Store;
use shared::{Build, Finished, Slot};
use stage::Work;
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// Of the manifest.
    pub digest: Digest,
    /// Whether nothing had to be done.
    pub cached: bool,
}

/// Builds what the options say. `stdin` is read where they name it.
pub fn build(
    store: &Store,
    options: &Options,
    stdin: impl Read,
    execute: &Executor<'_>,
    tell: &Listener<'_>,
) -> Result<Built, BuildError> {
    let opened = context::open(store, options, stdin)?;
    let parsed = parse::parse(&opened.source)?;
    let plan = plan::plan(&opened.source, &parsed, options)?;
    let _adding = store.adding()?;
    let cache = cache::Cache::open(store, !options.no_cache).map_err(of_cache)?;
    let build = Build {
        store,
        options,
        plan: &plan,
        escape: parsed.escape,
        opened: &opened,
        cache,
        files: files::Files::of(store, &opened.root),
        execute,
        tell,
        created: created(options.epoch)?,
        fetched: Mutex::default(),
        failed: AtomicBool::new(false),
        unsteady: AtomicBool::new(false),
        slots: plan.stages.iter().map(|_| Slot::default()).collect(),
        pending: Mutex::default(),
        spaces: Mutex::default(),
    };
    let finished = stages(&build);
    build.files.save();
    let finished = match finished {
        Ok(finished) => finished,
        Err(error) => {
            // What was done before the failure need not be done again.
            let _ = build.settle();
            return Err(error);
        }
    };
    let key = build.image_key(&finished.key);
    let unsteady = build.unsteady.load(Ordering::Relaxed);
    let known = build.cache.image(&key).filter(|_| !unsteady);
    let cached = known.is_some();
    let digest = match known {
        Some(digest) => digest,
        None => finish::write(&build, &finished)?,
    };
    build.settle().map_err(of_cache)?;
    if !cached && !unsteady {
        build.cache.keep_image(&key, &digest).map_err(of_cache)?;
    }
    finish::name(store, options, &digest)?;
    Ok(Built { digest, cached })
}

/// Every needed stage on a thread; the first error that is not another stage's.
fn stages(build: &Build<'_>) -> Result<Finished, BuildError> {
    let one = |index: usize| {
        let result = Work::run(build, index);
        if result.is_err() {
            build.failed.store(true, Ordering::Relaxed);
        }
        build.slots[index].put(result.as_ref().ok().cloned().map(Arc::new));
        result
    };
    let results: Vec<Result<Finished, BuildError>> = std::thread::scope(|scope| {
        let needed = (0..build.plan.stages.len()).filter(|i| build.plan.needed[*i]);
        let threads: Vec<_> = needed.map(|i| scope.spawn(move || one(i))).collect();
        threads.into_iter().map(|t| t.join().unwrap_or(Err(BuildError::GivenUp))).collect()
    });
    let mut last = Err(BuildError::GivenUp);
    let mut failed = None;
    for result in results {
        match result {
            Err(e) if failed.is_none() || follows(failed.as_ref()) => failed = Some(e),
            Err(_) => {}
            Ok(stage) => last = Ok(stage),
        }
    }
    failed.map_or(last, Err)
}

/// An error that only says that another was there before.
fn follows(error: Option<&BuildError>) -> bool {
    match error {
        Some(BuildError::GivenUp) => true,
        Some(BuildError::Step { source, .. }) => matches!(**source, StepError::Stage(_)),
        _ => false,
    }
}

fn of_cache(error: StepError) -> BuildError {
    match error {
        StepError::Io { step, path, source } => BuildError::Io { step, path, source },
        StepError::Image(error) => BuildError::Image(error),
        other => BuildError::Option(other.to_string()),
    }
}

fn created(epoch: Option<i64>) -> Result<String, BuildError> {
    let at = match epoch {
        None => time::OffsetDateTime::now_utc(),
        Some(seconds) => time::OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| {
            BuildError::Option(format!("SOURCE_DATE_EPOCH={seconds} is no time that can be written"))
        })?,
    };
    at.format(&time::format_description::well_known::Rfc3339)
        .map_err(|e| BuildError::Option(format!("the time cannot be written: {e}")))
}
