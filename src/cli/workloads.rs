//! Which workloads a bench runs.

use super::failure::Usage;
use super::profile::Length;
use crate::image::store::Store;
use crate::workload::{ImageSource, Readiness, Workload, builtin};

/// Chosen workloads, and those of the default selection that have no image here.
pub struct Chosen {
    /// To be run.
    pub workloads: Vec<Workload>,
    /// One line each.
    pub left_out: Vec<String>,
}

/// By name; the profile's own selection where none is named.
pub fn by_name(store: &Store, names: &[String], length: &Length) -> anyhow::Result<Chosen> {
    let mut chosen = Chosen { workloads: Vec::new(), left_out: Vec::new() };
    if !names.is_empty() {
        for name in names {
            let found = builtin::find(name);
            let known = || builtin::builtin().iter().map(|w| w.name.clone()).collect::<Vec<_>>().join(", ");
            chosen.workloads.push(found.ok_or_else(|| Usage {
                what: format!(
                    "unknown workload {name:?}: {} are known; for another image use --image",
                    known()
                ),
            })?);
        }
        return Ok(chosen);
    }
    for workload in length.workloads.iter().filter_map(|name| builtin::find(name)) {
        match &workload.image {
            ImageSource::Reference(reference) if store.resolve(reference).is_err() => {
                chosen.left_out.push(format!(
                    "{} is left out: no image {reference}; make it with scripts/images/{} --import",
                    workload.name, workload.name
                ))
            }
            _ => chosen.workloads.push(workload),
        }
    }
    Ok(chosen)
}

/// Any image of the store.
pub fn of_image(reference: &str, ready: Option<&Readiness>, argv: &[String]) -> anyhow::Result<Workload> {
    let ready = ready.ok_or_else(|| Usage {
        what: format!("how does one know that {reference} is ready? say --ready tcp:PORT, http:PORT/PATH, line:TEXT or exit"),
    })?;
    Ok(builtin::custom(reference, ready.clone(), argv.to_vec()))
}
