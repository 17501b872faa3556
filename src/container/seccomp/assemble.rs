//! The program: one section for each architecture, in each a binary search over runs of system calls with the same
//! fate.

use super::arguments::{IF_EQUAL, IF_GREATER_OR_EQUAL, JUMP, LOAD, RETURN, op, rule};
use super::check::{check, notifies};
use super::numbers;
use super::{Action, Rule, Seccomp, SeccompError};
use crate::sys::process::Instruction;

/// A compiled filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// For the kernel.
    pub program: Vec<Instruction>,
    /// SECCOMP_FILTER_FLAG_* bits.
    pub flags: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Architecture {
    X86_64,
    X86,
    Aarch64,
}

impl Architecture {
    /// AUDIT_ARCH_* of linux/audit.h.
    fn audit(self) -> u32 {
        match self {
            Self::X86_64 => 0xc000_003e,
            Self::X86 => 0x4000_0003,
            Self::Aarch64 => 0xc000_00b7,
        }
    }

    fn number(self, name: &str) -> Option<u32> {
        match self {
            Self::X86_64 => numbers::x86_64(name),
            Self::X86 => numbers::x86(name),
            Self::Aarch64 => numbers::aarch64(name),
        }
    }

    fn native() -> Self {
        if cfg!(target_arch = "aarch64") { Self::Aarch64 } else { Self::X86_64 }
    }
}

/// x32 calls have this bit in their number; none is allowed.
const X32_BIT: u32 = 0x4000_0000;
/// SECCOMP_RET_KILL_PROCESS: for a call of an architecture that the profile does not name.
const BAD_ARCHITECTURE: u32 = 0x8000_0000;

/// Compiles a section.
pub fn compile(seccomp: &Seccomp) -> Result<Filter, SeccompError> {
    check(seccomp)?;
    if notifies(seccomp) && !lets_pass(seccomp, "sendmsg")? {
        return Err(SeccompError::Sendmsg);
    }
    let mut program = vec![op(LOAD, 0, 0, 4)];
    for architecture in architectures(seccomp)? {
        let body = section(seccomp, architecture)?;
        program.push(op(IF_EQUAL, 1, 0, architecture.audit()));
        program.push(op(JUMP, 0, 0, body.len() as u32));
        program.extend(body);
    }
    program.push(op(RETURN, 0, 0, BAD_ARCHITECTURE));
    if program.len() > 4096 {
        return Err(SeccompError::TooLong { length: program.len() });
    }
    Ok(Filter { program, flags: flags(seccomp)? })
}

fn architectures(seccomp: &Seccomp) -> Result<Vec<Architecture>, SeccompError> {
    let mut all = vec![Architecture::native()];
    for (index, name) in seccomp.architectures.iter().enumerate() {
        let architecture = match name.as_str() {
            "SCMP_ARCH_X86_64" => Architecture::X86_64,
            "SCMP_ARCH_X86" => Architecture::X86,
            "SCMP_ARCH_AARCH64" => Architecture::Aarch64,
            // x32 is refused inside the x86_64 section; 32-bit ARM is refused as a bad architecture.
            "SCMP_ARCH_X32" | "SCMP_ARCH_ARM" => continue,
            _ => return Err(SeccompError::Architecture { index, name: name.clone() }),
        };
        if !all.contains(&architecture) {
            all.push(architecture);
        }
    }
    Ok(all)
}

/// SECCOMP_FILTER_FLAG_* of linux/seccomp.h.
const TSYNC: u64 = 1;
const NEW_LISTENER: u64 = 1 << 3;
const TSYNC_ESRCH: u64 = 1 << 4;
const WAIT_KILLABLE_RECV: u64 = 1 << 5;

impl Filter {
    /// Whether its installation gives a descriptor by which another process answers for calls.
    pub fn listens(&self) -> bool {
        self.flags & NEW_LISTENER != 0
    }
}

fn flags(seccomp: &Seccomp) -> Result<u64, SeccompError> {
    let listens = notifies(seccomp);
    let first = if listens { NEW_LISTENER } else { 0 };
    seccomp.flags.iter().enumerate().try_fold(first, |bits, (index, name)| match name.as_str() {
        // Beside a listener the kernel takes it with TSYNC_ESRCH alone.
        "SECCOMP_FILTER_FLAG_TSYNC" => Ok(bits | if listens { TSYNC | TSYNC_ESRCH } else { TSYNC }),
        "SECCOMP_FILTER_FLAG_LOG" => Ok(bits | 1 << 1),
        "SECCOMP_FILTER_FLAG_SPEC_ALLOW" => Ok(bits | 1 << 2),
        // It says how a listener is waited for; the kernel refuses it where there is none.
        "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" => {
            Ok(if listens { bits | WAIT_KILLABLE_RECV } else { bits })
        }
        _ => Err(SeccompError::Flag { index, name: name.clone() }),
    })
}

/// Whether this call is allowed, whatever its arguments.
fn lets_pass(seccomp: &Seccomp, name: &str) -> Result<bool, SeccompError> {
    let native = Architecture::native();
    let number = native.number(name);
    let named: Vec<_> = named(seccomp, native)?.into_iter().filter(|n| Some(n.0) == number).collect();
    let default = op(RETURN, 0, 0, seccomp.default_action.value(seccomp.default_errno_ret));
    let passes = |action: Action| [op(RETURN, 0, 0, action.value(None))];
    let code = fate(seccomp, &named, default);
    Ok([Action::Allow, Action::Log].iter().any(|a| code == passes(*a)))
}

/// Numbers from this one on, up to the next run's, and the code that says what happens to them.
type Run = (u32, Vec<Instruction>);

fn section(seccomp: &Seccomp, architecture: Architecture) -> Result<Vec<Instruction>, SeccompError> {
    let default = op(RETURN, 0, 0, seccomp.default_action.value(seccomp.default_errno_ret));
    let named = named(seccomp, architecture)?;
    let mut runs: Vec<Run> = vec![(0, vec![default])];
    let mut next = 0;
    for same in named.chunk_by(|a, b| a.0 == b.0) {
        let number = same[0].0;
        if number > next {
            push_run(&mut runs, next, &[default]);
        }
        push_run(&mut runs, number, &fate(seccomp, same, default));
        next = number + 1;
    }
    push_run(&mut runs, next, &[default]);
    if architecture == Architecture::X86_64 {
        push_run(&mut runs, X32_BIT, &[op(RETURN, 0, 0, Action::Errno.value(Some(libc::ENOSYS as u32)))]);
    }
    let mut code = vec![op(LOAD, 0, 0, 0)];
    search(&runs, &mut code);
    Ok(code)
}

fn push_run(runs: &mut Vec<Run>, from: u32, code: &[Instruction]) {
    match runs.last_mut() {
        Some(last) if last.1 == code => {}
        Some(last) if last.0 == from => last.1 = code.to_vec(),
        _ => runs.push((from, code.to_vec())),
    }
}

/// Numbers that rules name, and the places of these rules, in their order.
fn named(seccomp: &Seccomp, architecture: Architecture) -> Result<Vec<(u32, usize)>, SeccompError> {
    let mut named = Vec::with_capacity(512);
    for (index, r) in seccomp.syscalls.iter().enumerate() {
        if let Some(bad) = r.args.iter().find(|a| a.index > 5) {
            return Err(SeccompError::ArgumentIndex { rule: index, index: bad.index });
        }
        named.extend(r.names.iter().filter_map(|n| Some((architecture.number(n)?, index))));
    }
    named.sort_unstable();
    Ok(named)
}

/// What happens to one system call: rules with conditions in their order, then the first without any.
fn fate(seccomp: &Seccomp, named: &[(u32, usize)], default: Instruction) -> Vec<Instruction> {
    let rules = named.iter().map(|(_, index)| &seccomp.syscalls[*index]);
    let (plain, conditional): (Vec<_>, Vec<_>) = rules.partition(|r| r.args.is_empty());
    let value = |r: &&Rule| r.action.value(r.errno_ret);
    let mut code: Vec<Instruction> = conditional.iter().flat_map(|r| rule(&r.args, value(r))).collect();
    code.push(plain.first().map_or(default, |r| op(RETURN, 0, 0, value(r))));
    code
}

/// Binary search: numbers below the middle run go on, the others jump over them.
fn search(runs: &[Run], code: &mut Vec<Instruction>) {
    if let [(_, leaf)] = runs {
        code.extend_from_slice(leaf);
        return;
    }
    let (below, above) = runs.split_at(runs.len() / 2);
    let at = code.len();
    code.push(op(IF_GREATER_OR_EQUAL, 0, 0, above[0].0));
    search(below, code);
    let over = code.len() - at - 1;
    match u8::try_from(over) {
        Ok(over) => code[at].jt = over,
        // Conditional jumps reach 255 instructions, plain ones any distance. All jumps count from where they stand, so
        // what is moved on stays right.
        Err(_) => {
            code[at].jf = 1;
            code.insert(at + 1, op(JUMP, 0, 0, over as u32));
        }
    }
    search(above, code);
}

#[cfg(test)]
mod tests {
    use super::super::{Argument, Operator, profile};
    use super::*;
    use proptest::prelude::*;

    /// Runs a program as the kernel would: (architecture, number, arguments) to a verdict.
    fn run(program: &[Instruction], arch: u32, number: u32, args: [u64; 6]) -> u32 {
        let load = |offset: u32| match offset {
            0 => number,
            4 => arch,
            o => (args[(o as usize - 16) / 8] >> (if o % 8 == 4 { 32 } else { 0 })) as u32,
        };
        let (mut at, mut a) = (0usize, 0u32);
        loop {
            let i = program[at];
            at += 1;
            let mut branch = |yes: bool| at += usize::from(if yes { i.jt } else { i.jf });
            match i.code {
                0x20 => a = load(i.k),
                0x54 => a &= i.k,
                0x05 => at += i.k as usize,
                0x15 => branch(a == i.k),
                0x25 => branch(a > i.k),
                0x35 => branch(a >= i.k),
                0x06 => return i.k,
                other => panic!("operation {other:#x}"),
            }
        }
    }

    const X86_64: u32 = 0xc000_003e;
    const ALLOW: u32 = 0x7fff_0000;
    const EPERM: u32 = 0x0005_0001;
    const ENOSYS: u32 = 0x0005_0026;

    #[test]
    fn the_default_profile_does_what_it_says() {
        let f = compile(&profile::default()).expect("compiles");
        let call = |name: &str, args: [u64; 6]| {
            run(&f.program, X86_64, Architecture::X86_64.number(name).expect("known"), args)
        };
        assert!(f.program.len() < 1500, "{}", f.program.len());
        for name in ["read", "write", "openat", "execve", "exit_group", "futex", "epoll_wait", "rseq"] {
            assert_eq!(call(name, [0; 6]), ALLOW, "{name}");
        }
        for name in
            ["mount", "umount2", "keyctl", "add_key", "bpf", "kexec_load", "reboot", "unshare", "setns"]
        {
            assert_eq!(call(name, [0; 6]), EPERM, "{name}");
        }
        assert_eq!(call("clone3", [0; 6]), ENOSYS);
        assert_eq!(call("clone", [0x11, 0, 0, 0, 0, 0]), ALLOW);
        assert_eq!(call("clone", [0x1000_0000, 0, 0, 0, 0, 0]), EPERM, "CLONE_NEWUSER");
        assert_eq!(call("personality", [0xffff_ffff, 0, 0, 0, 0, 0]), ALLOW);
        assert_eq!(call("personality", [0x4_0000, 0, 0, 0, 0, 0]), EPERM);
        assert_eq!(call("socket", [2, 1, 0, 0, 0, 0]), ALLOW);
        assert_eq!(call("socket", [40, 1, 0, 0, 0, 0]), EPERM, "AF_VSOCK");
        assert_eq!(run(&f.program, X86_64, X32_BIT | 1, [0; 6]), ENOSYS);
        assert_eq!(run(&f.program, 0x1234, 0, [0; 6]), BAD_ARCHITECTURE);
    }

    fn holds(op: Operator, a: u64, value: u64, two: u64) -> bool {
        match op {
            Operator::NotEqual => a != value,
            Operator::Less => a < value,
            Operator::LessOrEqual => a <= value,
            Operator::Equal => a == value,
            Operator::GreaterOrEqual => a >= value,
            Operator::Greater => a > value,
            Operator::MaskedEqual => a & value == two,
        }
    }

    fn only(default_action: Action) -> Seccomp {
        Seccomp {
            default_action,
            default_errno_ret: None,
            architectures: vec![],
            flags: vec![],
            listener_path: None,
            listener_metadata: None,
            syscalls: vec![],
        }
    }

    fn operator() -> impl Strategy<Value = Operator> {
        use Operator::*;
        prop::sample::select(vec![NotEqual, Less, LessOrEqual, Equal, GreaterOrEqual, Greater, MaskedEqual])
    }

    fn word() -> impl Strategy<Value = u64> {
        prop_oneof![
            0u64..4,
            any::<u64>(),
            Just(u64::MAX),
            Just(1 << 32),
            Just((1 << 32) + 1),
            Just(0xffff_ffff)
        ]
    }

    proptest! {
        #[test]
        fn conditions_hold_as_on_paper(op in operator(), a in word(), value in word(), two in word(), second in word()) {
            let arg = |index, value| Argument { index, value, value_two: two, op };
            let rule = Rule {
                names: vec!["read".into()],
                action: Action::Errno,
                errno_ret: Some(7),
                args: vec![arg(0, value), arg(5, second)],
            };
            let seccomp = Seccomp {
                syscalls: vec![rule], ..only(Action::Allow)
            };
            let f = compile(&seccomp).expect("compiles");
            let expected = holds(op, a, value, two) && holds(op, value, second, two);
            let got = run(&f.program, X86_64, 0, [a, 0, 0, 0, 0, value]);
            prop_assert_eq!(got, if expected { 0x0005_0007 } else { ALLOW });
        }

        #[test]
        fn every_number_meets_its_rule(allowed in prop::collection::btree_set(0u32..330, 1..200), number in 0u32..500) {
            let names = allowed.iter().filter_map(|n| syscalls::x86_64::Sysno::new(*n as usize)).map(|s| s.name().to_owned());
            let names: Vec<String> = names.collect();
            let known = syscalls::x86_64::Sysno::new(number as usize).is_some();
            let rule = Rule { names, action: Action::Allow, errno_ret: None, args: vec![] };
            let seccomp = Seccomp {
                syscalls: vec![rule], ..only(Action::Errno)
            };
            let f = compile(&seccomp).expect("compiles");
            let expected = if known && allowed.contains(&number) { ALLOW } else { EPERM };
            prop_assert_eq!(run(&f.program, X86_64, number, [0; 6]), expected);
        }
    }

    #[test]
    fn what_is_unknown_is_named() {
        let mut s = profile::default();
        s.architectures = vec!["SCMP_ARCH_X86".into(), "SCMP_ARCH_VAX".into()];
        assert_eq!(compile(&s), Err(SeccompError::Architecture { index: 1, name: "SCMP_ARCH_VAX".into() }));
    }
}
