//! What all sessions of a merged record have in common; without that their figures do not belong together.

use super::Misfit;
use super::sources::Source;
use crate::record::schema::Plan;
use std::collections::BTreeMap;

type Terms = Vec<(&'static str, String)>;

/// What differs between two plans that matters, a line each.
pub fn differences(a: &Plan, b: &Plan) -> Vec<String> {
    between(&of(a), &of(b))
}

fn between(a: &Terms, b: &Terms) -> Vec<String> {
    let differ = |(one, other): (&(&str, String), &(&str, String))| {
        (one.1 != other.1).then(|| format!("{}: {} and {}", one.0, shown(&one.1), shown(&other.1)))
    };
    a.iter().zip(b).filter_map(differ).collect()
}

fn shown(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}

fn of(plan: &Plan) -> Terms {
    let targets: Vec<String> = plan
        .targets
        .iter()
        .map(|t| match t.accelerator.as_str() {
            "" => t.name.clone(),
            accelerator => format!("{} ({accelerator})", t.name),
        })
        .collect();
    let names: Vec<&str> = plan.workloads.iter().map(|w| w.name.as_str()).collect();
    let told: Vec<String> = plan
        .workloads
        .iter()
        .map(|w| {
            format!("{} {} {:?} {:?} {} {} {}", w.name, w.image_digest, w.argv, w.env, w.user, w.cwd, w.ready)
        })
        .collect();
    let limits = format!("{} CPUs, {} bytes, caches {}", plan.cpus, plan.memory_bytes, plan.cache);
    let pace = format!("{} warm-up blocks, {} ms of settling", plan.warmup_blocks, plan.settle_ms);
    let shards = plan.schedule.shard.map_or(String::new(), |s| {
        format!("{} shards of {} blocks by seed {}", s.of, plan.max_blocks, plan.seed)
    });
    vec![
        ("targets", targets.join(", ")),
        ("workloads", names.join(", ")),
        ("workload", told.join("; ")),
        ("limits", limits),
        ("pace", pace),
        ("environment", format!("made longer by up to {} bytes", plan.schedule.env_pad_bytes)),
        ("plan", shards),
    ]
}

fn of_source(source: &Source) -> Terms {
    let known = source.session.environment.identity.architecture.as_str();
    // Records of before it was written down are of the only architecture there was.
    let architecture = if known.is_empty() { "x86_64" } else { known };
    let mut terms = vec![("architecture", architecture.to_owned())];
    terms.extend(of(&source.session.plan));
    terms
}

/// Sessions on the terms of most of them, and the others with what differs.
pub(super) fn belonging(found: Vec<Source>) -> (Vec<Source>, Vec<Misfit>) {
    let mut votes: BTreeMap<Terms, usize> = BTreeMap::new();
    for source in &found {
        *votes.entry(of_source(source)).or_default() += 1;
    }
    // The first of equals, so that the order of the folders does not matter.
    let Some((common, _)) = votes.iter().rev().max_by_key(|(_, n)| **n) else { return (found, Vec::new()) };
    let (mut mine, mut apart) = (Vec::new(), Vec::new());
    for source in found {
        let differ = between(common, &of_source(&source));
        match differ.first() {
            None => mine.push(source),
            Some(why) => {
                let why = format!("{} has another {why}", source.session.named());
                apart.push(Misfit { path: source.dir, why });
            }
        }
    }
    (mine, apart)
}
