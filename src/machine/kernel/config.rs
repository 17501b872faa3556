//! Fragments of a kernel configuration: merged, and checked against what the kernel's own tool made of them.

use crate::machine::error::MachineError;
use std::collections::BTreeMap;

/// What containers' workloads use of a kernel and what QEMU's microvm machine has.
const GUEST: &str = include_str!("config/guest.config");
/// The distribution's own protections.
const HARDENING: &str = include_str!("config/hardening.config");

/// Options by name; a value is what stands after `=`, `n` for one that is off.
pub(super) type Options = BTreeMap<String, String>;

/// Ours, and `more` (a user's) on top; a later line for the same option wins.
pub(super) fn merged(more: &str) -> Options {
    let mut options = Options::new();
    for fragment in [GUEST, HARDENING, more] {
        options.extend(parse(fragment));
    }
    options
}

/// Format: Documentation/kbuild/kconfig.rst; `CONFIG_X=value`, and `# CONFIG_X is not set`.
fn parse(text: &str) -> Options {
    let of_line = |line: &str| {
        let line = line.trim();
        if let Some(rest) = line.strip_prefix("# CONFIG_") {
            return rest.strip_suffix(" is not set").map(|name| (name.to_owned(), "n".to_owned()));
        }
        let (name, value) = line.strip_prefix("CONFIG_")?.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    };
    text.lines().filter_map(of_line).collect()
}

/// As a file for KCONFIG_ALLCONFIG. Sorted, so that it is the same for the same options.
pub(super) fn write(options: &Options) -> String {
    let line = |(name, value): (&String, &String)| match value.as_str() {
        "n" => format!("# CONFIG_{name} is not set\n"),
        value => format!("CONFIG_{name}={value}\n"),
    };
    options.iter().map(line).collect()
}

/// Fails with every option that came out other than wanted: the tool drops what it does not know or whose conditions
/// do not hold, and says nothing. One that is wanted off and that the kernel does not know at all is off.
pub(super) fn check(wanted: &Options, made: &str) -> Result<(), MachineError> {
    let made = parse(made);
    let lost = wanted.iter().filter_map(|(name, value)| {
        let is = made.get(name).map_or("n", String::as_str);
        (is != value).then(|| format!("CONFIG_{name} is {is} instead of {value}"))
    });
    let lost: Vec<String> = lost.collect();
    if lost.is_empty() { Ok(()) } else { Err(MachineError::Config { lost: lost.join(", ") }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_fragment_wins_and_what_is_written_is_read_again() {
        let options = merged("CONFIG_SMP=n\n# CONFIG_NET is not set\nCONFIG_NEW=\"a b\"\nnonsense\n");
        for (name, value) in [("SMP", "n"), ("NET", "n"), ("NEW", "\"a b\""), ("PVH", "y")] {
            assert_eq!(options[name], value, "{name}");
        }
        assert_eq!(parse(&write(&options)), options);
    }

    #[test]
    fn every_option_that_was_lost_is_named() {
        let wanted = parse("CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=64\n# CONFIG_D is not set\n");
        check(&wanted, "CONFIG_A=y\nCONFIG_C=64\n# CONFIG_D is not set\n").expect("as wanted");
        let e = check(&wanted, "CONFIG_B=m\nCONFIG_C=8\n").expect_err("lost").to_string();
        for lost in
            ["CONFIG_A is n instead of y", "CONFIG_B is m instead of n", "CONFIG_C is 8 instead of 64"]
        {
            assert!(e.contains(lost), "{e}");
        }
        assert!(!e.contains("CONFIG_D"), "{e}");
    }

    #[test]
    fn the_product_keeps_the_protections_of_the_distribution() {
        let ours = merged("");
        for name in
            ["CPU_MITIGATIONS", "PAGE_TABLE_ISOLATION", "RANDOMIZE_BASE", "INIT_ON_ALLOC_DEFAULT_ON", "SMP"]
        {
            assert_eq!(ours[name], "y", "{name}");
        }
    }
}
