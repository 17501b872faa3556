//! Options of every verb. They may stand before and after its name.

use crate::args::Owned;
use crate::failure::Failure;
use lexopt::{Parser, ValueExt};
use std::io::Write;
use std::path::PathBuf;
use taremark::container::state;

/// See the usage.
#[derive(Debug, Clone)]
pub struct Globals {
    /// Where states are kept.
    pub root: PathBuf,
    /// File for messages.
    pub log: Option<PathBuf>,
    /// Whether these are JSON.
    pub json: bool,
    /// Whether all is told.
    pub debug: bool,
    /// Cgroups by systemd.
    pub systemd_cgroup: bool,
    /// Whether a cgroup that cannot be made is done without; where it is not said, for ordinary users.
    pub rootless: Option<bool>,
    /// File for the time line of a start.
    pub trace: Option<PathBuf>,
}

impl Default for Globals {
    fn default() -> Self {
        Self {
            root: state::default_root(),
            log: None,
            json: false,
            debug: false,
            systemd_cgroup: false,
            rootless: None,
            trace: None,
        }
    }
}

/// Of the global options.
pub const USAGE: &str = "\
Global options:
      --root DIR           Where the states of containers are kept [/run/tarec]
      --log FILE           File for messages, besides stderr
      --log-format FORM    Form of the messages there: text or json [text]
      --debug              Tell in the log what is done
      --systemd-cgroup     Let systemd make the cgroups
      --rootless VALUE     Whether a cgroup that cannot be made is done without: true, false,
                           or auto: for ordinary users [auto]
      --trace FILE         Write the time line of a start, in Chrome's trace format
  -h, --help               Print help
  -v, --version            Print version";

impl Globals {
    /// Takes one, with its value.
    pub fn take(&mut self, arg: Owned, parser: &mut Parser) -> Result<(), Failure> {
        let name = match arg {
            Owned::Long(name) => name,
            Owned::Short(c) => return Err(Failure::usage(format!("-{c} is not an option"))),
            Owned::Value(value) => return Err(Failure::usage(format!("{value:?} is one argument too many"))),
        };
        match name.as_str() {
            "root" => self.root = parser.value()?.into(),
            "log" => self.log = Some(parser.value()?.into()),
            "log-format" => {
                self.json = match parser.value()?.string()?.as_str() {
                    "json" => true,
                    "text" => false,
                    other => {
                        return Err(Failure::usage(format!("--log-format: {other:?} is not text or json")));
                    }
                }
            }
            "trace" => self.trace = Some(parser.value()?.into()),
            "debug" => self.debug = flag(parser)?,
            "systemd-cgroup" => self.systemd_cgroup = flag(parser)?,
            "rootless" => {
                self.rootless = match parser.value()?.string()?.as_str() {
                    "auto" => None,
                    "true" => Some(true),
                    "false" => Some(false),
                    other => {
                        return Err(Failure::usage(format!(
                            "--rootless: {other:?} is not true, false or auto"
                        )));
                    }
                }
            }
            "criu" => drop(parser.value()?),
            other => return Err(Failure::usage(format!("--{other} is not an option"))),
        }
        Ok(())
    }

    /// Warnings of the library go to stderr and to the log.
    pub fn tell_warnings(&self) {
        let told = self.clone();
        taremark::container::warning::set_sink(move |text| {
            let _ = writeln!(std::io::stderr(), "tarec: warning: {text}");
            told.log("warning", text);
        });
    }

    /// Tells in the log, where `--debug` asks for it.
    pub fn debug(&self, message: &str) {
        if self.debug {
            self.log("debug", message);
        }
    }

    /// A line in the log.
    pub fn log(&self, level: &str, message: &str) {
        let Some(path) = &self.log else { return };
        let now = taremark::record::now_utc();
        let line = if self.json {
            serde_json::json!({"level": level, "msg": message, "time": now}).to_string()
        } else {
            format!("time=\"{now}\" level={level} msg={message:?}")
        };
        if let Ok(mut file) = std::fs::OpenOptions::new().create(true).append(true).open(path) {
            let _ = writeln!(file, "{line}");
        }
    }
}

/// `--flag`, `--flag=true`, `--flag=false`.
pub fn flag(parser: &mut Parser) -> Result<bool, Failure> {
    match parser.optional_value() {
        None => Ok(true),
        Some(value) => {
            let value = value.string()?;
            value.parse().map_err(|_| Failure::usage(format!("{value:?} is not true or false")))
        }
    }
}
