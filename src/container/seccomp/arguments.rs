//! Code for conditions on arguments. An argument has 64 bits and BPF words have 32, so each is compared by halves.

use super::{Argument, Operator};
use crate::sys::process::Instruction;

// linux/bpf_common.h
pub(super) const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
pub(super) const JUMP: u16 = 0x05; // BPF_JMP | BPF_JA
pub(super) const IF_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
pub(super) const IF_GREATER: u16 = 0x25; // BPF_JGT
pub(super) const IF_GREATER_OR_EQUAL: u16 = 0x35; // BPF_JGE
pub(super) const AND: u16 = 0x54; // BPF_ALU | BPF_AND | BPF_K
pub(super) const RETURN: u16 = 0x06; // BPF_RET | BPF_K

/// Jump target that is resolved when the rule is whole.
const FAIL: u8 = 0xff;

pub(super) const fn op(code: u16, jt: u8, jf: u8, k: u32) -> Instruction {
    Instruction { code, jt, jf, k }
}

/// Falls through to `ret` when all conditions hold, else goes past it.
pub(super) fn rule(args: &[Argument], ret: u32) -> Vec<Instruction> {
    let mut code: Vec<Instruction> = args.iter().flat_map(condition).collect();
    let end = code.len();
    for (at, i) in code.iter_mut().enumerate() {
        if i.code & 0x07 == 0x05 {
            let past = (end - at) as u8; // over the rest and the return
            i.jt = if i.jt == FAIL { past } else { i.jt };
            i.jf = if i.jf == FAIL { past } else { i.jf };
        }
    }
    code.push(op(RETURN, 0, 0, ret));
    code
}

/// Falls through when it holds, jumps to FAIL when not. struct seccomp_data: arguments of 8 bytes from offset 16,
/// little endian.
fn condition(arg: &Argument) -> Vec<Instruction> {
    let low = 16 + 8 * arg.index;
    let high = low + 4;
    let (low_value, high_value) = (arg.value as u32, (arg.value >> 32) as u32);
    let load_high = op(LOAD, 0, 0, high);
    let load_low = op(LOAD, 0, 0, low);
    match arg.op {
        Operator::Equal => {
            vec![load_high, op(IF_EQUAL, 0, FAIL, high_value), load_low, op(IF_EQUAL, 0, FAIL, low_value)]
        }
        Operator::NotEqual => {
            vec![load_high, op(IF_EQUAL, 0, 2, high_value), load_low, op(IF_EQUAL, FAIL, 0, low_value)]
        }
        Operator::GreaterOrEqual | Operator::Greater => {
            let test = if arg.op == Operator::Greater { IF_GREATER } else { IF_GREATER_OR_EQUAL };
            vec![
                load_high,
                op(IF_GREATER, 3, 0, high_value),
                op(IF_EQUAL, 0, FAIL, high_value),
                load_low,
                op(test, 0, FAIL, low_value),
            ]
        }
        Operator::Less | Operator::LessOrEqual => {
            let test = if arg.op == Operator::Less { IF_GREATER_OR_EQUAL } else { IF_GREATER };
            vec![
                load_high,
                op(IF_GREATER, FAIL, 0, high_value),
                op(IF_EQUAL, 0, 2, high_value),
                load_low,
                op(test, FAIL, 0, low_value),
            ]
        }
        Operator::MaskedEqual => {
            let (low_two, high_two) = (arg.value_two as u32, (arg.value_two >> 32) as u32);
            vec![
                load_high,
                op(AND, 0, 0, high_value),
                op(IF_EQUAL, 0, FAIL, high_two),
                load_low,
                op(AND, 0, 0, low_value),
                op(IF_EQUAL, 0, FAIL, low_two),
            ]
        }
    }
}
