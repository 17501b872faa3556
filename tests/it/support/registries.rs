//! A real registry on loopback: Debian's docker-registry, started by the test and gone with it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// See the module.
pub struct Registry {
    child: Child,
    _dir: tempfile::TempDir,
    /// `127.0.0.1:port`.
    pub host: String,
}

/// What more it does.
#[derive(Default, Clone, Copy)]
pub struct With<'a> {
    /// `user:bcrypt` lines.
    pub htpasswd: Option<&'a str>,
    /// Certificate and key.
    pub tls: Option<(&'a Path, &'a Path)>,
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("address").port()
}

impl Registry {
    /// One that lets everybody in.
    pub fn start() -> Self {
        Self::start_with(With::default())
    }

    /// One that does more.
    pub fn start_with(with: With<'_>) -> Self {
        let dir = tempfile::tempdir().expect("folder");
        let host = format!("127.0.0.1:{}", free_port());
        let data = dir.path().join("data");
        let mut config = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nstorage:\n  filesystem: {{rootdirectory: {}}}\n  delete: {{enabled: true}}\nhttp:\n  addr: {host}\n",
            data.display()
        );
        if let Some((certificate, key)) = with.tls {
            config += &format!("  tls: {{certificate: {}, key: {}}}\n", certificate.display(), key.display());
        }
        if let Some(users) = with.htpasswd {
            let path = dir.path().join("htpasswd");
            std::fs::write(&path, users).expect("htpasswd");
            config += &format!("auth:\n  htpasswd: {{realm: test, path: {}}}\n", path.display());
        }
        std::fs::write(dir.path().join("config.yml"), config).expect("config");
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(dir.path().join("config.yml"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("these tests need docker-registry: apt-get install docker-registry");
        let registry = Self { child, _dir: dir, host };
        registry.wait();
        registry
    }

    fn wait(&self) {
        let end = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(&self.host).is_err() {
            assert!(Instant::now() < end, "docker-registry does not listen on {}", self.host);
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Passes connections on to `to`, and cuts one after it carried `bytes` from the server (`down`) or to it. Only the
/// first `cuts` connections that carry so much are cut.
pub fn cutting_proxy(to: &str, down: bool, bytes: usize, cuts: usize) -> String {
    counting_proxy(to, down, bytes, cuts).0
}

/// The same, and the bytes that went through in the direction that is watched.
pub fn counting_proxy(to: &str, down: bool, bytes: usize, cuts: usize) -> (String, Arc<AtomicUsize>) {
    let counted = Arc::new(AtomicUsize::new(0));
    let count = counted.clone();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let host = listener.local_addr().expect("address").to_string();
    let (to, left) = (to.to_owned(), Arc::new(AtomicUsize::new(cuts)));
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect(&to) else { return };
            for (from, into, watched) in [(&client, &server, !down), (&server, &client, down)] {
                let (mut from, mut into) =
                    (from.try_clone().expect("socket"), into.try_clone().expect("socket"));
                let (left, count) = (left.clone(), count.clone());
                std::thread::spawn(move || {
                    let mut buffer = vec![0; 16 << 10];
                    let mut carried = 0;
                    while let Ok(n @ 1..) = from.read(&mut buffer) {
                        carried += n;
                        let take = |left: usize| left.checked_sub(1);
                        if watched
                            && carried >= bytes
                            && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok()
                        {
                            break;
                        }
                        if into.write_all(&buffer[..n]).is_err() {
                            break;
                        }
                        if watched {
                            count.fetch_add(n, Ordering::SeqCst);
                        }
                    }
                    let _ = from.shutdown(std::net::Shutdown::Both);
                    let _ = into.shutdown(std::net::Shutdown::Both);
                });
            }
        }
    });
    (host, counted)
}
