//! What a COPY or ADD takes: its options, and what its patterns come to.

use super::error::StepError;
use super::ignore::Ignore;
use super::mode::Chmod;
use super::select::{Found, Item, Tree, clean};
use crate::image::digest::Digest;

/// The options, understood.
#[derive(Debug, Default)]
pub(super) struct Options {
    pub from: Option<String>,
    pub owner: Option<String>,
    pub mode: Option<Chmod>,
    pub exclude: Vec<String>,
    pub parents: bool,
    pub link: bool,
}

/// All that one instruction says, understood.
pub(super) struct Wanted {
    pub add: bool,
    pub options: Options,
    pub patterns: Vec<String>,
    pub exclude: Ignore,
    pub to: String,
    /// It tells this one from all others.
    pub said: String,
}

/// What one source comes to.
pub(super) enum Source {
    /// A file or folder, and where below the destination it goes.
    Tree { dir: bool, name: String, items: Vec<Item> },
    /// A file with its text.
    Here { name: String, text: String },
}

pub(super) fn items(source: &Source) -> &[Item] {
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

/// Of all that [`sources`] would find, the signs in one.
pub(super) fn signs(tree: &Tree<'_>, wanted: &Wanted) -> Result<Digest, StepError> {
    let mut all = Vec::new();
    for pattern in &wanted.patterns {
        for found in tree.find(pattern)? {
            all.extend_from_slice(&(found.path.len() as u64).to_le_bytes());
            all.extend_from_slice(found.path.as_bytes());
            all.extend_from_slice(&tree.signs(&found, &wanted.exclude)?);
            for (i, _) in found.path.match_indices('/').filter(|_| wanted.options.parents) {
                for above in tree.find(&found.path[..i])? {
                    all.extend_from_slice(&above.stat.st_mode.to_le_bytes());
                }
            }
        }
    }
    Ok(Digest::of(&all))
}

/// What the patterns stand for, in order.
pub(super) fn sources(tree: &Tree<'_>, wanted: &Wanted) -> Result<Vec<Source>, StepError> {
    let Wanted { options, patterns, exclude, .. } = wanted;
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
