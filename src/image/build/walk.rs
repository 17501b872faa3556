//! All that lies below a folder, looked at by several threads: most of the time goes into asking the kernel about each
//! file, and folders can be asked about beside one another.

use super::error::{StepError, io};
use super::ignore::Ignore;
use super::select::{Item, Tree};
use crate::image::each::cpus;
use crate::image::tree::join;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, ResolveFlags, openat2, statat};
use rustix::io::Errno;
use std::mem::MaybeUninit;
use std::sync::{Condvar, Mutex, PoisonError};

/// With fewer folders waiting than this, a thread would take longer to start than it saves.
const MANY: usize = 8;

/// A folder to be looked at.
struct Folder {
    /// Beneath the tree's root, beneath the destination, and beneath where the walk began.
    from: Vec<u8>,
    to: Vec<u8>,
    inside: Vec<u8>,
    /// Where what is in it is kept until all are there.
    slot: usize,
}

/// Something in a folder.
struct Seen {
    item: Item,
    /// Of a folder: where its own are kept.
    below: Option<usize>,
    /// A folder that is left out itself, and there only for what may be kept below it.
    out: bool,
}

#[derive(Default)]
struct State {
    waiting: Vec<Folder>,
    slots: Vec<Vec<Seen>>,
    /// Threads that may still find folders.
    busy: usize,
    failed: Option<StepError>,
}

struct Walk<'a> {
    tree: &'a Tree<'a>,
    exclude: &'a Ignore,
    state: Mutex<State>,
    changed: Condvar,
}

/// Everything below the folder `from` of the tree, to be put below `to`: each folder before what is in it, sorted.
pub(super) fn below(
    tree: &Tree<'_>,
    from: &[u8],
    to: &[u8],
    exclude: &Ignore,
    items: &mut Vec<Item>,
) -> Result<(), StepError> {
    let first = Folder { from: from.to_vec(), to: to.to_vec(), inside: Vec::new(), slot: 0 };
    let state = State { waiting: vec![first], slots: vec![Vec::new()], ..State::default() };
    let walk = Walk { tree, exclude, state: Mutex::new(state), changed: Condvar::new() };
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
    let mut state = walk.state.into_inner().unwrap_or_else(PoisonError::into_inner);
    match state.failed.take() {
        Some(error) => Err(error),
        None => {
            items.reserve(state.slots.iter().map(Vec::len).sum());
            gather(&mut state.slots, 0, items);
            Ok(())
        }
    }
}

fn gather(slots: &mut [Vec<Seen>], slot: usize, items: &mut Vec<Item>) {
    for seen in std::mem::take(&mut slots[slot]) {
        let before = items.len();
        items.push(seen.item);
        if let Some(below) = seen.below {
            gather(slots, below, items);
            if seen.out && items.len() == before + 1 {
                items.pop();
            }
        }
    }
}

impl Walk<'_> {
    /// Takes folder after folder until there are no more; `more` hears how many wait.
    fn work(&self, more: &mut dyn FnMut(usize)) {
        while let Some(folder) = self.next() {
            let listed = self.list(&folder);
            let waiting = self.put(&folder, listed);
            more(waiting);
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
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Keeps what was found; how many folders wait.
    fn put(&self, folder: &Folder, listed: Result<Vec<Seen>, StepError>) -> usize {
        let mut guard = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *guard;
        state.busy -= 1;
        match listed {
            Err(error) => drop(state.failed.get_or_insert(error)),
            Ok(mut seen) => {
                for one in seen.iter_mut().filter(|s| s.item.kind() == FileType::Directory) {
                    one.below = Some(state.slots.len());
                    let (from, to) = (one.item.from.clone(), one.item.to.clone());
                    let inside = join(&folder.inside, name(&from));
                    state.waiting.push(Folder { from, to, inside, slot: state.slots.len() });
                    state.slots.push(Vec::new());
                }
                state.slots[folder.slot] = seen;
            }
        }
        self.changed.notify_all();
        state.waiting.len()
    }

    fn list(&self, folder: &Folder) -> Result<Vec<Seen>, StepError> {
        let shown = || self.tree.path.join(String::from_utf8_lossy(&folder.from).as_ref());
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let path = if folder.from.is_empty() { b"." } else { folder.from.as_slice() };
        let dir =
            openat2(&self.tree.root, path, flags, Mode::empty(), resolve).map_err(io("open", shown()))?;
        let mut buffer = [MaybeUninit::uninit(); 32 << 10];
        let mut entries = RawDir::new(&dir, &mut buffer);
        let mut seen = Vec::new();
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(io("read", shown()))?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let stat = match statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW) {
                // Gone since the folder was read: as if it had never been.
                Err(Errno::NOENT) => continue,
                other => other.map_err(io("look at", shown()))?,
            };
            let name = name.to_bytes();
            let item = Item { from: join(&folder.from, name), to: join(&folder.to, name), stat };
            seen.extend(self.admit(folder, item));
        }
        seen.sort_unstable_by(|a, b| a.item.from.cmp(&b.item.from));
        Ok(seen)
    }

    fn admit(&self, folder: &Folder, item: Item) -> Option<Seen> {
        let kind = item.kind();
        let is_dir = kind == FileType::Directory;
        let excluded = !self.exclude.is_empty() && {
            let inside = join(&folder.inside, name(&item.from));
            self.exclude.ignores(&String::from_utf8_lossy(&inside))
        };
        if kind == FileType::Socket || excluded && !is_dir || !self.tree.is_there(&item.from, is_dir) {
            return None;
        }
        let ignored = |i: &Ignore| i.ignores(&String::from_utf8_lossy(&item.from));
        let out = is_dir && (excluded || self.tree.ignore.is_some_and(ignored));
        Some(Seen { item, below: None, out })
    }
}

fn name(path: &[u8]) -> &[u8] {
    crate::image::tree::split(path).1
}

#[cfg(test)]
mod tests {
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
            let mut items = Vec::new();
            below(&tree, b"", b"to", &exclude, &mut items).expect("walks");
            let found: Vec<String> =
                items.iter().map(|i| String::from_utf8(i.from.clone()).expect("path")).collect();
            let mut all = Vec::new();
            expected(dir.path(), "", &|p| !ignore.ignores(p) && !exclude.ignores(p), &mut all);
            assert_eq!(found, all);
            assert!(found.len() > 120 && items.iter().all(|i| i.to == [&b"to/"[..], &i.from].concat()));
        }
        let tree = Tree::open(dir.path(), "it".into(), None).expect("tree");
        below(&tree, b"none", b"", &Ignore::default(), &mut Vec::new()).expect_err("it is not there");
    }
}
