//! How this host's own kernel initialises memory. A guest's kernel is asked for the same, no more and no less: a container
//! runs on the one and a machine on the other, and neither shall look quicker for a protection that it lacks.

use flate2::read::GzDecoder;
use std::io::Read;
use std::path::{Path, PathBuf};

/// What is not known is said to be initialised: a guest loses no protection by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Initialises {
    /// Pages and objects that are given out: `init_on_alloc`.
    pub on_alloc: bool,
    /// Variables on the stack: `INIT_STACK_ALL_ZERO` or `_PATTERN`.
    pub stack: bool,
}

impl Initialises {
    /// This host's.
    pub fn of_host() -> Self {
        let command_line = std::fs::read_to_string("/proc/cmdline").unwrap_or_default();
        Self::read(&config().unwrap_or_default(), &command_line)
    }

    /// From a configuration (empty where there is none to be read) and a command line, where the last word counts.
    fn read(config: &str, command_line: &str) -> Self {
        let set = |name: &str| config.lines().any(|line| line.strip_prefix(name) == Some("=y"));
        let known = config.contains("CONFIG_INIT_ON_ALLOC_DEFAULT_ON");
        let built = if known { set("CONFIG_INIT_ON_ALLOC_DEFAULT_ON") } else { true };
        let mut told = command_line.split_whitespace().filter_map(|word| word.strip_prefix("init_on_alloc="));
        let on_alloc = match told.next_back() {
            Some("1" | "y" | "Y" | "on") => true,
            Some("0" | "n" | "N" | "off") => false,
            _ => built,
        };
        Self { on_alloc, stack: !set("CONFIG_INIT_STACK_NONE") }
    }

    /// For the command line of a guest's kernel.
    pub fn parameter(self) -> &'static str {
        if self.on_alloc { "init_on_alloc=1" } else { "init_on_alloc=0" }
    }
}

/// The running kernel's configuration, where it keeps it (CONFIG_IKCONFIG_PROC) or the distribution lays it down.
fn config() -> Option<String> {
    let mut text = String::new();
    if let Ok(packed) = std::fs::File::open("/proc/config.gz") {
        GzDecoder::new(packed).read_to_string(&mut text).ok()?;
        return Some(text);
    }
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").ok()?;
    let beside = |dir: PathBuf| std::fs::read_to_string(dir).ok();
    beside(Path::new("/boot").join(format!("config-{}", release.trim())))
        .or_else(|| beside(Path::new("/lib/modules").join(release.trim()).join("config")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ON: &str = "CONFIG_INIT_STACK_ALL_ZERO=y\n# CONFIG_INIT_STACK_NONE is not set\nCONFIG_INIT_ON_ALLOC_DEFAULT_ON=y\n";
    const OFF: &str = "CONFIG_INIT_STACK_NONE=y\n# CONFIG_INIT_ON_ALLOC_DEFAULT_ON is not set\n";

    #[test]
    fn a_guest_initialises_what_the_host_does_and_all_where_that_is_not_known() {
        let both = |on_alloc, stack| Initialises { on_alloc, stack };
        for (config, command_line, is) in [
            (ON, "quiet", both(true, true)),
            (OFF, "quiet", both(false, false)),
            ("", "", both(true, true)),
            (OFF, "init_on_alloc=1", both(true, false)),
            (ON, "init_on_alloc=1 init_on_alloc=0", both(false, true)),
            (ON, "init_on_alloc=nonsense", both(true, true)),
        ] {
            assert_eq!(Initialises::read(config, command_line), is, "{config} {command_line}");
        }
        assert_eq!(both(false, true).parameter(), "init_on_alloc=0");
        assert_eq!(both(true, false).parameter(), "init_on_alloc=1");
    }
}
