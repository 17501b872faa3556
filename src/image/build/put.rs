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
use super::select::{Item, Tree, clean};
use super::shared::Build;
use super::sources::{Options, Source, Wanted, items, signs, sources};
use super::stage::Work;
use super::step::Event;
use super::syntax::{Flag, From, Word};
use super::{base, expand};
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;

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
        let wanted = Wanted { add, options, patterns, exclude, to, said };
        match wanted.options.from.clone() {
            None => self.copy_from_context(&wanted, documents),
            Some(name) => self.copy_from_image(&wanted, documents, name),
        }
    }

    fn copy_from_context(
        &mut self,
        wanted: &Wanted,
        documents: Vec<Source>,
    ) -> Result<(Option<Layer>, String), StepError> {
        let build = self.build;
        let tree = Tree::open(&build.opened.root, "the context".into(), Some(&build.opened.ignore))?;
        let read = |of: &[Source]| build.files.key(&tree, &of.iter().flat_map(items).collect::<Vec<&Item>>());
        let look = build.files.look(&wanted.said, signs(&tree, wanted)?);
        let (content, found) = match look.key() {
            Some(content) => (content, None),
            None => {
                let found = sources(&tree, wanted)?;
                let (content, old) = read(&found)?;
                look.keep(&content, old);
                (content, Some(found))
            }
        };
        let key = self.key.next(&["COPY", &wanted.said, &content]);
        let alone = self.alone(wanted, &content);
        self.changing(key, alone, |work, seen| {
            let found = match found {
                Some(found) => found,
                None => {
                    // Known, but what was made of it is not there. It may have changed since it was looked at.
                    let found = sources(&tree, wanted)?;
                    if read(&found)?.0 != content {
                        unsteady(build, b"something");
                    }
                    found
                }
            };
            work.put(seen, wanted, &tree, found.into_iter().chain(documents).collect())
        })
    }

    fn copy_from_image(
        &mut self,
        wanted: &Wanted,
        documents: Vec<Source>,
        name: String,
    ) -> Result<(Option<Layer>, String), StepError> {
        let earlier = &self.build.plan.stages[..self.index];
        let layers = match named(earlier, &name, true) {
            Base::Stage(i) => self.build.stage(i, "COPY --from")?.layers.clone(),
            _ => base::layers(&base::wanted(self.build, &name, &self.build.options.platform)?)?,
        };
        let content: Vec<&str> = layers.iter().map(|l| l.diff_id.as_str()).collect();
        let content = content.join(" ");
        let key = self.key.next(&["COPY --from", &wanted.said, &content]);
        let alone = self.alone(wanted, &content);
        self.changing(key, alone, |work, seen| {
            let files = work.mount(&layers, false)?;
            let tree = Tree::open(files.path(), name, None)?;
            let sources = sources(&tree, wanted)?;
            work.put(seen, wanted, &tree, sources.into_iter().chain(documents).collect())
        })
    }

    /// The layer of `--link` does not depend on those below it.
    fn alone(&self, wanted: &Wanted, content: &str) -> Option<Key> {
        let (how, epoch) = (&self.build.options.compression, self.build.options.epoch);
        let link = wanted.options.link;
        link.then(|| Key::of(&["alone", &format!("{how:?} {epoch:?}"), &wanted.said, content]))
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
        wanted: &Wanted,
        tree: &Tree<'_>,
        sources: Vec<Source>,
    ) -> Result<(), StepError> {
        let (add, options, to) = (wanted.add, &wanted.options, wanted.to.as_str());
        let root = seen.open()?;
        let owner = options.owner.as_deref().map(|o| owner(o, seen)).transpose()?;
        let from_context = options.from.is_none();
        let mtime = self.build.options.epoch.filter(|_| from_context);
        let strip = if from_context { 0o6000 } else { 0 };
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
        copier.changed.iter().for_each(|path| unsteady(self.build, path));
        Ok(())
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
            unsteady(self.build, &item.from);
        }
        Ok(true)
    }
}

/// The key was made of what a file held before: what came of it is not to be found under that.
fn unsteady(build: &Build<'_>, path: &[u8]) {
    let path = String::from_utf8_lossy(path);
    let told = format!("{path} changed while it was copied: the next build will not use what was made of it");
    (build.tell)(&Event::Warning(told));
    build.unsteady.store(true, Ordering::Relaxed);
}

/// Folder and name of a single file.
fn place(to: &str, into: bool, name: &str) -> (String, String) {
    if into {
        return (to.to_owned(), name.to_owned());
    }
    let (dir, name) = to.rsplit_once('/').unwrap_or(("", to));
    (dir.to_owned(), name.to_owned())
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
