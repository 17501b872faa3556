//! The steps COPY and ADD.

use super::archive;
use super::cache::Key;
use super::commit::Layer;
use super::copy::{Copier, Dress, folder, is_folder, write};
use super::error::{StepError, io, refused};
use super::ignore::Ignore;
use super::mode::Chmod;
use super::overlay::Overlay;
use super::plan::{Base, named};
use super::select::{Found, Item, Tree, clean};
use super::stage::Work;
use super::step::Event;
use super::syntax::{Flag, From, Word};
use super::{base, expand};
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;

/// The options, understood.
#[derive(Debug, Default)]
struct Options {
    from: Option<String>,
    owner: Option<String>,
    mode: Option<Chmod>,
    exclude: Vec<String>,
    parents: bool,
    link: bool,
}

/// What one source comes to.
enum Source {
    /// A file or folder, and where below the destination it goes.
    Tree { dir: bool, name: String, items: Vec<Item> },
    /// A file with its text.
    Here { name: String, text: String },
}

impl Work<'_> {
    /// Carries it out.
    pub(super) fn copy_step(
        &mut self,
        add: bool,
        flags: &[Flag],
        from: &[From],
        to: &Word,
    ) -> Result<(Option<Layer>, String), StepError> {
        let options = self.copy_options(add, flags)?;
        let to = self.expand(&to.text)?;
        let mut patterns = Vec::new();
        for source in from {
            if let From::Path(word) = source {
                patterns.push(self.expand(&word.text)?);
            }
        }
        for pattern in &patterns {
            refuse_remote(pattern)?;
        }
        let exclude = Ignore::of(&options.exclude).map_err(|why| refused("--exclude", why))?;
        let documents = self.documents(from)?;
        let said = format!("{} {options:?} {patterns:?} {documents:?} {to:?} {}", add, self.absolute(&to));
        let Some(name) = options.from.clone() else {
            let opened = self.build.opened;
            let tree = Tree::open(&opened.root, "the context".into(), Some(&opened.ignore))?;
            let sources = sources(&tree, &patterns, &options, &exclude)?;
            let all: Vec<&Item> = sources.iter().flat_map(items).collect();
            let content = self.build.files.key(&said, &tree, &all)?;
            let key = self.key.next(&["COPY", &said, &content]);
            let alone = self.alone(&options, &said, &content);
            return self.changing(key, alone, |work, seen| {
                work.put(seen, add, &options, &tree, sources.into_iter().chain(documents).collect(), &to)
            });
        };
        let earlier = &self.build.plan.stages[..self.index];
        let layers = match named(earlier, &name, true) {
            Base::Stage(i) => self.build.stage(i, "COPY --from")?.layers.clone(),
            _ => base::layers(&base::wanted(self.build, &name, &self.build.options.platform)?)?,
        };
        let content: Vec<&str> = layers.iter().map(|l| l.diff_id.as_str()).collect();
        let content = content.join(" ");
        let key = self.key.next(&["COPY --from", &said, &content]);
        let alone = self.alone(&options, &said, &content);
        self.changing(key, alone, |work, seen| {
            let files = work.mount(&layers, false)?;
            let tree = Tree::open(files.path(), name, None)?;
            let sources = sources(&tree, &patterns, &options, &exclude)?;
            work.put(seen, add, &options, &tree, sources.into_iter().chain(documents).collect(), &to)
        })
    }

    /// The layer of `--link` does not depend on those below it.
    fn alone(&self, options: &Options, said: &str, content: &str) -> Option<Key> {
        let (how, platform) = (&self.build.options.compression, self.build.options.epoch);
        options.link.then(|| Key::of(&["alone", &format!("{how:?} {platform:?}"), said, content]))
    }

    fn documents(&self, from: &[From]) -> Result<Vec<Source>, StepError> {
        let known = self.variables();
        let lookup = |name: &str| known.get(name).cloned();
        let one = |source: &From| match source {
            From::Path(_) => None,
            From::Here(d) if d.expand => Some(
                expand::document(&d.content, &lookup)
                    .map(|text| Source::Here { name: d.name.clone(), text })
                    .map_err(|why| refused(d.name.as_str(), why)),
            ),
            From::Here(d) => Some(Ok(Source::Here { name: d.name.clone(), text: d.content.clone() })),
        };
        from.iter().filter_map(one).collect()
    }

    fn copy_options(&self, add: bool, flags: &[Flag]) -> Result<Options, StepError> {
        let word = if add { "ADD" } else { "COPY" };
        let mut options = Options::default();
        for flag in flags {
            let value = flag.value.as_deref().map(|v| self.expand(v)).transpose()?;
            let needed =
                || value.clone().ok_or_else(|| refused(format!("--{}", flag.name), "it needs a value"));
            let truth = || match value.as_deref() {
                None | Some("true" | "1") => Ok(true),
                Some("false" | "0") => Ok(false),
                Some(other) => Err(refused(format!("--{}={other}", flag.name), "true or false is wanted")),
            };
            match flag.name.as_str() {
                "from" if !add => options.from = Some(needed()?),
                "chown" => options.owner = Some(needed()?),
                "chmod" => {
                    let text = needed()?;
                    let bad = || {
                        let wanted = "an octal number like 755, or changes like u=rwX,go=rX, are wanted";
                        refused(format!("--chmod={text}"), wanted)
                    };
                    options.mode = Some(Chmod::parse(&text).ok_or_else(bad)?);
                }
                "exclude" => options.exclude.push(needed()?),
                "parents" if !add => options.parents = truth()?,
                "link" => options.link = truth()?,
                "checksum" | "keep-git-dir" | "unpack" if add => {
                    return Err(refused(
                        format!("--{}", flag.name),
                        "it is for remote sources, which are not fetched",
                    ));
                }
                other => return Err(refused(format!("--{other}"), format!("{word} does not know it"))),
            }
        }
        Ok(options)
    }

    fn put(
        &mut self,
        seen: &Overlay,
        add: bool,
        options: &Options,
        tree: &Tree<'_>,
        sources: Vec<Source>,
        to: &str,
    ) -> Result<(), StepError> {
        let root = seen.open()?;
        let owner = options.owner.as_deref().map(|o| owner(o, seen)).transpose()?;
        let from_context = options.from.is_none();
        let mtime = self.build.options.epoch.filter(|_| from_context);
        let strip = if from_context && !add { 0o6000 } else { 0 };
        let dress = Dress { owner, keep_owner: !from_context, mode: options.mode.clone(), strip, mtime };
        let absolute = clean(&self.absolute(to));
        let ends = to.ends_with('/') || matches!(to, "." | "..") || to.ends_with("/.") || to.ends_with("/..");
        let several =
            sources.len() > 1 && sources.iter().any(|s| !matches!(s, Source::Tree { dir: true, .. }));
        let into = ends || options.parents || is_folder(&root, &absolute);
        if several && !into && sources.len() > 1 {
            return Err(refused(to, "with several sources the destination is a folder and ends with /"));
        }
        let now = self.build.options.epoch.unwrap_or_else(now_s);
        for source in sources {
            match source {
                Source::Here { name, text } => {
                    let (dir, name) = place(&absolute, into, &name);
                    let at = folder(&root, &dir, owner.unwrap_or_default())?;
                    write(&at, name.as_bytes(), text.as_bytes(), &dress, now)?;
                }
                Source::Tree { dir: true, items, .. } => {
                    folder(&root, &absolute, owner.unwrap_or_default())?;
                    self.copied(Copier::new(tree, &root, absolute.clone(), &dress), &items)?;
                }
                Source::Tree { name, items, .. } => {
                    if add
                        && let [item] = items.as_slice()
                        && self.unpacked(&root, tree, item, &absolute, owner)?
                    {
                        continue;
                    }
                    let (dir, name) = if options.parents {
                        (absolute.clone(), name)
                    } else {
                        place(&absolute, into, &name)
                    };
                    folder(&root, &dir, owner.unwrap_or_default())?;
                    let items: Vec<Item> = if options.parents {
                        items
                    } else {
                        items.into_iter().map(|i| Item { to: name.clone().into_bytes(), ..i }).collect()
                    };
                    self.copied(Copier::new(tree, &root, dir, &dress), &items)?;
                }
            }
        }
        Ok(())
    }

    fn copied(&self, mut copier: Copier<'_>, items: &[Item]) -> Result<(), StepError> {
        copier.all(items)?;
        copier.changed.iter().for_each(|path| self.unsteady(path));
        Ok(())
    }

    /// The key was made of what a file held before: what came of it is not to be found under that.
    fn unsteady(&self, path: &[u8]) {
        let path = String::from_utf8_lossy(path);
        let told =
            format!("{path} changed while it was copied: the next build will not use what was made of it");
        (self.build.tell)(&Event::Warning(told));
        self.build.unsteady.store(true, Ordering::Relaxed);
    }

    /// A local archive is unpacked, whatever its name.
    fn unpacked(
        &self,
        root: &OwnedFd,
        tree: &Tree<'_>,
        item: &Item,
        to: &str,
        owner: Option<(u32, u32)>,
    ) -> Result<bool, StepError> {
        let shown = String::from_utf8_lossy(&item.from).into_owned();
        let file = tree.read(item).map_err(io("open", shown.as_str()))?;
        let again = file.try_clone().map_err(io("open", shown.as_str()))?;
        let Some(reader) = archive::open(file).map_err(io("read", shown.as_str()))? else { return Ok(false) };
        let at = folder(root, to, owner.unwrap_or_default())?;
        let path = std::fs::read_link(super::copy::path_of(&at)).map_err(io("find", to))?;
        archive::unpack(reader, &shown, &path, owner)?;
        if !item.is_still(&again).map_err(io("look at", shown.as_str()))? {
            self.unsteady(&item.from);
        }
        Ok(true)
    }
}

fn items(source: &Source) -> &[Item] {
    match source {
        Source::Tree { items, .. } => items,
        Source::Here { .. } => &[],
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tree { name, .. } => write!(f, "{name:?}"),
            Self::Here { name, text } => write!(f, "{name:?} {text:?}"),
        }
    }
}

/// Folder and name of a single file.
fn place(to: &str, into: bool, name: &str) -> (String, String) {
    if into {
        return (to.to_owned(), name.to_owned());
    }
    let (dir, name) = to.rsplit_once('/').unwrap_or(("", to));
    (dir.to_owned(), name.to_owned())
}

fn sources(
    tree: &Tree<'_>,
    patterns: &[String],
    options: &Options,
    exclude: &Ignore,
) -> Result<Vec<Source>, StepError> {
    let mut all = Vec::new();
    for pattern in patterns {
        // What comes before /./ is not kept by --parents.
        let pivot = pattern.find("/./").filter(|_| options.parents).map_or(0, |i| clean(&pattern[..i]).len());
        for found in tree.find(pattern)? {
            let kept = found.path[pivot.min(found.path.len())..].trim_start_matches('/').to_owned();
            if options.parents {
                let mut items = parents(tree, &found, &kept)?;
                items.extend(tree.items(&found, kept.as_bytes(), exclude)?);
                all.push(Source::Tree { dir: false, name: kept, items });
                continue;
            }
            let name = found.path.rsplit('/').next().unwrap_or_default().to_owned();
            let to = if found.is_dir() { String::new() } else { name.clone() };
            let items = tree.items(&found, to.as_bytes(), exclude)?;
            all.push(Source::Tree { dir: found.is_dir(), name, items });
        }
    }
    Ok(all)
}

/// The folders above what `--parents` copies.
fn parents(tree: &Tree<'_>, found: &Found, kept: &str) -> Result<Vec<Item>, StepError> {
    let before = found.path.len() - kept.len();
    let mut items = Vec::new();
    for (i, _) in kept.match_indices('/') {
        for above in tree.find(&found.path[..before + i])? {
            items.push(Item { from: above.real, to: kept.as_bytes()[..i].to_vec(), stat: above.stat });
        }
    }
    Ok(items)
}

fn refuse_remote(source: &str) -> Result<(), StepError> {
    let schemes = ["http://", "https://", "ftp://", "git://", "ssh://", "git@"];
    if schemes.iter().any(|s| source.starts_with(s)) {
        let why = "remote sources are not fetched: a build takes what is in its context. Download it before, and COPY it";
        return Err(refused(source, why));
    }
    Ok(())
}

/// `user[:group]`, by the image's own files. A group that is not given is the user's own, or of the same number.
fn owner(text: &str, seen: &Overlay) -> Result<(u32, u32), StepError> {
    let layers = [seen.path().to_owned()];
    let number = text.parse::<u32>().ok();
    if let Some(n) = number {
        return Ok((n, n));
    }
    let (user, group, _) = crate::image::user::resolve(text, &layers)?;
    Ok((user, group))
}

fn now_s() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| d.as_secs().cast_signed())
}
