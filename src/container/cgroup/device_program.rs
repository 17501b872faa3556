//! The list of allowed devices as an eBPF program, for v2, where devices are no controller.
//!
//! The kernel asks it about (type, access, major, minor). The list means what it means on v1: every bit of the access is
//! decided by the last rule that names it. So the rules are gone through from the last to the first; what a rule allows
//! is taken out of what is still asked for, and the first bit that a rule denies ends it.

use crate::container::config::DeviceRule;
use crate::sys::bpf::Ebpf;

// linux/bpf.h: BPF_DEVCG_*.
const BLOCK: i32 = 1;
const CHARACTER: i32 = 2;
const MKNOD: i32 = 1;
const READ: i32 = 2;
const WRITE: i32 = 4;

// linux/bpf_common.h and linux/bpf.h.
const LOAD_WORD: u8 = 0x61; // BPF_LDX | BPF_MEM | BPF_W
const AND_32: u8 = 0x54; // BPF_ALU | BPF_AND | BPF_K
const SHIFT_RIGHT_32: u8 = 0x74; // BPF_ALU | BPF_RSH | BPF_K
const MOVE_32: u8 = 0xbc; // BPF_ALU | BPF_MOV | BPF_X
const SET_32: u8 = 0xb4; // BPF_ALU | BPF_MOV | BPF_K
const UNLESS: u8 = 0x55; // BPF_JMP | BPF_JNE | BPF_K
const IF: u8 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const EXIT: u8 = 0x95; // BPF_JMP | BPF_EXIT

// Registers: r0 is the answer, r1 the kernel's question.
const ANSWER: u8 = 0;
const QUESTION: u8 = 1;
const ASKED: u8 = 2;
const TYPE: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;

const fn op(code: u8, to: u8, from: u8, offset: i16, immediate: i32) -> Ebpf {
    Ebpf { code, registers: to | from << 4, offset, immediate }
}

/// For `rules`, the last of which weighs most. What no rule names is allowed.
pub(super) fn assemble(rules: &[DeviceRule]) -> Vec<Ebpf> {
    let mut code = vec![
        op(LOAD_WORD, ASKED, QUESTION, 0, 0),
        op(MOVE_32, TYPE, ASKED, 0, 0),
        op(AND_32, TYPE, 0, 0, 0xffff),
        op(SHIFT_RIGHT_32, ASKED, 0, 0, 16),
        op(LOAD_WORD, MAJOR, QUESTION, 4, 0),
        op(LOAD_WORD, MINOR, QUESTION, 8, 0),
    ];
    rules.iter().rev().for_each(|rule| code.extend(one(rule)));
    code.extend([op(SET_32, ANSWER, 0, 0, 1), op(EXIT, 0, 0, 0, 0)]);
    code
}

fn one(rule: &DeviceRule) -> Vec<Ebpf> {
    let bit = |c| match c {
        'm' => MKNOD,
        'r' => READ,
        'w' => WRITE,
        _ => 0,
    };
    let access = rule.access.as_deref().unwrap_or("rwm").chars().fold(0, |bits, c| bits | bit(c));
    let verdict = if rule.allow {
        vec![
            op(AND_32, ASKED, 0, 0, !access),
            op(UNLESS, ASKED, 0, 2, 0),
            op(SET_32, ANSWER, 0, 0, 1),
            op(EXIT, 0, 0, 0, 0),
        ]
    } else {
        vec![
            op(MOVE_32, ANSWER, ASKED, 0, 0),
            op(AND_32, ANSWER, 0, 0, access),
            op(IF, ANSWER, 0, 2, 0),
            op(SET_32, ANSWER, 0, 0, 0),
            op(EXIT, 0, 0, 0, 0),
        ]
    };
    let kind = match rule.kind.as_deref() {
        Some("b") => Some(BLOCK),
        Some("c" | "u") => Some(CHARACTER),
        _ => None,
    };
    let number = |n: Option<i64>| n.filter(|n| *n >= 0).map(|n| n as i32);
    let wanted = [(TYPE, kind), (MAJOR, number(rule.major)), (MINOR, number(rule.minor))];
    let wanted: Vec<(u8, i32)> = wanted.into_iter().filter_map(|(r, v)| v.map(|v| (r, v))).collect();
    // Each condition that does not hold jumps over the rest of this rule.
    let mut code: Vec<Ebpf> = Vec::new();
    for (at, (register, value)) in wanted.iter().enumerate() {
        let over = wanted.len() - at - 1 + verdict.len();
        code.push(op(UNLESS, *register, 0, over as i16, *value));
    }
    code.extend(verdict);
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a program as the kernel would.
    fn run(code: &[Ebpf], kind: i32, access: i32, major: u32, minor: u32) -> u64 {
        let question = [(access << 16 | kind) as u32, major, minor];
        let (mut r, mut at) = ([0u64; 11], 0usize);
        loop {
            let i = code[at];
            at += 1;
            let (to, from) = ((i.registers & 15) as usize, (i.registers >> 4) as usize);
            match i.code {
                LOAD_WORD => r[to] = u64::from(question[i.offset as usize / 4]),
                AND_32 => r[to] = u64::from(r[to] as u32 & i.immediate as u32),
                SHIFT_RIGHT_32 => r[to] = u64::from(r[to] as u32 >> i.immediate),
                MOVE_32 => r[to] = u64::from(r[from] as u32),
                SET_32 => r[to] = u64::from(i.immediate as u32),
                UNLESS if r[to] != i.immediate as u64 => at += i.offset as usize,
                IF if r[to] == i.immediate as u64 => at += i.offset as usize,
                UNLESS | IF => {}
                EXIT => return r[0],
                other => panic!("operation {other:#x}"),
            }
        }
    }

    fn rule(allow: bool, kind: &str, major: i64, minor: i64, access: &str) -> DeviceRule {
        let some = |n| (n >= 0).then_some(n);
        DeviceRule {
            allow,
            kind: Some(kind.into()),
            major: some(major),
            minor: some(minor),
            access: Some(access.into()),
        }
    }

    #[test]
    fn every_bit_is_decided_by_the_last_rule_that_names_it() {
        let rules = [
            rule(false, "a", -1, -1, "rwm"),
            rule(true, "c", 1, 3, "r"),
            rule(true, "c", 1, 3, "w"),
            rule(true, "b", 8, -1, "rwm"),
            rule(false, "b", 8, 1, "w"),
            rule(true, "c", -1, -1, "m"),
        ];
        let code = assemble(&rules);
        let asked = |kind, access, major, minor| run(&code, kind, access, major, minor) == 1;
        assert!(asked(CHARACTER, READ | WRITE, 1, 3), "two rules allow it together");
        assert!(asked(CHARACTER, MKNOD, 7, 7) && !asked(CHARACTER, MKNOD | READ, 7, 7));
        assert!(
            asked(BLOCK, READ | MKNOD, 8, 1) && !asked(BLOCK, READ | WRITE, 8, 1),
            "the last rule denies w"
        );
        assert!(asked(BLOCK, READ | WRITE | MKNOD, 8, 2) && !asked(BLOCK, READ, 9, 0));
        assert_eq!(run(&assemble(&[]), CHARACTER, READ, 1, 3), 1, "without rules all is allowed");
    }
}
