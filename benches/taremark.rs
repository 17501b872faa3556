//! `cargo bench`: starts of each target through the very code that `taremark bench` measures with, and the inner parts
//! on which a start or a report hangs. Needs root, QEMU, and for machines the kernel of `taremark kernel fetch`.
//!
//! A start's time is the harness's own `startup_ms` (t0 to ready), not what Criterion sees around the call.
#![allow(missing_docs)]

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, Throughput};
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;
use taremark::container::config::RuntimeConfig;
use taremark::container::{seccomp, spec::Bundle};
use taremark::image::store::Store;
use taremark::image::unpack::{Limits as UnpackLimits, unpack};
use taremark::measure::images::{Limits, Ready, ready};
use taremark::measure::run::{Setting, run_once};
use taremark::measure::schedule::block_order;
use taremark::measure::session::Session;
use taremark::target::Target;
use taremark::target::container::ContainerTarget;
use taremark::target::microvm::{MicroVmOptions, MicroVmTarget};
use taremark::target::process::ProcessTarget;
use taremark::workload::builtin;

fn main() {
    // Before Criterion has a thread: a session changes the namespaces of the process.
    let session = Session::enter(&std::env::temp_dir()).expect("a session (this needs root: try sudo)");
    let mut criterion = Criterion::default().configure_from_args();
    starts(&mut criterion, &session);
    inner_parts(&mut criterion, &session);
    criterion.final_summary();
}

fn starts(criterion: &mut Criterion, session: &Session) {
    let store = Store::open(&session.dir.join("store")).expect("store");
    let hello = builtin::find("hello").expect("workload");
    let job = ready(&store, &hello, Limits { cpus: 1, memory_bytes: 256 << 20 }).expect("image");
    let scratch = || session.scratch.clone();
    let mut group = criterion.benchmark_group("start");
    start(&mut group, "process", (session, &job), || Box::new(ProcessTarget::new(scratch())));
    start(&mut group, "container", (session, &job), || {
        Box::new(ContainerTarget::new(scratch()).expect("tarec"))
    });
    group.sample_size(10).sampling_mode(SamplingMode::Flat).measurement_time(Duration::from_secs(20));
    start(&mut group, "microvm", (session, &job), || {
        let made = MicroVmTarget::new(MicroVmOptions::new(scratch()));
        Box::new(made.expect("QEMU and a kernel: taremark doctor says what is missing"))
    });
    group.finish();
}

/// The target is made only when its benchmark is asked for: making a machine probes the accelerator.
fn start(
    group: &mut BenchmarkGroup<WallTime>,
    name: &str,
    (session, job): (&Session, &Ready),
    make: impl Fn() -> Box<dyn Target>,
) {
    static RUN: AtomicU32 = AtomicU32::new(0);
    let mut target: Option<Box<dyn Target>> = None;
    group.bench_function(BenchmarkId::from_parameter(name), |b| {
        let target = target.get_or_insert_with(|| {
            let mut target = make();
            target.prepare(&job.job).expect("prepare");
            target
        });
        b.iter_custom(|times| (0..times).map(|_| once(target.as_mut(), session, job, &RUN)).sum());
    });
}

fn once(target: &mut dyn Target, session: &Session, job: &Ready, run: &AtomicU32) -> Duration {
    let name = format!("{}-{}", session.name, run.fetch_add(1, Ordering::Relaxed));
    let interrupted = AtomicBool::new(false);
    let settle = Duration::ZERO;
    let setting = Setting { session_dir: &session.dir, name: &name, settle, interrupted: &interrupted };
    let outcome = run_once(target, &job.workload, &job.job, &setting).expect("a run");
    let startup = outcome.samples.iter().find(|(metric, _)| metric == "startup_ms").expect("startup_ms").1;
    Duration::from_secs_f64(startup / 1000.0)
}

fn inner_parts(criterion: &mut Criterion, session: &Session) {
    let profile = seccomp::profile::default();
    criterion.bench_function("seccomp/compile", |b| b.iter(|| seccomp::compile(black_box(&profile))));

    let bundle = session.dir.join("bundle");
    std::fs::create_dir_all(&bundle).expect("folder");
    let described = Bundle {
        lower_dirs: vec![bundle.clone()],
        argv: vec!["/hello".into()],
        seccomp: true,
        ..Bundle::default()
    };
    described.write(&bundle).expect("bundle");
    criterion.bench_function("config/read", |b| b.iter(|| RuntimeConfig::read(black_box(&bundle))));

    let values: Vec<f64> = (0..100).map(|i| f64::from((i * 7919) % 101)).collect();
    let bca = || taremark::stats::bca(black_box(&values), taremark::stats::RESAMPLES, 1);
    criterion.bench_function("stats/bca 100 values", |b| b.iter(bca));
    criterion.bench_function("schedule/block of 30", |b| b.iter(|| block_order(black_box(7), 3, 3, 10)));
    layer(criterion, session);
}

/// A layer of 2,000 files and 32 MiB onto a tmpfs: a disk's history would count otherwise.
fn layer(criterion: &mut Criterion, session: &Session) {
    let archive = archive();
    let tmpfs = session.dir.join("tmpfs");
    std::fs::create_dir(&tmpfs).expect("folder");
    let flags = nix::mount::MsFlags::empty();
    nix::mount::mount(Some("tmpfs"), &tmpfs, Some("tmpfs"), flags, None::<&str>).expect("tmpfs");
    let mut group = criterion.benchmark_group("layer");
    group.throughput(Throughput::Bytes(archive.len() as u64)).sample_size(20);
    group.bench_function("unpack", |b| {
        b.iter_batched(
            || tempfile::tempdir_in(&tmpfs).expect("folder"),
            |to| {
                unpack(&archive[..], "bench", to.path(), UnpackLimits::default()).expect("unpack");
                to
            },
            criterion::BatchSize::PerIteration,
        );
    });
    group.finish();
    // The session's folder is removed at its end, and a mount would be in the way.
    nix::mount::umount2(&tmpfs, nix::mount::MntFlags::MNT_DETACH).expect("unmount");
}

fn archive() -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let content = vec![7u8; 16 << 10];
    for n in 0..2000 {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        tar.append_data(&mut header, format!("d{}/f{n}", n % 50), &content[..]).expect("member");
    }
    tar.into_inner().expect("archive")
}
