//! What this host's processor needs of a guest's kernel: mitigations of its errata, as the host's own kernel has them.

use std::path::Path;

/// Where the host's kernel says what its processor is affected by (Documentation/ABI/testing/sysfs-devices-system-cpu).
const VULNERABILITIES: &str = "/sys/devices/system/cpu/vulnerabilities";
/// Those against which returns go through thunks: Retbleed, SRSO, ITS.
const BY_RETURN_THUNKS: [&str; 3] = ["retbleed", "spec_rstack_overflow", "indirect_target_selection"];

/// A kernel without return thunks. They are patched into or out of each of its tens of thousands of returns when it
/// starts, which takes an emulated guest as long whether they are needed or not.
pub(super) const WITHOUT_RETURN_THUNKS: &str = "# CONFIG_RETHUNK is not set
# CONFIG_CPU_UNRET_ENTRY is not set
# CONFIG_CPU_SRSO is not set
# CONFIG_MITIGATION_ITS is not set
";

/// A kernel that leaves variables on the stack as they are, as the host's does (see [`super::host`]). What it does when it
/// gives memory out is told on its command line.
pub(super) const WITHOUT_STACK_INIT: &str = "# CONFIG_INIT_STACK_ALL_ZERO is not set
CONFIG_INIT_STACK_NONE=y
";

/// Whether this host's processor needs return thunks: unless its kernel knows all three errata and says of each that it is
/// not affected.
pub(super) fn return_thunks() -> bool {
    needed(Path::new(VULNERABILITIES))
}

fn needed(dir: &Path) -> bool {
    let affected = |name: &&str| {
        std::fs::read_to_string(dir.join(name)).map_or(true, |says| says.trim() != "Not affected")
    };
    BY_RETURN_THUNKS.iter().any(affected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_host_does_not_know_is_needed() {
        let dir = tempfile::tempdir().expect("folder");
        let says = |name: &str, what: &str| std::fs::write(dir.path().join(name), what).expect("write");
        assert!(needed(dir.path()), "nothing is known");
        says("retbleed", "Not affected\n");
        says("spec_rstack_overflow", "Not affected\n");
        assert!(needed(dir.path()), "a kernel that is too old to know the third");
        says("indirect_target_selection", "Not affected\n");
        assert!(!needed(dir.path()));
        says("retbleed", "Mitigation: untrained return thunk; SMT disabled\n");
        assert!(needed(dir.path()), "mitigated is affected");
        says("retbleed", "Vulnerable\n");
        assert!(needed(dir.path()), "a host that leaves it open does not decide for the guest");
    }
}
