//! A Slurm of four nodes on this machine: its own munged, slurmctld and four slurmd, loopback alone, all state in one folder. Each
//! node has its own process, mount and host name namespaces, its own /run and its own machine id: it dies as a whole.

use super::accounts::Accounts;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const NODES: [&str; 4] = ["n1", "n2", "n3", "n4"];

/// See the module. Dropping it ends all of its processes, by their ids.
pub struct Cluster {
    dir: tempfile::TempDir,
    daemons: Vec<Child>,
    nodes: Vec<Option<Child>>,
    accounts: Option<Accounts>,
    /// What a node does before its slurmd is started, in its own mount namespace: a line of bash.
    before: [&'static str; 4],
}

/// How it is set up.
#[derive(Debug, Clone, Copy, Default)]
pub struct Setup {
    /// With slurmdbd and its database.
    pub accounts: bool,
    /// The controller forgets a job two seconds after its end.
    pub forgetful: bool,
    /// See [`Cluster`].
    pub before: [&'static str; 4],
}

#[track_caller]
pub fn wait_for<T>(what: &str, seconds: u64, mut there: impl FnMut() -> Option<T>) -> T {
    let from = Instant::now();
    loop {
        if let Some(found) = there() {
            return found;
        }
        assert!(from.elapsed() < Duration::from_secs(seconds), "{what} did not come");
        std::thread::sleep(Duration::from_millis(50));
    }
}

impl Cluster {
    /// Starts it; `defaults` are the lines of what would be /etc/default/taremark, for prolog and epilog.
    pub fn start(defaults: &str, setup: Setup) -> Self {
        let dir = tempfile::tempdir().expect("folder");
        let nodes = NODES.map(|_| None).into();
        let mut cluster = Self { dir, daemons: Vec::new(), nodes, accounts: None, before: setup.before };
        for folder in ["state", "spool", "log", "munge", "run"] {
            std::fs::create_dir(cluster.path(folder)).expect("folder");
        }
        let open = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("mode");
        };
        open(cluster.dir.path(), 0o755);
        let key = cluster.path("munge/key");
        std::fs::write(&key, random_hex(512)).expect("key");
        open(&key, 0o400);
        std::fs::write(cluster.path("defaults"), defaults).expect("defaults");
        for hook in ["prolog", "epilog"] {
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/slurm").join(hook);
            let text = format!(
                "#!/bin/bash\nexport TAREMARK_DEFAULTS={}\nexec {}\n",
                cluster.path("defaults").display(),
                script.display()
            );
            std::fs::write(cluster.path(hook), text).expect("hook");
            open(&cluster.path(hook), 0o755);
        }
        cluster.munged();
        if setup.accounts {
            cluster.accounts = Some(Accounts::start(cluster.dir.path(), &host_name()));
        }
        std::fs::write(cluster.path("slurm.conf"), cluster.configuration(setup)).expect("slurm.conf");
        if setup.accounts {
            wait_for("slurmdbd", 60, || {
                let told = cluster.command("sacctmgr").args(["-n", "show", "cluster"]).output();
                told.expect("sacctmgr").status.success().then_some(())
            });
        }
        let controller = cluster.daemon("slurmctld", &["-D", "-c", "-f", &cluster.shown("slurm.conf")]);
        cluster.daemons.push(controller);
        (0..NODES.len()).for_each(|node| cluster.start_node(node));
        wait_for("four idle nodes", 60, || {
            (cluster.ask("sinfo", &["-h", "-N", "-o", "%t"]).lines().filter(|l| *l == "idle").count() == 4)
                .then_some(())
        });
        cluster
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn shown(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// One of Slurm's programs, that asks this cluster.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("SLURM_CONF", self.path("slurm.conf"));
        command
    }

    /// Output of one of Slurm's programs; empty while the controller is not up.
    pub fn ask(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.command(program).args(arguments).output();
        let output = output
            .unwrap_or_else(|e| panic!("these tests need {program}: apt-get install slurm-wlm munge: {e}"));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn configuration(&self, setup: Setup) -> String {
        let host = host_name();
        // Held until all are known, so that no two are the same.
        let listeners: Vec<TcpListener> =
            (0..=NODES.len()).map(|_| TcpListener::bind("127.0.0.1:0").expect("port")).collect();
        let ports: Vec<u16> = listeners.iter().map(|l| l.local_addr().expect("port").port()).collect();
        let dir = self.dir.path().display();
        let mut text = format!(
            "ClusterName=tested\nSlurmctldHost={host}(127.0.0.1)\nSlurmctldPort={}\nSlurmUser=root\nSlurmdUser=root\n\
             AuthType=auth/munge\nAuthInfo=socket={dir}/munge/socket,cred_expire=5\nStateSaveLocation={dir}/state\n\
             SlurmdSpoolDir={dir}/spool/%n\nSlurmctldPidFile={dir}/slurmctld.pid\nSlurmdPidFile={dir}/slurmd-%n.pid\n\
             SlurmctldLogFile={dir}/log/slurmctld\nSlurmdLogFile={dir}/log/slurmd-%n\nProctrackType=proctrack/linuxproc\n\
             TaskPlugin=task/none\nSelectType=select/linear\nSwitchType=switch/none\nMpiDefault=none\nReturnToService=2\n\
             SlurmdTimeout=4\nSlurmctldTimeout=10\nMessageTimeout=5\nKillWait=2\nJobRequeue=1\nMailProg=/bin/true\n\
             SchedulerType=sched/backfill\n\
             SchedulerParameters=bf_interval=1,sched_interval=1,batch_sched_delay=0,nohold_on_prolog_fail\n\
             JobCompType=jobcomp/none\nJobAcctGatherType=jobacct_gather/none\nProlog={dir}/prolog\nEpilog={dir}/epilog\n",
            ports[0]
        );
        text += if setup.forgetful { "MinJobAge=2\n" } else { "" };
        text += &match &self.accounts {
            Some(accounts) => accounts.lines(self.dir.path()),
            None => "AccountingStorageType=accounting_storage/none\n".to_owned(),
        };
        for (node, port) in NODES.iter().zip(&ports[1..]) {
            text += &format!("NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=1\n");
        }
        text + "PartitionName=all Nodes=n[1-4] Default=YES MaxTime=INFINITE State=UP\n"
    }

    fn munged(&mut self) {
        let of = |name: &str| format!("{}/{name}", self.shown("munge"));
        let socket = of("socket");
        let daemon = self.daemon(
            "munged",
            &[
                "--foreground",
                "--force",
                &format!("--socket={socket}"),
                &format!("--key-file={}", of("key")),
                &format!("--pid-file={}", of("pid")),
                &format!("--log-file={}", of("log")),
                &format!("--seed-file={}", of("seed")),
            ],
        );
        self.daemons.push(daemon);
        wait_for("munged", 20, || Path::new(&socket).exists().then_some(()));
    }

    fn daemon(&self, program: &str, arguments: &[&str]) -> Child {
        started(self.dir.path(), program, arguments)
    }

    /// Starts node `node`, from 0, the first time or again.
    pub fn start_node(&mut self, node: usize) {
        let name = NODES[node];
        let (run, id) = (self.path("run").join(name), self.path(&format!("machine-id-{name}")));
        let _ = std::fs::create_dir(&run);
        let _ = std::fs::create_dir(self.path("spool").join(name));
        if !id.exists() {
            std::fs::write(&id, random_hex(16)).expect("machine id");
        }
        // Process numbers of their own: sessions are called by them, and the nodes share their cgroups.
        let script = format!(
            "hostname {name}; mount --bind {} /run; mount --bind {} /etc/machine-id; {}\n \
             echo {} > /proc/sys/kernel/ns_last_pid; exec slurmd -D -N {name} -f {}",
            run.display(),
            id.display(),
            self.before[node],
            (node + 1) * 6000,
            self.shown("slurm.conf")
        );
        let namespaces =
            ["--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-c", &script];
        self.nodes[node] = Some(self.daemon("unshare", &namespaces));
    }

    /// The node dies with everything that runs on it.
    pub fn kill_node(&mut self, node: usize) {
        let mut child = self.nodes[node].take().expect("a node that is up");
        child.kill().expect("kill");
        child.wait().expect("reaped");
    }

    /// What sessions have left in the nodes' /run.
    pub fn left(&self) -> Vec<PathBuf> {
        let of = |name: &str| std::fs::read_dir(self.path("run").join(name).join("taremark"));
        NODES.iter().filter_map(|n| of(n).ok()).flatten().flatten().map(|e| e.path()).collect()
    }

    /// The ends of all logs, for a failure.
    pub fn logs(&self, more: &Path) -> String {
        let folders = [self.path("log"), more.to_owned()];
        let files = folders.iter().flat_map(std::fs::read_dir).flatten().flatten().map(|e| e.path());
        let mut text = String::new();
        for path in files {
            let content = std::fs::read(&path).unwrap_or_default();
            let tail = String::from_utf8_lossy(&content[content.len().saturating_sub(1500)..]).into_owned();
            text += &format!("== {}\n{tail}\n", path.display());
        }
        text
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let nodes = self.nodes.iter_mut().flatten();
        for child in nodes.chain(self.daemons.iter_mut().rev()) {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            let _ = writeln!(std::io::stderr(), "{}", self.logs(Path::new("/nonexistent")));
        }
    }
}

/// A daemon that lives in the folder `dir`, with its output in `log/`.
pub fn started(dir: &Path, program: &str, arguments: &[&str]) -> Child {
    let log = std::fs::File::create(dir.join("log").join(format!("{program}.out"))).expect("log");
    let errors = log.try_clone().expect("log");
    let mut command = Command::new(program);
    command.args(arguments).env("PATH", with_sbin()).env("SLURM_CONF", dir.join("slurm.conf"));
    command.stdin(Stdio::null()).stdout(log).stderr(errors);
    command
        .spawn()
        .unwrap_or_else(|e| panic!("these tests need {program}: scripts/test installs its package: {e}"))
}

fn host_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").expect("host name");
    host.trim().split('.').next().unwrap_or_default().to_owned()
}

fn with_sbin() -> String {
    format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default())
}

fn random_hex(bytes: usize) -> String {
    let mut random = vec![0; bytes];
    let mut source = std::fs::File::open("/dev/urandom").expect("urandom");
    std::io::Read::read_exact(&mut source, &mut random).expect("randomness");
    hex::encode(random)
}
