//! Real microVMs. They need QEMU and mkfs.erofs, and say so; the guest kernel is fetched if it is not there.

use crate::runs::{in_session, job, run_on, value, workload};
use crate::support::busybox;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use taremark::container::cgroup::Limits;
use taremark::machine::accelerator::{self, Wanted};
use taremark::machine::kernel::Initialises;
use taremark::machine::qemu::{self, Accelerator};
use taremark::machine::{Armed, Machine, MachineEvent, Memory, cache, hypervisor, initramfs, kernel};
use taremark::target::container::ContainerTarget;
use taremark::target::microvm::{MicroVmOptions, MicroVmTarget};
use taremark::target::process::ProcessTarget;
use taremark::target::{EventKind, Job, Place, Running, Stream, Target};
use taremark::workload::Reply;

/// Fetches the guest kernel, and the drivers for all monitors, unless they are there.
pub fn kernel_is_there() {
    static FETCH: Mutex<()> = Mutex::new(());
    let guard = FETCH.lock();
    if hypervisor::kernel(&cache::dir(), None).is_err() {
        kernel::fetch(&cache::dir()).expect("these tests need a guest kernel, and it could not be fetched");
    }
    drop(guard);
}

/// As [`in_session`], after the kernel was fetched: inside there is no network.
pub fn in_machine_session(test: &str) -> bool {
    kernel_is_there();
    in_session(test)
}

fn target(dir: &Path) -> MicroVmTarget {
    let made = MicroVmTarget::new(MicroVmOptions::new(dir.to_owned()));
    made.expect("these tests need QEMU: apt-get install qemu-system-x86 erofs-utils")
}

pub fn machine_job(layer: &Path, script: &str, network: bool) -> Job {
    Job { memory_bytes: 256 << 20, ..job(layer, script, network) }
}

/// What a machine said until it was closed, or until `until` was in its standard output.
#[derive(Debug, Default)]
pub struct Said {
    pub out: String,
    pub err: String,
    pub code: Option<i32>,
    pub closed: Option<String>,
}

pub fn listen(running: &mut Running, until: &str) -> Said {
    // A guard against waiting for ever, no measure: emulated on a busy host, some scripts take half a minute.
    listen_for(running, until, Duration::from_secs(150))
}

pub fn listen_for(running: &mut Running, until: &str, at_most: Duration) -> Said {
    let mut said = Said::default();
    let deadline = Instant::now() + at_most;
    while said.closed.is_none() && (until.is_empty() || !said.out.contains(until)) {
        assert!(Instant::now() < deadline, "nothing more came after {said:?}");
        match running.next(Duration::from_millis(100)).map(|e| e.kind) {
            Some(EventKind::Output { stream: Stream::Stdout, bytes }) => {
                said.out += &String::from_utf8_lossy(&bytes);
            }
            Some(EventKind::Output { stream: Stream::Stderr, bytes }) => {
                said.err += &String::from_utf8_lossy(&bytes);
            }
            Some(EventKind::Exited { code }) => said.code = Some(code),
            Some(EventKind::Closed { error }) => said.closed = Some(error),
            _ => {}
        }
    }
    said
}

/// Starts `job` in a machine, does `with` it, and sees that nothing is left.
pub fn started<T>(job: &Job, with: impl FnOnce(&mut Running, &Place) -> T) -> T {
    started_within(job, Duration::from_secs(30), with)
}

/// As [`started`], with a deadline for the guest's init.
pub fn started_within<T>(
    job: &Job,
    boot_deadline: Duration,
    with: impl FnOnce(&mut Running, &Place) -> T,
) -> T {
    let dir = tempfile::tempdir().expect("folder");
    let options = MicroVmOptions { boot_deadline, ..MicroVmOptions::new(dir.path().to_owned()) };
    started_on(&mut MicroVmTarget::new(options).expect("these tests need QEMU"), job, with)
}

/// As [`started`], on any target.
pub fn started_on<T>(target: &mut dyn Target, job: &Job, with: impl FnOnce(&mut Running, &Place) -> T) -> T {
    let dir = tempfile::tempdir().expect("folder");
    let name = format!("test-{}-machine", std::process::id());
    let place = Place::create(dir.path(), &name, &Limits::default()).expect("place");
    let armed = target.arm(job, &place).expect("arm");
    let mut running = target.launch(armed, &place).expect("launch");
    let result = with(&mut running, &place);
    running.finish().expect("finish");
    assert_eq!(place.cgroup.pids().expect("pids"), Vec::<i32>::new(), "a process is left");
    place.remove().expect("remove");
    assert_eq!(std::fs::read_dir(dir.path()).expect("folder").count(), 0, "a file is left");
    result
}

#[test]
fn a_service_is_started_weighed_and_stopped_as_on_the_other_targets() {
    if !in_machine_session("machine::a_service_is_started_weighed_and_stopped_as_on_the_other_targets") {
        return;
    }
    let layer = busybox();
    let script = "trap 'exit 0' TERM; echo hello; while :; do sleep 0.05; done";
    let (job, workload) = (machine_job(layer.path(), script, false), workload("line:hello", true));
    let dir = tempfile::tempdir().expect("folder");
    let mut microvm = target(dir.path());
    assert!(microvm.prepare(&job).expect("prepare").sizes.iter().all(|s| s.1 > 0));
    let o = run_on(&mut microvm, &job, &workload).expect("run");
    let phases: Vec<&str> = o.slices.iter().map(|s| s.phase.as_str()).collect();
    assert_eq!(phases, ["qemu", "kernel", "guest_drivers", "guest_root", "guest_init", "workload"]);
    let machine_only = ["guest_used_bytes", "guest_kernel_bytes", "channel_ms", "stop_ms"];
    machine_only.iter().for_each(|metric| assert!(value(&o, metric) > 0.0, "{metric}"));
    assert!(value(&o, "stop_ms") < 5000.0, "the guest did not heed SIGTERM");
    let (ram, vmm, pss) =
        (value(&o, "guest_ram_touched_bytes"), value(&o, "vmm_bytes"), value(&o, "pss_bytes"));
    assert!((ram + vmm - pss).abs() < 0.05 * pss, "RAM {ram} and QEMU {vmm} are not the whole {pss}");
    assert!(ram > 20e6 && ram < 256e6 && vmm > 5e6, "RAM {ram}, QEMU {vmm}");
    assert_eq!(o.exit_code, Some(0));
    let mut process = ProcessTarget::new(dir.path().to_owned());
    let mut container = ContainerTarget::new(dir.path().to_owned()).expect("container");
    for other in [&mut process as &mut dyn Target, &mut container] {
        let other = run_on(other, &job, &workload).expect("run");
        assert_eq!(other.job_digest, o.job_digest, "they were not told the same");
        assert_eq!(other.output_digest, o.output_digest);
    }
}

#[test]
fn the_workload_has_what_the_job_says() {
    if !in_machine_session("machine::the_workload_has_what_the_job_says") {
        return;
    }
    let layer = busybox();
    for applet in ["env", "pwd", "df", "kill"] {
        std::os::unix::fs::symlink("busybox", layer.path().join("bin").join(applet)).expect("link");
    }
    std::fs::create_dir(layer.path().join("work")).expect("folder");
    let script = "id -u; id -g; id -G; pwd; hostname; echo $WORD; ulimit -n; touch /tmp/x && echo writable; \
                  df -k /scratch | grep -c /scratch; echo apart >&2; head -c 300000 /dev/zero; kill -SEGV $$";
    let mut job = machine_job(layer.path(), script, false);
    std::os::unix::fs::symlink("busybox", layer.path().join("bin/head")).expect("link");
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(layer.path().join("tmp"), PermissionsExt::from_mode(0o1777)).expect("mode");
    job.env.push("WORD=a b=c".into());
    (job.uid, job.gid, job.groups, job.cwd) = (1000, 1001, vec![1001, 7], "/work".into());
    job.scratch_bytes = Some(16 << 20);
    let said = started(&job, |running, _| listen(running, ""));
    let (text, zeros) =
        said.out.split_at(said.out.find('\0').unwrap_or_else(|| panic!("no zeros: {said:?}")));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines,
        ["1000", "1001", "1001 7", "/work", "tested", "a b=c", "1024", "writable", "1"],
        "{}",
        said.err
    );
    assert_eq!(zeros.len(), 300_000, "output was lost");
    assert_eq!(said.err, "apart\n");
    assert_eq!((said.code, said.closed.as_deref()), (Some(139), Some("")));
}

/// In the initramfs, where an image is that is small and has no parts of seconds in its times; and on a disk, where any other is.
#[test]
fn an_image_is_the_same_in_memory_and_on_a_disk() {
    if !in_machine_session("machine::an_image_is_the_same_in_memory_and_on_a_disk") {
        return;
    }
    let make = "for applet in stat grep tail head; do ln -s busybox bin/$applet; done
        mkdir -p d/e && echo text > d/file && ln d/file linked && ln -s d/file soft && mkfifo pipe && mknod null c 1 3
        chown 100:101 d d/file pipe && chmod 4751 d/file && chmod 1777 d/e && find . -exec touch -h -d @1000000000 {} +";
    let script = "cd /; grep -o -E '^(overlay|rootfs|tmpfs|none) / ' /proc/mounts | tail -n 1
        stat -c '%n %F %a %u:%g %h %t:%T %Y' d d/e d/file linked soft pipe null bin/busybox; cat linked
        echo more > d/new && cat d/new";
    let look = |then: &str| {
        let layer = busybox();
        let make = format!("{make} && {then}");
        let made = std::process::Command::new("sh").args(["-c", &make]).current_dir(layer.path()).status();
        assert!(made.expect("sh").success(), "{make}");
        let said = started(&machine_job(layer.path(), script, false), |running, _| listen(running, ""));
        let (root, files) = said.out.split_once('\n').unwrap_or_else(|| panic!("{said:?}"));
        (root.to_owned(), files.to_owned())
    };
    let in_memory = look("true");
    assert!(!in_memory.0.starts_with("overlay"), "{in_memory:?}");
    for line in [
        "d/file regular file 4751 100:101 2 0:0 1000000000",
        "null character special file 644 0:0 1 1:3 1000000000",
    ] {
        assert!(in_memory.1.lines().any(|l| l == line), "{in_memory:?}");
    }
    assert!(in_memory.1.ends_with("text\nmore\n"), "{in_memory:?}");
    let on_disk = look("touch -d @1000000000.5 dev");
    assert_eq!((on_disk.0.as_str(), &on_disk.1), ("overlay / ", &in_memory.1));
}

#[test]
fn a_server_is_reached() {
    if !in_machine_session("machine::a_server_is_reached") {
        return;
    }
    let layer = busybox();
    std::os::unix::fs::symlink("busybox", layer.path().join("bin/httpd")).expect("link");
    std::fs::write(layer.path().join("etc/index.html"), "weighed").expect("page");
    let mut workload = workload("http:8080/", true);
    let expect = b"weighed".to_vec();
    workload.reply = Some(Reply::Http { port: 8080, path: "/".into(), expect });
    let job = machine_job(layer.path(), "exec httpd -f -p 8080 -h /etc", true);
    let dir = tempfile::tempdir().expect("folder");
    let outcome = run_on(&mut target(dir.path()), &job, &workload).expect("run");
    assert!(value(&outcome, "startup_ms") > 0.0 && outcome.output_digest.starts_with("sha256:"));
}

#[test]
fn a_deaf_workload_is_killed_and_so_is_a_dropped_machine() {
    if !in_machine_session("machine::a_deaf_workload_is_killed_and_so_is_a_dropped_machine") {
        return;
    }
    let layer = busybox();
    let script = "trap '' TERM; echo deaf; while :; do sleep 0.05; done";
    let job = machine_job(layer.path(), script, false);
    let code = started(&job, |running, _| {
        listen(running, "deaf");
        running.stop(Duration::from_millis(300)).expect("stop").exit_code
    });
    assert_eq!(code, Some(137));
    started(&job, |running, place| {
        listen(running, "deaf");
        let qemu = place.cgroup.pids().expect("pids");
        assert_eq!(qemu.len(), 1, "only QEMU runs for it");
    });
}

#[test]
fn what_breaks_is_told() {
    if !in_machine_session("machine::what_breaks_is_told") {
        return;
    }
    let layer = busybox();
    let job = machine_job(layer.path(), "echo up; sleep 60", false);
    let said = started(&job, |running, place| {
        listen(running, "up");
        let pids = place.cgroup.pids().expect("pids");
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pids[0]), nix::sys::signal::SIGKILL).expect("kill");
        listen(running, "")
    });
    let closed = said.closed.expect("closed");
    assert!(closed.starts_with("QEMU was killed by signal 9 before the workload did"), "{closed}");
    let mut missing = job.clone();
    missing.argv = vec!["nothing-like-it".into()];
    let said = started(&missing, |running, _| listen(running, ""));
    let closed = said.closed.expect("closed");
    assert_eq!(closed, "find in the image /bin/nothing-like-it: entity not found");
}

/// A machine of our kernel with `initramfs`; what it said when it was closed.
fn closing_words(initramfs: &Path, vmlinux: Option<&Path>, deadline: Duration) -> String {
    let dir = tempfile::tempdir().expect("folder");
    let kernel = kernel::find(&cache::dir(), None).expect("kernel");
    let machine = Machine {
        qemu: qemu::find().expect("QEMU"),
        accelerator: Accelerator::Tcg,
        cpus: 1,
        memory_bytes: 256 << 20,
        kernel: kernel::Kernel { vmlinux: vmlinux.unwrap_or(&kernel.vmlinux).to_owned(), ..kernel },
        initramfs: initramfs.to_owned(),
        tsc_khz: taremark::sys::clock::tsc_khz(),
        root: None,
        scratch: None,
        network: None,
        memory: Memory::Fresh,
        isolated: true,
        initialises: Initialises::of_host(),
        parameters: Vec::new(),
    };
    let armed = Armed::new(&machine, None, None, Default::default(), dir.path()).expect("arm");
    let mut running = armed.boot_deadline(deadline).start().expect("start");
    let until = Instant::now() + Duration::from_secs(40);
    loop {
        assert!(Instant::now() < until, "it never closed");
        if let Some((_, MachineEvent::Closed(why))) = running.next(Duration::from_millis(100)) {
            return why;
        }
    }
}

#[test]
fn a_kernel_that_does_not_boot_is_told_with_its_console() {
    if !in_machine_session("machine::a_kernel_that_does_not_boot_is_told_with_its_console") {
        return;
    }
    let dir = tempfile::tempdir().expect("folder");
    let none = dir.path().join("none");
    std::fs::write(&none, "this is no archive").expect("write");
    let why = closing_words(&none, None, Duration::from_secs(40));
    assert!(why.starts_with("QEMU ended with code 0 before the workload did; console: "), "{why}");
    assert!(why.contains("Kernel panic - not syncing: VFS: Unable to mount root fs"), "{why}");
    // An init that is not ours and says nothing.
    let init = Path::new("/bin/busybox");
    let kernel = kernel::find(&cache::dir(), None).expect("kernel");
    let mute =
        initramfs::build(dir.path(), init, &kernel::Kernel { modules: Vec::new(), ..kernel }).expect("build");
    let why = closing_words(&mute, None, Duration::from_secs(2));
    assert!(why.starts_with("the guest's init did not speak within 2 s"), "{why}");
    let why = closing_words(&mute, Some(&none), Duration::from_secs(20));
    assert!(why.starts_with("QEMU ended with code 1") && why.contains("; QEMU: "), "{why}");
    let e = kernel::find(dir.path(), Some(&none)).expect_err("no kernel").to_string();
    assert!(e.contains("is not a kernel that can be booted: it is neither a bzImage nor an ELF file"), "{e}");
    let e = kernel::find(dir.path(), None).expect_err("empty cache").to_string();
    assert!(e.contains("there is no guest kernel below"), "{e}");
}

#[test]
fn an_accelerator_is_believed_after_a_guest_ran_under_it() {
    if !in_machine_session("machine::an_accelerator_is_believed_after_a_guest_ran_under_it") {
        return;
    }
    let cache = cache::dir();
    let init = Path::new(env!("CARGO_BIN_EXE_tare-init"));
    let (qemu, kernel) = (qemu::find().expect("QEMU"), kernel::find(&cache, None).expect("kernel"));
    let choose = |wanted| accelerator::choose(wanted, &cache, &qemu, &kernel, init);
    let first = choose(Wanted::Auto).expect("choose");
    let from = Instant::now();
    assert_eq!(choose(Wanted::Auto).expect("choose again"), first);
    assert!(from.elapsed() < Duration::from_secs(2), "it was probed again");
    assert_eq!(choose(Wanted::Only(Accelerator::Tcg)).expect("tcg").accelerator, Accelerator::Tcg);
    match first.accelerator {
        Accelerator::Kvm => assert!(first.reason.contains("a guest booted under it"), "{first:?}"),
        Accelerator::Tcg => {
            assert!(first.reason.starts_with("KVM cannot be used: "), "{first:?}");
            let e = choose(Wanted::Only(Accelerator::Kvm)).expect_err("kvm").to_string();
            assert!(e.starts_with("accelerator kvm cannot be used: "), "{e}");
        }
    }
}
