//! Slurm's accounts: a MariaDB and a slurmdbd of the test's own, on loopback alone, all of their state in one folder.

use super::slurm::{started, wait_for};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command};

/// Ends both when it is dropped, by their ids.
pub struct Accounts {
    daemons: Vec<Child>,
    /// Of slurmdbd.
    pub port: u16,
}

impl Accounts {
    /// Starts them beside the munged of `dir`. The configuration has to lie beside slurm.conf, which has to have [`Self::lines`].
    pub fn start(dir: &Path, host: &str) -> Self {
        let shown = dir.display();
        let made = Command::new("mariadb-install-db")
            .args([
                "--no-defaults",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--user=root",
            ])
            .arg(format!("--datadir={shown}/db"))
            .output()
            .expect("these tests need mariadb-install-db: apt-get install mariadb-server-core");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let listeners: Vec<TcpListener> =
            (0..2).map(|_| TcpListener::bind("127.0.0.1:0").expect("port")).collect();
        let ports: Vec<u16> = listeners.iter().map(|l| l.local_addr().expect("port").port()).collect();
        drop(listeners);
        let database = started(
            dir,
            "mariadbd",
            &[
                "--no-defaults",
                "--user=root",
                &format!("--datadir={shown}/db"),
                &format!("--socket={shown}/db.socket"),
                &format!("--pid-file={shown}/db.pid"),
                &format!("--port={}", ports[0]),
                "--bind-address=127.0.0.1",
                "--innodb-buffer-pool-size=32M",
                "--innodb-log-file-size=16M",
            ],
        );
        let mut accounts = Self { daemons: vec![database], port: ports[1] };
        let user = "create database slurm; create user slurm@'127.0.0.1' identified by 'of-a-test'; \
                    grant all on slurm.* to slurm@'127.0.0.1'";
        wait_for("MariaDB", 60, || {
            let mut client = Command::new("mariadb");
            client.args(["--no-defaults", &format!("--socket={shown}/db.socket"), "-e", user]);
            client.output().expect("mariadb").status.success().then_some(())
        });
        let configuration = dir.join("slurmdbd.conf");
        let text = format!(
            "AuthType=auth/munge\nAuthInfo=socket={shown}/munge/socket\nDbdHost={host}\nDbdAddr=127.0.0.1\nDbdPort={}\nSlurmUser=root\n\
             StorageType=accounting_storage/mysql\nStorageHost=127.0.0.1\nStoragePort={}\nStorageUser=slurm\nStoragePass=of-a-test\n\
             StorageLoc=slurm\nLogFile={shown}/log/slurmdbd\nPidFile={shown}/slurmdbd.pid\n",
            ports[1], ports[0]
        );
        std::fs::write(&configuration, text).expect("slurmdbd.conf");
        std::fs::set_permissions(&configuration, std::fs::Permissions::from_mode(0o600)).expect("mode");
        accounts.daemons.push(started(dir, "slurmdbd", &["-D"]));
        accounts
    }

    /// What slurm.conf has to say of them.
    pub fn lines(&self, dir: &Path) -> String {
        format!(
            "AccountingStorageType=accounting_storage/slurmdbd\nAccountingStorageHost=127.0.0.1\n\
             AccountingStoragePort={}\nAccountingStoragePass={}/munge/socket\n",
            self.port,
            dir.display()
        )
    }
}

impl Drop for Accounts {
    fn drop(&mut self) {
        for child in self.daemons.iter_mut().rev() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
