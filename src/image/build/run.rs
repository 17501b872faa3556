//! The step RUN.

use super::commit::Layer;
use super::config::PATH;
use super::configure::argv;
use super::error::{StepError, io, refused};
use super::heredoc::HereDoc;
use super::mounts::{self, Mounts, Wanted};
use super::options::Network;
use super::overlay::Overlay;
use super::stage::Work;
use super::step::{Event, RunStep};
use super::stubs::Stubs;
use super::syntax::{Command, Flag};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// Arguments that a command sees without their being declared, and that are in no key and no history.
const PROXIES: [&str; 5] = ["http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy"];

impl Work<'_> {
    /// Carries it out.
    pub(super) fn run_step(
        &mut self,
        flags: &[Flag],
        command: &Command,
        documents: &[HereDoc],
    ) -> Result<(Option<Layer>, String), StepError> {
        let (wanted, network) = self.run_flags(flags)?;
        let (argv, script) = self.command(command, documents)?;
        let mut said = format!("{argv:?} {script:?} {network:?} {:?}", self.arguments);
        for one in &wanted {
            said += &self.mount_key(one)?;
        }
        let key = self.key.next(&["RUN", &said]);
        self.changing(key, None, |work, seen| work.execute(seen, &argv, script.as_ref(), &wanted, network))
    }

    fn run_flags(&self, flags: &[Flag]) -> Result<(Vec<Wanted>, Network), StepError> {
        let mut wanted = Vec::new();
        let mut network = self.build.options.network;
        for flag in flags {
            let value = self.expand(flag.value.as_deref().unwrap_or_default())?;
            match (flag.name.as_str(), value.as_str()) {
                ("mount", text) => wanted.push(mounts::parse(text)?),
                ("network", "none") => network = Network::None,
                ("network", "host") => network = Network::Host,
                ("network", "default") => {}
                ("network", other) => {
                    return Err(refused(format!("--network={other}"), "none, host or default is wanted"));
                }
                ("security", "sandbox") => {}
                ("security", _) => return Err(refused("--security", "no step runs outside of its sandbox")),
                (other, _) => return Err(refused(format!("--{other}"), "RUN does not know it")),
            }
        }
        Ok((wanted, network))
    }

    /// The argument vector, and a script with its name where a here-document is one.
    #[expect(clippy::type_complexity)]
    fn command(
        &self,
        command: &Command,
        documents: &[HereDoc],
    ) -> Result<(Vec<String>, Option<(String, String)>), StepError> {
        let Some(first) = documents.first() else {
            return match command {
                Command::Shell(text) if text.is_empty() => Err(refused("RUN", "there is no command")),
                _ => Ok((argv(&self.config, command), None)),
            };
        };
        let Command::Shell(text) = command else {
            return Err(refused("RUN", "the form with [ ] takes no here-document"));
        };
        let alone = documents.len() == 1 && text.starts_with("<<") && !text.contains(char::is_whitespace);
        if alone && first.content.starts_with("#!") {
            let path = format!("/dev/pipes/{}", first.name);
            return Ok((vec![path], Some((first.name.clone(), first.content.clone()))));
        }
        let mut whole = if alone { first.content.clone() } else { text.clone() };
        if !alone {
            // The shell reads them itself.
            for document in documents {
                whole = format!("{whole}\n{}{}", document.content, document.name);
            }
        }
        Ok((argv(&self.config, &Command::Shell(whole)), None))
    }

    fn execute(
        &mut self,
        seen: &Overlay,
        argv: &[String],
        script: Option<&(String, String)>,
        wanted: &[Wanted],
        network: Network,
    ) -> Result<(), StepError> {
        let mut mounts = self.mounts(wanted)?;
        if let Some((name, text)) = script {
            mounts.binds.push(self.script(name, text)?);
        }
        self.names(network, &mut mounts)?;
        let layers = [seen.path().to_owned()];
        let (uid, gid, mut groups) = crate::image::user::resolve(self.config.text("User"), &layers)?;
        // The user's own group is among the supplementary ones: a file that denies it has to deny it (CVE-2022-36109).
        if !groups.contains(&gid) {
            groups.push(gid);
        }
        let env = self.environment(&mounts, &home(&layers[0], uid));
        let cwd = Some(self.config.text("WorkingDir")).filter(|c| !c.is_empty()).unwrap_or("/").to_owned();
        let stubs = Stubs::before(&seen.open()?, mounts.binds.iter().map(|(_, to)| to.as_path()));
        let dir = self.folder()?;
        let lines = Mutex::new(Vec::new());
        let tell = |line: &[u8]| {
            (self.build.tell)(&Event::Output {
                stage: &self.shown,
                line: String::from_utf8_lossy(line).trim_end(),
            });
        };
        let output = |bytes: &[u8]| {
            let mut rest = lines.lock().unwrap_or_else(PoisonError::into_inner);
            rest.extend_from_slice(bytes);
            while let Some(end) = rest.iter().position(|b| *b == b'\n') {
                tell(&rest[..end]);
                rest.drain(..=end);
            }
        };
        let step = RunStep {
            root: seen.path(),
            dir: &dir,
            argv,
            env: &env,
            cwd: &cwd,
            user: (uid, gid),
            groups: &groups,
            mounts: &mounts.binds,
            network,
            output: &output,
        };
        let code = (self.build.execute)(&step).map_err(|source| StepError::Run { source })?;
        let rest = lines.into_inner().unwrap_or_else(PoisonError::into_inner);
        if !rest.is_empty() {
            tell(&rest);
        }
        if code != 0 {
            return Err(StepError::Exit { code });
        }
        // With one layer for all, the next step goes on in the same overlay: beneath it nothing is taken away.
        stubs.clear(seen.upper.as_deref().filter(|_| !self.squashing));
        Ok(())
    }

    fn script(&mut self, name: &str, text: &str) -> Result<(PathBuf, PathBuf), StepError> {
        let path = self.folder()?.join("script");
        std::fs::write(&path, text).map_err(io("write", &path))?;
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&path, mode).map_err(io("set the mode of", &path))?;
        Ok((path, PathBuf::from("/dev/pipes").join(name)))
    }

    /// Names of hosts, which are not the image's: copies of the host's files, or next to nothing.
    fn names(&mut self, network: Network, mounts: &mut Mounts) -> Result<(), StepError> {
        let dir = self.folder()?;
        let hosts = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";
        let read = |path: &str| match network {
            Network::Host => std::fs::read_to_string(path).ok(),
            Network::None => None,
        };
        for (name, default) in [("hosts", hosts), ("resolv.conf", "")] {
            let to = format!("/etc/{name}");
            let path = dir.join(name);
            std::fs::write(&path, read(&to).unwrap_or_else(|| default.to_owned()))
                .map_err(io("write", &path))?;
            mounts.binds.push((path, to.into()));
        }
        Ok(())
    }

    fn environment(&self, mounts: &Mounts, home: &str) -> Vec<String> {
        let mut env = self.config.list("Env").unwrap_or_default();
        let has = |env: &[String], name: &str| {
            env.iter().any(|e| e.split_once('=').is_some_and(|(k, _)| k == name))
        };
        for (name, value) in [("PATH", PATH), ("HOME", home)] {
            if !has(&env, name) {
                env.push(format!("{name}={value}"));
            }
        }
        let given = self.build.options.arguments.iter();
        let proxies = given.filter(|(name, _)| PROXIES.contains(&name.to_ascii_lowercase().as_str()));
        for (name, value) in self.arguments.iter().chain(proxies) {
            if !has(&env, name) {
                env.push(format!("{name}={value}"));
            }
        }
        env.extend(mounts.env.iter().cloned());
        env
    }
}

/// Of the user, as the image's own /etc/passwd says.
fn home(root: &std::path::Path, uid: u32) -> String {
    use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
    let read = || {
        let root = super::overlay::open_dir(root).ok()?;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = openat2(&root, "etc/passwd", flags, Mode::empty(), ResolveFlags::IN_ROOT).ok()?;
        let mut text = String::new();
        std::io::Read::read_to_string(
            &mut std::io::Read::take(std::fs::File::from(file), 1 << 20),
            &mut text,
        )
        .ok()?;
        let mut lines = text.lines().map(|l| l.split(':').collect::<Vec<_>>());
        lines.find(|l| l.len() > 5 && l[2].parse() == Ok(uid)).map(|l| l[5].to_owned())
    };
    read().filter(|h| !h.is_empty()).unwrap_or_else(|| if uid == 0 { "/root".into() } else { "/".into() })
}
