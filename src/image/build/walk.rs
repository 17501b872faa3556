//! All that lies below a folder, looked at by several threads: most of the time goes into asking the kernel about each
//! file, and folders can be asked about beside one another.

use super::error::{StepError, io};
use super::ignore::Ignore;
use super::select::Tree;
use crate::image::each::cpus;
use crate::image::tree::join;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, ResolveFlags, Stat, openat2, statat};
use rustix::io::Errno;
use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::sync::{Condvar, Mutex, PoisonError};

/// With fewer folders waiting than this, a thread would take longer to start than it saves.
const MANY: usize = 8;

/// A folder to be looked at.
pub(super) struct Folder {
    /// Beneath the tree's root.
    pub from: Vec<u8>,
    /// Beneath where the walk began.
    pub inside: Vec<u8>,
    slot: usize,
}

/// Something in a folder.
pub(super) struct Entry<'a> {
    pub name: &'a [u8],
    pub stat: &'a Stat,
    /// A folder that is left out itself, and there only for what may be kept below it.
    pub out: bool,
}

impl Entry<'_> {
    fn is_dir(&self) -> bool {
        FileType::from_raw_mode(self.stat.st_mode) == FileType::Directory
    }
}

/// What was made of a folder's entries, and where what was made of its folders is, in their order.
pub(super) struct Listed<R> {
    pub made: R,
    pub below: Vec<usize>,
}

/// What is done with the entries of a folder. `T` is a thread's own and used again for each folder, so that what a folder
/// needs while it is looked at takes no memory that is kept: threads that take some wait for one another.
pub(super) struct Making<'a, T, R> {
    pub make: &'a (dyn Fn() -> T + Sync),
    /// Given the entries of a folder one after another, sorted.
    pub add: &'a (dyn Fn(&mut T, &Folder, &Entry<'_>) + Sync),
    /// What is kept of the folder. Leaves `T` as it was made.
    pub take: &'a (dyn Fn(&mut T) -> R + Sync),
}

struct State<R> {
    waiting: Vec<Folder>,
    slots: Vec<Option<Listed<R>>>,
    /// Threads that may still find folders.
    busy: usize,
    /// Threads that have nothing to do.
    idle: usize,
    failed: Option<StepError>,
}

struct Walk<'a, T, R> {
    tree: &'a Tree<'a>,
    exclude: &'a Ignore,
    making: Making<'a, T, R>,
    state: Mutex<State<R>>,
    changed: Condvar,
}

/// Names of a folder: used again for the next.
#[derive(Default)]
struct Names {
    /// Each with its zero.
    bytes: Vec<u8>,
    spans: Vec<(usize, usize)>,
}

/// Makes something of each folder at and below `from`. The first is that of `from`.
pub(super) fn walk<T, R: Send>(
    tree: &Tree<'_>,
    from: &[u8],
    exclude: &Ignore,
    making: Making<'_, T, R>,
) -> Result<Vec<Listed<R>>, StepError> {
    let waiting = vec![Folder { from: from.to_vec(), inside: Vec::new(), slot: 0 }];
    let state = State { waiting, slots: vec![None], busy: 0, idle: 0, failed: None };
    let walk = Walk { tree, exclude, making, state: Mutex::new(state), changed: Condvar::new() };
    std::thread::scope(|scope| {
        let mut helpers = cpus() - 1;
        walk.work(&mut |waiting| {
            // One more for each time that there is still enough to do.
            if waiting > MANY && helpers > 0 {
                helpers -= 1;
                scope.spawn(|| walk.work(&mut |_| ()));
            }
        });
    });
    let state = walk.state.into_inner().unwrap_or_else(PoisonError::into_inner);
    match state.failed {
        Some(error) => Err(error),
        None => Ok(state.slots.into_iter().flatten().collect()),
    }
}

impl<T, R: Send> Walk<'_, T, R> {
    /// Takes folder after folder until there are no more; `more` hears how many wait.
    fn work(&self, more: &mut dyn FnMut(usize)) {
        let (mut names, mut made) = (Names::default(), (self.making.make)());
        while let Some(folder) = self.next() {
            let listed = self.list(&folder, &mut names, &mut made);
            let listed = listed.map(|folders| ((self.making.take)(&mut made), folders));
            more(self.put(&folder, listed));
        }
    }

    fn next(&self) -> Option<Folder> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if state.failed.is_some() {
                return None;
            }
            if let Some(folder) = state.waiting.pop() {
                state.busy += 1;
                return Some(folder);
            }
            if state.busy == 0 {
                return None;
            }
            state.idle += 1;
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }

    /// Keeps what was made, and the folders to be looked at; how many wait.
    fn put(&self, folder: &Folder, listed: Result<(R, Vec<Vec<u8>>), StepError>) -> usize {
        let mut guard = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *guard;
        state.busy -= 1;
        match listed {
            Err(error) => drop(state.failed.get_or_insert(error)),
            Ok((made, folders)) => {
                let first = state.slots.len();
                let below: Vec<usize> = (first..first + folders.len()).collect();
                state.slots.resize_with(first + folders.len(), || None);
                for (slot, name) in below.iter().zip(&folders) {
                    let (from, inside) = (join(&folder.from, name), join(&folder.inside, name));
                    state.waiting.push(Folder { from, inside, slot: *slot });
                }
                state.slots[folder.slot] = Some(Listed { made, below });
            }
        }
        if state.idle > 0 {
            self.changed.notify_all();
        }
        state.waiting.len()
    }

    /// Adds a folder's entries to `made`; the names of folders in it.
    fn list(&self, folder: &Folder, names: &mut Names, made: &mut T) -> Result<Vec<Vec<u8>>, StepError> {
        // The path is put together for an error alone.
        let failed = |what| {
            let tree = &self.tree.path;
            move |e: Errno| io(what, tree.join(String::from_utf8_lossy(&folder.from).as_ref()))(e)
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let path = if folder.from.is_empty() { b"." } else { folder.from.as_slice() };
        let dir = openat2(&self.tree.root, path, flags, Mode::empty(), resolve).map_err(failed("open"))?;
        let mut buffer = [MaybeUninit::uninit(); 32 << 10];
        names.read(RawDir::new(&dir, &mut buffer)).map_err(failed("read"))?;
        let mut folders = Vec::new();
        for &(begin, end) in &names.spans {
            let whole = &names.bytes[begin..=end];
            let Ok(name) = CStr::from_bytes_with_nul(whole) else { continue };
            let stat = match statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW) {
                // Gone since the folder was read: as if it had never been.
                Err(Errno::NOENT) => continue,
                other => other.map_err(failed("look at"))?,
            };
            let mut entry = Entry { name: name.to_bytes(), stat: &stat, out: false };
            if self.admit(folder, &mut entry) {
                (self.making.add)(made, folder, &entry);
                if entry.is_dir() {
                    folders.push(entry.name.to_vec());
                }
            }
        }
        Ok(folders)
    }

    /// Whether it is there for the build.
    fn admit(&self, folder: &Folder, entry: &mut Entry<'_>) -> bool {
        if FileType::from_raw_mode(entry.stat.st_mode) == FileType::Socket {
            return false;
        }
        let dir = entry.is_dir();
        if !self.exclude.is_empty() {
            let inside = join(&folder.inside, entry.name);
            entry.out = self.exclude.ignores(&String::from_utf8_lossy(&inside));
        }
        if let Some(ignore) = self.tree.ignore {
            let from = join(&folder.from, entry.name);
            if !self.tree.is_there(&from, dir) {
                return false;
            }
            entry.out |= dir && ignore.ignores(&String::from_utf8_lossy(&from));
        }
        dir || !entry.out
    }
}

impl Names {
    /// All but `.` and `..`, sorted.
    fn read(&mut self, mut dir: RawDir<'_, &std::os::fd::OwnedFd>) -> Result<(), Errno> {
        self.bytes.clear();
        self.spans.clear();
        while let Some(entry) = dir.next() {
            let entry = entry?;
            let name = entry.file_name();
            if !matches!(name.to_bytes(), b"." | b"..") {
                let begin = self.bytes.len();
                self.bytes.extend_from_slice(name.to_bytes_with_nul());
                self.spans.push((begin, self.bytes.len() - 1));
            }
        }
        let bytes = &self.bytes;
        self.spans.sort_unstable_by(|a, b| bytes[a.0..a.1].cmp(&bytes[b.0..b.1]));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::select::Found;
    use super::*;
    use std::path::Path;

    /// By one thread and in other words.
    fn expected(root: &Path, at: &str, keep: &dyn Fn(&str) -> bool, all: &mut Vec<String>) {
        let names = std::fs::read_dir(root.join(at)).expect("folder").flatten();
        let mut names: Vec<String> = names.map(|e| e.file_name().into_string().expect("name")).collect();
        names.sort();
        for name in names {
            let path = if at.is_empty() { name } else { format!("{at}/{name}") };
            let before = all.len();
            if root.join(&path).is_dir() {
                all.push(path.clone());
                expected(root, &path, keep, all);
                if !keep(&path) && all.len() == before + 1 {
                    all.pop();
                }
            } else if keep(&path) {
                all.push(path);
            }
        }
    }

    /// What it is, and how it is done below a folder.
    type Change<'a> = (&'static str, &'a dyn Fn(&Path));

    fn found(tree: &Tree<'_>) -> Found {
        tree.find("/").expect("the root").remove(0)
    }

    #[test]
    fn many_folders_come_in_order_and_without_what_is_left_out() {
        let dir = tempfile::tempdir().expect("folder");
        for n in 0..60 {
            let at = dir.path().join(format!("d{}/e{}/f{n}", n % 3, n % 7));
            std::fs::create_dir_all(&at).expect("folder");
            for name in ["a", "b.o", "kept"] {
                std::fs::write(at.join(name), name).expect("file");
            }
        }
        std::fs::create_dir_all(dir.path().join("d0/empty")).expect("folder");
        let rules = "**/*.o\nd1/e2\n!d1/e2/*/kept\n";
        for (ignore, exclude) in [("", ""), (rules, ""), ("", rules)] {
            let [ignore, exclude] = [ignore, exclude].map(|r| Ignore::parse(r).expect("rules"));
            let tree = Tree::open(dir.path(), "it".into(), Some(&ignore)).expect("tree");
            // The first is the folder itself.
            let items = tree.items(&found(&tree), b"to", &exclude).expect("walks").split_off(1);
            let paths: Vec<String> =
                items.iter().map(|i| String::from_utf8(i.from.clone()).expect("path")).collect();
            let mut all = Vec::new();
            expected(dir.path(), "", &|p| !ignore.ignores(p) && !exclude.ignores(p), &mut all);
            assert_eq!(paths, all);
            assert!(paths.len() > 120);
            assert!(items.iter().all(|i| i.to == [&b"to/"[..], &i.from].concat()));
        }
        let tree = Tree::open(dir.path(), "it".into(), None).expect("tree");
        let nothing = Making { make: &|| (), add: &|(), _, _| (), take: &|()| () };
        let none = walk(&tree, b"none", &Ignore::default(), nothing);
        none.map(drop).expect_err("it is not there");
    }

    #[test]
    fn signs_change_with_whatever_an_item_is() {
        let dir = tempfile::tempdir().expect("folder");
        for n in 0..40 {
            std::fs::create_dir_all(dir.path().join(format!("d{n}/e"))).expect("folder");
            std::fs::write(dir.path().join(format!("d{n}/f")), "x").expect("file");
        }
        let tree = Tree::open(dir.path(), "it".into(), None).expect("tree");
        let (none, one) = (Ignore::default(), Ignore::parse("d7/f").expect("rules"));
        let signs = |exclude: &Ignore| tree.signs(&found(&tree), exclude).expect("walks");
        let first = signs(&none);
        assert_eq!(signs(&none), first);
        assert_ne!(signs(&one), first);
        let mut before = first;
        let changes: [Change<'_>; 5] = [
            ("mode", &|d| sh_mode(&d.join("d3"))),
            ("content", &|d| std::fs::write(d.join("d20/f"), "y").expect("write")),
            ("name", &|d| std::fs::rename(d.join("d20/f"), d.join("d20/g")).expect("rename")),
            ("folder", &|d| std::fs::rename(d.join("d5/e"), d.join("d6/e/e")).expect("rename")),
            ("empty folder", &|d| std::fs::remove_dir(d.join("d9/e")).expect("remove")),
        ];
        for (what, change) in changes {
            change(dir.path());
            let after = signs(&none);
            assert_ne!(after, before, "{what}");
            before = after;
        }
    }

    fn sh_mode(path: &Path) {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o711)).expect("mode");
    }
}
