//! Seccomp: from the section of a runtime config to a BPF program.
//!
//! Own compiler: libseccomp takes some 15 ms for Docker's profile, which is more than everything else in a start; this
//! one takes a fraction of a millisecond and dispatches by binary search, so that no cache is needed.

mod arguments;
mod assemble;
mod check;
mod numbers;
pub mod profile;

pub use assemble::{Filter, compile};

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The `linux.seccomp` section (runtime-spec, config-linux.md, Seccomp).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seccomp {
    /// For system calls that no rule names.
    pub default_action: Action,
    /// errno of the default action, where it is `SCMP_ACT_ERRNO`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_errno_ret: Option<u32>,
    /// `SCMP_ARCH_*`; empty: the native one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub architectures: Vec<String>,
    /// `SECCOMP_FILTER_FLAG_*`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
    /// Socket of who answers for the calls of `SCMP_ACT_NOTIFY`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listener_path: Option<PathBuf>,
    /// Told to that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listener_metadata: Option<String>,
    /// Rules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub syscalls: Vec<Rule>,
}

/// Names, what to do, and under which conditions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// System calls; a name that an architecture does not have is passed over there.
    pub names: Vec<String>,
    /// What to do.
    pub action: Action,
    /// errno for `SCMP_ACT_ERRNO`, data for `SCMP_ACT_TRACE`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errno_ret: Option<u32>,
    /// All of them have to hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<Argument>,
}

/// Condition on one argument.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Argument {
    /// 0 to 5.
    pub index: u32,
    /// Compared with; the mask for `SCMP_CMP_MASKED_EQ`.
    pub value: u64,
    /// What the masked argument must equal.
    #[serde(default)]
    pub value_two: u64,
    /// How.
    pub op: Operator,
}

/// `SCMP_ACT_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Action {
    #[serde(rename = "SCMP_ACT_KILL", alias = "SCMP_ACT_KILL_THREAD")]
    KillThread,
    #[serde(rename = "SCMP_ACT_KILL_PROCESS")]
    KillProcess,
    #[serde(rename = "SCMP_ACT_TRAP")]
    Trap,
    #[serde(rename = "SCMP_ACT_ERRNO")]
    Errno,
    #[serde(rename = "SCMP_ACT_TRACE")]
    Trace,
    #[serde(rename = "SCMP_ACT_ALLOW")]
    Allow,
    #[serde(rename = "SCMP_ACT_LOG")]
    Log,
    #[serde(rename = "SCMP_ACT_NOTIFY")]
    Notify,
}

/// `SCMP_CMP_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Operator {
    #[serde(rename = "SCMP_CMP_NE")]
    NotEqual,
    #[serde(rename = "SCMP_CMP_LT")]
    Less,
    #[serde(rename = "SCMP_CMP_LE")]
    LessOrEqual,
    #[serde(rename = "SCMP_CMP_EQ")]
    Equal,
    #[serde(rename = "SCMP_CMP_GE")]
    GreaterOrEqual,
    #[serde(rename = "SCMP_CMP_GT")]
    Greater,
    #[serde(rename = "SCMP_CMP_MASKED_EQ")]
    MaskedEqual,
}

impl Action {
    /// Whether an errno (or a tracer's data) can come with it.
    fn takes_errno(self) -> bool {
        matches!(self, Action::Errno | Action::Trace)
    }

    /// Value for the kernel: SECCOMP_RET_* of linux/seccomp.h with `data` in the low 16 bits.
    fn value(self, data: Option<u32>) -> u32 {
        let data = data.unwrap_or(libc::EPERM as u32) & 0xffff;
        match self {
            Action::KillThread => 0,
            Action::KillProcess => 0x8000_0000,
            Action::Trap => 0x0003_0000,
            Action::Errno => 0x0005_0000 | data,
            Action::Trace => 0x7ff0_0000 | data,
            Action::Notify => 0x7fc0_0000,
            Action::Log => 0x7ffc_0000,
            Action::Allow => 0x7fff_0000,
        }
    }
}

/// Why a section cannot be compiled; each names the field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SeccompError {
    /// Unknown architecture.
    #[error("linux.seccomp.architectures[{index}]: {name} is not supported by this runtime")]
    Architecture {
        /// Place in the list.
        index: usize,
        /// As given.
        name: String,
    },
    /// Unknown flag.
    #[error("linux.seccomp.flags[{index}]: {name} is not supported by this runtime")]
    Flag {
        /// Place in the list.
        index: usize,
        /// As given.
        name: String,
    },
    /// An argument beyond the sixth.
    #[error("linux.seccomp.syscalls[{rule}].args: index {index} is not in 0..=5")]
    ArgumentIndex {
        /// Place of the rule.
        rule: usize,
        /// As given.
        index: u32,
    },
    /// A rule for nothing.
    #[error("linux.seccomp.syscalls[{rule}].names: names no system call")]
    NoNames {
        /// Place of the rule.
        rule: usize,
    },
    /// An errno beside an action that returns none.
    #[error("{field}: the action beside it takes none: SCMP_ACT_ERRNO and SCMP_ACT_TRACE do")]
    Errno {
        /// JSON path.
        field: String,
    },
    /// Nobody would answer.
    #[error("linux.seccomp.listenerPath: SCMP_ACT_NOTIFY needs the socket of who answers")]
    NoListener,
    /// Metadata for nobody.
    #[error("linux.seccomp.listenerMetadata: needs linux.seccomp.listenerPath")]
    Metadata,
    /// The listener could not be handed over.
    #[error("linux.seccomp: sendmsg has to be allowed beside SCMP_ACT_NOTIFY, as it hands the listener over")]
    Sendmsg,
    /// The kernel takes 4,096 instructions.
    #[error("linux.seccomp: {length} instructions, the kernel takes 4096: use fewer rules with arguments")]
    TooLong {
        /// Instructions.
        length: usize,
    },
}
