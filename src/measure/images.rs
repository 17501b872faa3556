//! From a workload and its image to the job that every target gets.

use super::error::MeasureError;
use crate::image::store::Store;
use crate::image::{Image, ImageSizes};
use crate::record::schema::WorkloadFacts;
use crate::target::Job;
use crate::workload::{ImageSource, Workload};

/// A workload whose image has been found and unpacked.
pub struct Ready {
    /// What to run.
    pub workload: Workload,
    /// For the targets.
    pub job: Job,
    /// For the record.
    pub facts: WorkloadFacts,
    /// Of the image.
    pub sizes: ImageSizes,
    /// Of its tree as one tar, where it was weighed ([`super::transfer::weigh`]).
    pub transfer_bytes: Option<u64>,
    /// Digest and bytes of its config and layers.
    pub blobs: Vec<(String, u64)>,
    /// Unpacking, where this did it.
    pub unpack_ms: Option<f64>,
}

/// CPUs and bytes for each run.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// CPUs.
    pub cpus: u32,
    /// Memory.
    pub memory_bytes: u64,
}

/// Finds the image, unpacks it unless that was done before, and settles argv, environment, user and folder.
pub fn ready(store: &Store, workload: &Workload, limits: Limits) -> Result<Ready, MeasureError> {
    let reference = match &workload.image {
        ImageSource::Builtin => crate::image::builtin::REFERENCE.to_owned(),
        ImageSource::Reference(reference) => reference.clone(),
    };
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| MeasureError::Image {
        reference: reference.clone(),
        source,
    };
    let image: Image = match &workload.image {
        ImageSource::Builtin => {
            let load = crate::target::lookup::own_program("tare-load").map_err(|e| failed(e.into()))?;
            crate::image::builtin::ensure(store, &load).map_err(|e| failed(e.into()))?
        }
        ImageSource::Reference(reference) => store.resolve(reference).map_err(|e| failed(e.into()))?,
    };
    image.check_host().map_err(|e| failed(e.into()))?;
    let from = std::time::Instant::now();
    let was_there = image.is_unpacked(store);
    let lower_dirs = image.lower_dirs(store).map_err(|e| failed(e.into()))?;
    let unpack_ms = (!was_there).then(|| from.elapsed().as_secs_f64() * 1000.0);
    let spec = image.run_spec();
    let (uid, gid, groups) = image.resolve_user(&lower_dirs).map_err(|e| failed(e.into()))?;
    let job = Job {
        name: workload.name.clone(),
        image_digest: image.digest().to_string(),
        lower_dirs,
        argv: if workload.argv.is_empty() { spec.argv } else { workload.argv.clone() },
        env: spec.env.into_iter().chain(workload.env.iter().cloned()).collect(),
        cwd: if spec.cwd.is_empty() { "/".to_owned() } else { spec.cwd },
        uid,
        gid,
        groups,
        cpus: limits.cpus,
        memory_bytes: limits.memory_bytes,
        network: workload.network,
        port: workload.ready.port(),
        scratch_bytes: workload.scratch_bytes,
    };
    let sizes = image.sizes(store).map_err(|e| failed(e.into()))?;
    let facts = facts(workload, &reference, &job);
    let blobs = super::sharing::blobs(image.manifest_json());
    Ok(Ready { workload: workload.clone(), job, facts, sizes, transfer_bytes: None, blobs, unpack_ms })
}

fn facts(workload: &Workload, reference: &str, job: &Job) -> WorkloadFacts {
    WorkloadFacts {
        name: workload.name.clone(),
        description: workload.description.clone(),
        image: reference.to_owned(),
        image_digest: job.image_digest.clone(),
        argv: job.argv.clone(),
        env: job.env.clone(),
        user: format!("{}:{}", job.uid, job.gid),
        cwd: job.cwd.clone(),
        ready: workload.ready.to_string(),
        service: workload.service,
    }
}
