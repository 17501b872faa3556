//! `RUN --mount=…`: what a command sees besides the image.

use super::error::{StepError, io, refused};
use super::ignore::Ignore;
use super::overlay::{self, Overlay, make};
use super::plan::{Base, named};
use super::select::{Tree, clean};
use super::shared::dirs;
use super::stage::Work;
use super::{base, options::Secret};
use crate::image::digest::Digest;
use crate::image::workspace::lock_folder;
use nix::fcntl::{Flock, FlockArg};
use std::fs::File;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

/// One of them, understood.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    pub kind: String,
    pub target: Option<String>,
    pub source: Option<String>,
    pub from: Option<String>,
    pub id: Option<String>,
    pub sharing: Option<String>,
    pub variable: Option<String>,
    pub size: Option<String>,
    pub mode: Option<u32>,
    pub uid: u32,
    pub gid: u32,
    pub readonly: Option<bool>,
    pub required: bool,
}

/// What has to live as long as the command.
#[derive(Debug, Default)]
pub struct Mounts {
    pub binds: Vec<(PathBuf, PathBuf)>,
    pub env: Vec<String>,
    /// Of ours, to be taken away before their folders are removed.
    mounted: Vec<PathBuf>,
    overlays: Vec<Overlay>,
    locks: Vec<Flock<File>>,
}

impl Drop for Mounts {
    fn drop(&mut self) {
        self.mounted.iter().rev().for_each(|at| overlay::detach(at));
    }
}

/// `type=cache,target=/x,…`.
pub fn parse(text: &str) -> Result<Wanted, StepError> {
    let bad = |why: String| refused(format!("--mount={text}"), why);
    let mut wanted = Wanted { kind: "bind".into(), ..Wanted::default() };
    for part in text.split(',').filter(|p| !p.is_empty()) {
        let (key, value) = part.split_once('=').map_or((part, None), |(k, v)| (k, Some(v)));
        let needed = || value.map(str::to_owned).ok_or_else(|| bad(format!("{key} needs a value")));
        let number = || {
            let value = needed()?;
            value.parse::<u32>().map_err(|_| bad(format!("{key}={value}: a number is wanted")))
        };
        let truth = || match value {
            None | Some("true" | "1") => Ok(true),
            Some("false" | "0") => Ok(false),
            Some(_) => Err(bad(format!("{key} is true or false"))),
        };
        match key {
            "type" => wanted.kind = needed()?,
            "target" | "dst" | "destination" => wanted.target = Some(needed()?),
            "source" | "src" => wanted.source = Some(needed()?),
            "from" => wanted.from = Some(needed()?),
            "id" => wanted.id = Some(needed()?),
            "sharing" => wanted.sharing = Some(needed()?),
            "env" => wanted.variable = Some(needed()?),
            "size" => wanted.size = Some(needed()?),
            "mode" => {
                let mode = u32::from_str_radix(&needed()?, 8).ok().filter(|m| *m <= 0o7777);
                wanted.mode = Some(mode.ok_or_else(|| bad("mode is an octal number like 0755".into()))?);
            }
            "uid" => wanted.uid = number()?,
            "gid" => wanted.gid = number()?,
            "ro" | "readonly" => wanted.readonly = Some(truth()?),
            "rw" | "readwrite" => wanted.readonly = Some(!truth()?),
            "required" => wanted.required = truth()?,
            other => return Err(bad(format!("{other} is not known"))),
        }
    }
    match wanted.kind.as_str() {
        "bind" | "cache" | "tmpfs" if wanted.target.is_none() => Err(bad("target=… is missing".into())),
        "secret" if wanted.id.is_none() && wanted.source.is_none() && wanted.target.is_none() => {
            Err(bad("id=… is missing".into()))
        }
        "bind" | "cache" | "tmpfs" | "secret" => match wanted.sharing.as_deref() {
            None | Some("shared" | "private" | "locked") => Ok(wanted),
            Some(other) => Err(bad(format!("sharing={other}: shared, private or locked is wanted"))),
        },
        "ssh" => Err(bad("keys of an agent are not passed on: a secret holds a key".into())),
        other => Err(bad(format!("type={other}: bind, cache, tmpfs or secret is wanted"))),
    }
}

impl Work<'_> {
    /// For the cache's key: what is bound, but neither what a cache holds nor what a secret says.
    pub(super) fn mount_key(&self, wanted: &Wanted) -> Result<String, StepError> {
        let content = match (wanted.kind.as_str(), &wanted.from) {
            ("bind", None) => {
                let opened = self.build.opened;
                let tree = Tree::open(&opened.root, "the context".into(), Some(&opened.ignore))?;
                let found = tree.find(wanted.source.as_deref().unwrap_or("/"))?;
                let said = format!("RUN --mount {:?}", wanted.source);
                let (files, none) = (&self.build.files, Ignore::default());
                let look = files.look(&said, Digest::of(&tree.signs(&found[0], &none)?));
                match look.key() {
                    Some(content) => content,
                    None => {
                        let items = tree.items(&found[0], b"", &none)?;
                        let (content, old) = files.key(&tree, &items.iter().collect::<Vec<_>>())?;
                        look.keep(&content, old);
                        content
                    }
                }
            }
            ("bind" | "cache", Some(name)) => {
                let layers = self.layers_of(name)?;
                layers.iter().map(|l| l.diff_id.as_str()).collect::<Vec<_>>().join(" ")
            }
            _ => String::new(),
        };
        Ok(format!("{wanted:?} {content}"))
    }

    fn layers_of(&self, name: &str) -> Result<Vec<super::commit::Layer>, StepError> {
        match named(&self.build.plan.stages[..self.index], name, true) {
            Base::Stage(i) => Ok(self.build.stage(i, "RUN --mount")?.layers.clone()),
            _ => base::layers(&base::wanted(self.build, name, &self.build.options.platform)?),
        }
    }

    /// Makes them ready.
    pub(super) fn mounts(&mut self, wanted: &[Wanted]) -> Result<Mounts, StepError> {
        let mut mounts = Mounts::default();
        for one in wanted {
            let id = one.id.clone().or(one.source.clone()).unwrap_or_default();
            let default = format!("/run/secrets/{}", id.rsplit('/').next().unwrap_or(&id));
            let no_target = one.kind == "secret" && one.target.is_none() && one.variable.is_some();
            let target = PathBuf::from(self.absolute(one.target.as_deref().unwrap_or(&default)));
            match one.kind.as_str() {
                "tmpfs" => {
                    let dir = self.folder()?;
                    let size = one.size.as_ref().map(|s| format!(",size={s}")).unwrap_or_default();
                    overlay::tmpfs(&dir, &format!("mode=1777{size}"))?;
                    mounts.mounted.push(dir.clone());
                    mounts.binds.push((dir, target));
                }
                "secret" => {
                    let Some(value) = self.secret(&id, one.required)? else { continue };
                    if let Some(name) = &one.variable {
                        mounts.env.push(format!("{name}={}", String::from_utf8_lossy(&value)));
                    }
                    if !no_target {
                        mounts.binds.push((self.secret_file(&value, one, &mut mounts.mounted)?, target));
                    }
                }
                "cache" => self.cache_mount(one, target, &mut mounts)?,
                _ => self.bind_mount(one, target, &mut mounts)?,
            }
        }
        Ok(mounts)
    }

    fn secret(&self, id: &str, required: bool) -> Result<Option<Vec<u8>>, StepError> {
        match self.build.options.secrets.get(id) {
            Some(Secret::File(path)) => std::fs::read(path).map(Some).map_err(io("read the secret", path)),
            Some(Secret::Variable(name)) => {
                use std::os::unix::ffi::OsStringExt;
                let value = std::env::var_os(name).map(OsStringExt::into_vec);
                Ok(Some(value.ok_or_else(|| refused(format!("secret {id}"), format!("{name} is not set")))?))
            }
            None if required => {
                Err(refused(format!("secret {id}"), "it is required: --secret id=…,src=… gives it"))
            }
            None => Ok(None),
        }
    }

    /// In memory, seen by this thread only.
    fn secret_file(
        &mut self,
        value: &[u8],
        one: &Wanted,
        mounted: &mut Vec<PathBuf>,
    ) -> Result<PathBuf, StepError> {
        let dir = self.folder()?;
        overlay::tmpfs(&dir, "mode=0700")?;
        mounted.push(dir.clone());
        let path = dir.join("secret");
        std::fs::write(&path, value).map_err(io("write", &path))?;
        dress(&path, one.mode.unwrap_or(0o400), one.uid, one.gid)?;
        Ok(path)
    }

    fn cache_mount(&mut self, one: &Wanted, target: PathBuf, mounts: &mut Mounts) -> Result<(), StepError> {
        let id = one.id.clone().unwrap_or_else(|| target.display().to_string());
        let name = super::cache::Key::of(&["cache mount", &id, one.from.as_deref().unwrap_or_default()]);
        let dir = self.build.store.root().join("build/mounts").join(name.text());
        if !dir.is_dir() {
            make(&dir)?;
            dress(&dir, one.mode.unwrap_or(0o755), one.uid, one.gid)?;
            if let Some(from) = &one.from {
                let files = self.layers_of(from)?;
                let files = self.mount(&files, false)?;
                let source = one.source.clone().unwrap_or_default();
                let tree = Tree::open(files.path(), from.clone(), None)?;
                let items = tree.items(&tree.find(&source)?[0], b"", &Default::default())?;
                let root = overlay::open_dir(&dir)?;
                let keep = super::copy::Dress { keep_owner: true, ..Default::default() };
                super::copy::Copier::new(&tree, &root, String::new(), &keep).all(&items)?;
            }
        }
        let how = match one.sharing.as_deref() {
            Some("locked") => FlockArg::LockExclusive,
            Some("private") => FlockArg::LockExclusiveNonblock,
            _ => FlockArg::LockShared,
        };
        match lock_folder(&dir, how)? {
            Some(lock) => mounts.locks.push(lock),
            // Somebody uses it just now, and it is not to be shared: a fresh one.
            None => {
                let dir = self.folder()?;
                dress(&dir, one.mode.unwrap_or(0o755), one.uid, one.gid)?;
                mounts.binds.push((dir, target));
                return Ok(());
            }
        }
        self.bound(&dir, target, one.readonly.unwrap_or(false), mounts)
    }

    fn bind_mount(&mut self, one: &Wanted, target: PathBuf, mounts: &mut Mounts) -> Result<(), StepError> {
        let source = one.source.clone().unwrap_or_default();
        let root = match &one.from {
            Some(name) => {
                let layers = self.layers_of(name)?;
                let dir = self.folder()?;
                // What is written into it is gone afterwards.
                Overlay::mount(&dir, &dirs(self.build.store, &layers)?, true)?
            }
            None => self.context_overlay()?,
        };
        let tree = Tree::open(root.path(), one.from.clone().unwrap_or_else(|| "the context".into()), None)?;
        let found = tree.find(&source)?.remove(0);
        let path =
            root.path().join(std::ffi::OsStr::new(clean(&String::from_utf8_lossy(&found.real)).as_str()));
        mounts.overlays.push(root);
        self.bound(&path, target, one.readonly.unwrap_or(true), mounts)
    }

    /// The context, or what is left of it where something is ignored.
    fn context_overlay(&mut self) -> Result<Overlay, StepError> {
        let opened = self.build.opened;
        let dir = self.folder()?;
        if opened.ignore.is_empty() {
            return Overlay::mount(&dir, std::slice::from_ref(&opened.root), true);
        }
        let seen = Overlay::mount(&dir, &[], true)?;
        let tree = Tree::open(&opened.root, "the context".into(), Some(&opened.ignore))?;
        let items = tree.items(&tree.find("/")?[0], b"", &Default::default())?;
        super::copy::Copier::new(&tree, &seen.open()?, String::new(), &Default::default()).all(&items)?;
        Ok(seen)
    }

    fn bound(
        &mut self,
        from: &Path,
        to: PathBuf,
        readonly: bool,
        mounts: &mut Mounts,
    ) -> Result<(), StepError> {
        if !readonly {
            mounts.binds.push((from.to_owned(), to));
            return Ok(());
        }
        let place = self.folder()?.join("ro");
        if from.is_dir() {
            make(&place)?;
        } else {
            File::create(&place).map_err(io("create", &place))?;
        }
        overlay::bind(from, &place, true)?;
        mounts.mounted.push(place.clone());
        mounts.binds.push((place, to));
        Ok(())
    }
}

fn dress(path: &Path, mode: u32, uid: u32, gid: u32) -> Result<(), StepError> {
    chown(path, Some(uid), Some(gid)).map_err(io("set the owner of", path))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(io("set the mode of", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_understood_or_refused() {
        let cache = parse("type=cache,target=/x,sharing=locked,mode=0700,uid=5,ro").expect("cache");
        assert_eq!(
            (cache.kind.as_str(), cache.mode, cache.uid, cache.readonly),
            ("cache", Some(0o700), 5, Some(true))
        );
        assert_eq!(parse("target=/x,from=a,rw").expect("bind").readonly, Some(false));
        for (text, why) in [
            ("type=cache", "target=… is missing"),
            ("type=secret", "id=… is missing"),
            ("type=ssh", "keys of an agent are not passed on: a secret holds a key"),
            ("type=x,target=/", "type=x: bind, cache, tmpfs or secret is wanted"),
            ("target=/x,mode=9", "mode is an octal number like 0755"),
            ("target=/x,y=z", "y is not known"),
            ("type=cache,target=/x,sharing=z", "sharing=z: shared, private or locked is wanted"),
        ] {
            assert_eq!(parse(text).expect_err(text).to_string(), format!("--mount={text}: {why}"));
        }
    }
}
