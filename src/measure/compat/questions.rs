//! The questions: a script each, and what is to be expected of it in each place.

use super::Other;

/// What is to be expected.
#[derive(Debug, Clone, Copy)]
pub(super) enum Expected {
    /// Its last line holds this.
    Says(&'static str),
    /// The same as on this host: the release of the kernel.
    HostsKernel,
    /// Another release, and one at all.
    OtherKernel,
    /// That it is for this architecture, and the host is not.
    NotForThisHost(&'static str),
    /// It goes well only if the host's kernel has AppArmor.
    AsHostHasAppArmor,
}

impl Expected {
    /// Whether `seen` is that, and how it is told to people.
    pub fn judge(self, seen: &str, code: Option<i32>) -> (bool, String) {
        let host = nix::sys::utsname::uname();
        let host = host.map(|u| u.release().to_string_lossy().into_owned()).unwrap_or_default();
        match self {
            Self::Says(text) => (seen.contains(text), text.to_owned()),
            Self::NotForThisHost(architecture) => {
                let text = format!("image is for linux/{architecture}");
                (seen.contains(&text), text)
            }
            Self::HostsKernel => (seen == host && code == Some(0), format!("{host}, the host's")),
            Self::OtherKernel => {
                (!seen.is_empty() && seen != host && code == Some(0), "another than the host's".into())
            }
            Self::AsHostHasAppArmor => {
                let has = std::path::Path::new("/sys/module/apparmor").exists();
                let expected = if has { "Y, as on the host" } else { "none, as on the host" };
                ((code == Some(0)) == has && code.is_some(), expected.into())
            }
        }
    }
}

/// See the module.
pub(super) struct Question {
    pub what: &'static str,
    pub why: &'static str,
    /// `MODULE` stands for the name of a module of the machine's kernel, which is in the image as /module.ko.
    pub script: &'static str,
    pub container: Expected,
    pub machine: Expected,
    /// In a machine with another processor; none where it is not asked.
    pub elsewhere: fn(&Other) -> Option<Expected>,
}

use Expected::{AsHostHasAppArmor, HostsKernel, OtherKernel, Says};

pub(super) const QUESTIONS: &[Question] = &[
    Question {
        what: "an image for linux/amd64: uname -m",
        why: "the control: it runs in both",
        script: "uname -m",
        container: Says("x86_64"),
        machine: Says("x86_64"),
        elsewhere: |_| None,
    },
    Question {
        what: "the kernel's release: uname -r",
        why: "containers share the host's kernel, a machine has its own",
        script: "uname -r",
        container: HostsKernel,
        machine: OtherKernel,
        elsewhere: |_| Some(OtherKernel),
    },
    Question {
        what: "a setting of the kernel: vm.swappiness = 7",
        why: "it holds for the whole kernel, so a container may not change it",
        script: "echo 7 > /proc/sys/vm/swappiness && cat /proc/sys/vm/swappiness",
        container: Says("Read-only file system"),
        machine: Says("7"),
        elsewhere: |o| o.emulation.is_some().then_some(Says("7")),
    },
    Question {
        what: "loading a module of the kernel",
        why: "a module is part of the kernel; a container has no right to load one",
        script: "grep -q ^MODULE /proc/modules && rmmod MODULE; insmod /module.ko && grep -o ^MODULE /proc/modules",
        container: Says("Operation not permitted"),
        machine: Says("failover"),
        elsewhere: |_| None,
    },
    Question {
        what: "a feature that the host's kernel may lack: AppArmor",
        why: "a container has the features of the host's kernel, a machine those of its own",
        script: "cat /sys/module/apparmor/parameters/enabled",
        container: AsHostHasAppArmor,
        machine: Says("Y"),
        elsewhere: |o| o.emulation.is_some().then_some(Says("Y")),
    },
    Question {
        what: "the size of a page of memory",
        why: "4 KiB on amd64 always; on arm64 it is the kernel's choice, and a machine has its own kernel",
        script: "grep -m1 KernelPageSize /proc/self/smaps | sed 's/.*: *//'",
        container: Says("4 kB"),
        machine: Says("4 kB"),
        elsewhere: |o| Some(Says(o.page)),
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_judged_by_what_was_seen() {
        assert!(Says("7").judge("7", Some(0)).0 && !Says("7").judge("8", Some(0)).0);
        let host = nix::sys::utsname::uname().expect("uname").release().to_string_lossy().into_owned();
        assert!(HostsKernel.judge(&host, Some(0)).0 && !OtherKernel.judge(&host, Some(0)).0);
        assert!(!HostsKernel.judge(&host, None).0, "what was not started answers nothing");
        assert!(OtherKernel.judge("6.1.0", Some(0)).0 && !OtherKernel.judge("", Some(0)).0);
        assert!(!AsHostHasAppArmor.judge("", None).0);
    }
}
