//! Instructions that change nothing but the config.

use super::config::Config;
use super::expand::{self, Lookup};
use super::syntax::{Command, Flag, Kind, Word};
use serde_json::json;

/// What an instruction needs to be understood.
pub struct Reading<'a> {
    /// Of the file.
    pub escape: char,
    /// Variables.
    pub lookup: Lookup<'a>,
}

impl Reading<'_> {
    /// One word, expanded, without quotes.
    pub fn word(&self, word: &Word) -> Result<String, String> {
        expand::word(&word.text, self.escape, self.lookup)
    }

    /// Some text, likewise.
    pub fn text(&self, text: &str) -> Result<String, String> {
        expand::word(text, self.escape, self.lookup)
    }
}

/// Carries one out. None: it is of another kind. Else what it came to, for the cache's key.
pub fn configure(config: &mut Config, kind: &Kind, reading: &Reading<'_>) -> Result<Option<String>, String> {
    let said = match kind {
        Kind::Env(pairs) => {
            let pairs = expanded(pairs, reading)?;
            pairs.iter().for_each(|(k, v)| config.set_env(k, v));
            format!("ENV {pairs:?}")
        }
        Kind::Label(pairs) => {
            let pairs = expanded(pairs, reading)?;
            pairs.iter().for_each(|(k, v)| config.put("Labels", k, json!(v)));
            format!("LABEL {pairs:?}")
        }
        Kind::User(word) => {
            let user = reading.word(word)?;
            config.set("User", json!(user));
            format!("USER {user}")
        }
        Kind::Expose(words) => {
            let mut ports = Vec::new();
            for word in words {
                for port in expand::words(&word.text, reading.escape, reading.lookup)? {
                    ports.extend(exposed(&port)?);
                }
            }
            ports.iter().for_each(|p| config.put("ExposedPorts", p, json!({})));
            format!("EXPOSE {ports:?}")
        }
        Kind::Volume(words) => {
            let paths = words.iter().map(|w| reading.word(w)).collect::<Result<Vec<_>, _>>()?;
            if paths.iter().any(String::is_empty) {
                return Err("VOLUME has an empty path".into());
            }
            paths.iter().for_each(|p| config.put("Volumes", p, json!({})));
            format!("VOLUME {paths:?}")
        }
        Kind::Stopsignal(word) => {
            let signal = reading.word(word)?;
            if !known_signal(&signal) {
                return Err(format!("{signal:?} is no signal: SIGTERM or 15 is one"));
            }
            config.set("StopSignal", json!(signal));
            format!("STOPSIGNAL {signal}")
        }
        Kind::Shell(shell) => {
            config.set("Shell", json!(shell));
            format!("SHELL {shell:?}")
        }
        Kind::Cmd(command) => {
            let argv = argv(config, command);
            config.set("Cmd", json!(argv));
            format!("CMD {argv:?}")
        }
        Kind::Healthcheck { flags, command } => {
            let check = healthcheck(flags, command.as_ref())?;
            let said = format!("HEALTHCHECK {check}");
            config.set("Healthcheck", check);
            said
        }
        Kind::Onbuild(text) => {
            let mut all = config.list("OnBuild").unwrap_or_default();
            all.push(text.clone());
            config.set("OnBuild", json!(all));
            format!("ONBUILD {text}")
        }
        Kind::Maintainer(name) => {
            config.value_mut()["author"] = json!(name);
            format!("MAINTAINER {name}")
        }
        _ => return Ok(None),
    };
    Ok(Some(said))
}

/// The words that a command is run with.
pub fn argv(config: &Config, command: &Command) -> Vec<String> {
    match command {
        Command::Exec(words) => words.clone(),
        Command::Shell(text) => config.shell().into_iter().chain([text.clone()]).collect(),
    }
}

/// All with the variables as they were before the instruction.
fn expanded(pairs: &[(String, String)], reading: &Reading<'_>) -> Result<Vec<(String, String)>, String> {
    pairs.iter().map(|(k, v)| Ok((reading.text(k)?, reading.text(v)?))).collect()
}

/// `80`, `80/udp`, `8000-8002/tcp`.
fn exposed(text: &str) -> Result<Vec<String>, String> {
    let bad = || format!("{text:?} is no port: 80, 53/udp or 8000-8010 is one");
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
        return Err(bad());
    }
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let number = |t: &str| t.parse::<u16>().map_err(|_| bad());
    let (first, last) = (number(first)?, number(last)?);
    if first > last {
        return Err(bad());
    }
    Ok((first..=last).map(|port| format!("{port}/{protocol}")).collect())
}

fn known_signal(text: &str) -> bool {
    let name = text.strip_prefix("SIG").unwrap_or(text);
    let real_time = name.starts_with("RTMIN") || name.starts_with("RTMAX");
    match text.parse::<u8>() {
        Ok(n) => (1..=64).contains(&n),
        Err(_) => real_time || format!("SIG{name}").parse::<nix::sys::signal::Signal>().is_ok(),
    }
}

/// Docker's image specification 1.2, "Healthcheck": times in nanoseconds.
fn healthcheck(flags: &[Flag], command: Option<&Command>) -> Result<serde_json::Value, String> {
    let test = match command {
        None if flags.is_empty() => return Ok(json!({ "Test": ["NONE"] })),
        None => return Err("HEALTHCHECK NONE takes no options".into()),
        Some(Command::Exec(words)) => {
            std::iter::once("CMD".to_owned()).chain(words.iter().cloned()).collect()
        }
        Some(Command::Shell(text)) if text.is_empty() => return Err("HEALTHCHECK CMD has no command".into()),
        Some(Command::Shell(text)) => vec!["CMD-SHELL".to_owned(), text.clone()],
    };
    let mut check = json!({ "Test": test });
    for flag in flags {
        let value = flag.value.as_deref().unwrap_or_default();
        let field = match flag.name.as_str() {
            "interval" => "Interval",
            "timeout" => "Timeout",
            "start-period" => "StartPeriod",
            "start-interval" => "StartInterval",
            "retries" => {
                let n = value.parse::<u32>().map_err(|_| format!("--retries={value}: a number is wanted"))?;
                check["Retries"] = json!(n);
                continue;
            }
            other => return Err(format!("--{other} is not known to HEALTHCHECK")),
        };
        check[field] = json!(
            nanoseconds(value)
                .ok_or_else(|| format!("--{}={value}: a time like 30s or 1m30s is wanted", flag.name))?
        );
    }
    Ok(check)
}

/// Go's form: numbers with units, one behind the other.
fn nanoseconds(text: &str) -> Option<u64> {
    let mut total = 0.0f64;
    let mut rest = text;
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let unit = rest[number..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |i| number + i);
        let factor = match &rest[number..unit] {
            "ns" => 1.0,
            "us" | "µs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            _ => return None,
        };
        total += rest[..number].parse::<f64>().ok()? * factor;
        rest = &rest[unit..];
    }
    (!text.is_empty() && total < 9e18).then_some(total as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_times_and_signals() {
        assert_eq!(exposed("80").expect("port"), ["80/tcp"]);
        assert_eq!(exposed("8000-8002/UDP").expect("ports"), ["8000/udp", "8001/udp", "8002/udp"]);
        for bad in ["", "x", "80/x", "9-8", "70000"] {
            exposed(bad).expect_err(bad);
        }
        assert_eq!(nanoseconds("1m30s"), Some(90_000_000_000));
        assert_eq!(nanoseconds("1.5s"), Some(1_500_000_000));
        assert_eq!((nanoseconds(""), nanoseconds("5"), nanoseconds("5x")), (None, None, None));
        assert!(
            known_signal("SIGTERM")
                && known_signal("9")
                && known_signal("KILL")
                && known_signal("SIGRTMIN+3")
        );
        assert!(!known_signal("SIGX") && !known_signal("0"));
    }
}
