//! AppArmor and SELinux: what the next exec changes to. Where the kernel lacks them and a config asks for them, the
//! container cannot be made as asked, which is an error (runtime.md, Lifecycle, step 2).

use super::config::Process;
use super::procfs::Procfs;
use super::rootfs::Step;
use std::path::Path;

/// Whether this kernel confines by AppArmor.
pub fn has_apparmor() -> bool {
    std::fs::read_to_string("/sys/module/apparmor/parameters/enabled").is_ok_and(|t| t.starts_with('Y'))
}

/// Whether this kernel labels by SELinux.
pub fn has_selinux() -> bool {
    Path::new("/sys/fs/selinux/enforce").exists()
}

/// Writes both for this process.
pub fn apply(process: &Process, procfs: &Procfs) -> Result<(), Step> {
    let set =
        |field, path: &str, text: &str| procfs.write(path, text).map_err(|e| Step::new("set", field, e));
    let profile = process.apparmor_profile.as_str();
    if !matches!(profile, "" | "unconfined") {
        let own = "self/attr/apparmor/exec";
        let path = if procfs.has(own) { own } else { "self/attr/exec" };
        set("process.apparmorProfile", path, &format!("exec {profile}"))?;
    }
    match process.selinux_label.as_str() {
        "" => Ok(()),
        label => set("process.selinuxLabel", "self/attr/exec", label),
    }
}

/// Before anything is made: a label that the kernel cannot hold. Field and reason.
pub fn check(process: &Process, mount_label: &str) -> Result<(), (String, String)> {
    let no =
        |field: &str, what: &str| Err((field.to_owned(), format!("this kernel has no {what}: remove it")));
    if !matches!(process.apparmor_profile.as_str(), "" | "unconfined") && !has_apparmor() {
        return no("process.apparmorProfile", "AppArmor");
    }
    if !process.selinux_label.is_empty() && !has_selinux() {
        return no("process.selinuxLabel", "SELinux");
    }
    if !mount_label.is_empty() && !has_selinux() { no("linux.mountLabel", "SELinux") } else { Ok(()) }
}
