//! A microVM as a user types it: the image as an initramfs, the workload as init, its output on the serial console. The
//! beginning of the ablation; each level adds one choice that the product makes.

use super::error::TargetError;
use super::job::Told;
use super::microvm::{MicroVmOptions, MicroVmTarget};
use super::output::Pipes;
use super::place::{Place, Undo};
use super::process::launch_program;
use super::{Armed, ArmedKind, Job, Prepared, Running, Target};
use crate::container::cgroup::Limits;
use crate::machine::qemu::Accelerator;
use crate::machine::recipe::{UNLISTED, UNTESTED, UNTRACED};
use crate::machine::{Machine, MachineError, initramfs};
use crate::record::schema::TargetFacts;
use crate::sys::spawn::Spawn;
use std::net::Ipv4Addr;
use std::path::PathBuf;

/// What is done, each on top of those before it: name, and what it means. What is typed tells the rate of the time-stamp
/// counter under emulation, where a kernel that has to find it out hangs in a good part of its starts: nobody would leave
/// it at that, and a start that does not come about has no time to compare with.
pub const LEVELS: [(&str, &str); 11] = [
    ("typed", "-M microvm, bzImage, gzip initramfs, all messages on the console, the clock's rate told"),
    ("timers", "the timer is not tried (no_timer_check)"),
    ("quiet", "kernel messages off the console (quiet loglevel=1)"),
    ("plain", "the initramfs uncompressed"),
    ("pvh", "the kernel uncompressed, entered through PVH (its address no longer random)"),
    ("untested", "the kernel's cryptography does not test itself (cryptomgr.notests, initcall_blacklist)"),
    ("untraced", "its tracer does not look up every function, and makes no files (initcall_blacklist)"),
    (
        "unlisted",
        "no files of caches, counters, all memory and hibernation, no certificates (initcall_blacklist)",
    ),
    ("smp", "code is not patched for one processor (noreplace-smp)"),
    (
        "zeroing",
        "memory is zeroed when it is given out only where the host's own kernel does so (init_on_alloc)",
    ),
    ("max", "all processor features but those by which memory is cleared by the byte (-cpu max,erms=off)"),
];

/// See the module.
pub struct ConsoleTarget {
    inner: MicroVmTarget,
    facts: TargetFacts,
    level: usize,
}

impl ConsoleTarget {
    /// With the first `level` choices of [`LEVELS`] after the first.
    pub fn new(options: MicroVmOptions, level: usize) -> Result<Self, TargetError> {
        let inner = MicroVmTarget::new(options)?;
        let mut facts = inner.facts.clone();
        let (name, what) = LEVELS[level.min(LEVELS.len() - 1)];
        facts.name = format!("microvm~{name}");
        facts.description = format!("step of the ablation: {what}");
        for gone in ["root", "scratch", "isolation", "randomisation", "memory initialisation"] {
            facts.facts.remove(gone);
        }
        Ok(Self { inner, facts, level })
    }

    fn has(&self, name: &str) -> bool {
        LEVELS.iter().position(|l| l.0 == name).is_some_and(|at| at <= self.level)
    }

    fn initramfs(&self, job: &Job) -> Result<PathBuf, TargetError> {
        let cache_dir = &self.inner.options.cache_dir;
        Ok(initramfs::of_image(cache_dir, &job.image_digest, &job.lower_dirs, !self.has("plain"))?)
    }

    /// The whole of what is told: `rdinit=` names the program, and what follows `--` are its arguments.
    fn command_line(&self, job: &Job, tsc_khz: u64, tcg: bool) -> String {
        let mut line = "console=ttyS0 reboot=t panic=-1".to_owned();
        if tcg {
            line += &format!(" tsc_early_khz={tsc_khz}");
        }
        let mut add = |level: &str, text: String| {
            if self.has(level) {
                line = format!("{line} {text}");
            }
        };
        add("quiet", "quiet loglevel=1".into());
        add("untested", UNTESTED.into());
        add("untraced", UNTRACED.into());
        add("unlisted", UNLISTED.into());
        add("timers", "no_timer_check".into());
        if tcg {
            add("smp", "noreplace-smp".into());
        }
        add("zeroing", self.inner.initialises.parameter().into());
        let (program, rest) = job.argv.split_first().map(|(p, r)| (p.as_str(), r)).unwrap_or_default();
        format!("{line} rdinit={program} -- {}", rest.join(" "))
    }

    fn arguments(&self, machine: &Machine, job: &Job) -> Result<Vec<String>, TargetError> {
        let kernel =
            if self.has("pvh") { Some(&machine.kernel.vmlinux) } else { machine.kernel.bzimage.as_ref() };
        let kernel = kernel.ok_or_else(|| MachineError::BadKernel {
            path: machine.kernel.vmlinux.clone(),
            why: "there is no bzImage of it".into(),
        })?;
        let tcg = machine.accelerator == Accelerator::Tcg;
        let options = "microvm,acpi=on,pit=on,pic=on,rtc=on,isa-serial=on,auto-kernel-cmdline=off";
        let mut pairs: Vec<(&str, String)> = vec![
            ("-machine", if self.has("max") { options.into() } else { "microvm".into() }),
            ("-accel", machine.accelerator.name().into()),
            ("-smp", machine.cpus.to_string()),
            ("-m", format!("{}B", machine.memory_bytes)),
            ("-kernel", kernel.display().to_string()),
            ("-initrd", self.initramfs(job)?.display().to_string()),
            ("-append", self.command_line(job, machine.tsc_khz, tcg)),
            ("-serial", "stdio".into()),
        ];
        if !tcg || self.has("max") {
            pairs.push(("-cpu", machine.accelerator.processor().into()));
        }
        let mut argv = vec!["qemu-system-x86_64".to_owned()];
        argv.extend(pairs.into_iter().flat_map(|(name, value)| [name.to_owned(), value]));
        argv.extend(["-nodefaults", "-no-user-config", "-nographic", "-no-reboot"].map(String::from));
        Ok(argv)
    }
}

impl Target for ConsoleTarget {
    fn facts(&self) -> &TargetFacts {
        &self.facts
    }

    fn outer_limits(&self, job: &Job) -> Limits {
        self.inner.outer_limits(job)
    }

    fn prepare(&mut self, job: &Job) -> Result<Prepared, TargetError> {
        let path = self.initramfs(job)?;
        let bytes = std::fs::metadata(&path).map_err(super::error::io("look at", &path))?.len();
        Ok(Prepared { sizes: vec![("initramfs_bytes", bytes)], ..Prepared::default() })
    }

    fn arm(&mut self, job: &Job, place: &Place) -> Result<Armed, TargetError> {
        let machine = self.inner.machine(job, None)?;
        let argv = self.arguments(&machine, job)?;
        let pipes = Pipes::new().map_err(|source| TargetError::System { step: "make pipes", source })?;
        let environment = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin".to_owned()];
        let spawn = Spawn::new(&machine.qemu.program, &argv, &environment)?;
        let spawn = pipes.give(spawn).new_session().cgroup(place.cgroup.place());
        // The kernel starts init with an environment of its own, in /, as root.
        let told = Told {
            env: vec!["HOME=/".into(), "TERM=linux".into()],
            cwd: "/".into(),
            uid: 0,
            gid: 0,
            ..job.told()
        };
        let kind = ArmedKind::Program {
            spawn: Box::new(spawn),
            output: pipes,
            address: Ipv4Addr::LOCALHOST,
            trace: None,
        };
        Ok(Armed { told, undo: Undo::default(), kind })
    }

    fn launch(&mut self, armed: Armed, _: &Place) -> Result<Running, TargetError> {
        launch_program(armed)
    }
}
