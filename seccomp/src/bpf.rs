//! The instructions of classic BPF that filters are made of (`<linux/filter.h>`).
//!
//! All of them are understood by the kernel's emulator (`seccomp_is_const_allow`), which finds
//! the calls that are always allowed when a filter is installed: those never run the filter.

#![forbid(unsafe_code)]

use seccompiler::sock_filter;

use crate::action::Action;

/// `BPF_LD | BPF_W | BPF_ABS`: loads a word of `seccomp_data`.
pub(crate) const LD: u16 = 0x20;
/// `BPF_ALU | BPF_AND | BPF_K`.
pub(crate) const AND: u16 = 0x54;
/// `BPF_RET | BPF_K`.
pub(crate) const RET: u16 = 0x06;
/// `BPF_JMP | BPF_JA`.
pub(crate) const JA: u16 = 0x05;
/// `BPF_JMP | BPF_JEQ | BPF_K`.
pub(crate) const JEQ: u16 = 0x15;
/// `BPF_JMP | BPF_JGT | BPF_K`.
pub(crate) const JGT: u16 = 0x25;
/// `BPF_JMP | BPF_JGE | BPF_K`.
pub(crate) const JGE: u16 = 0x35;
/// `BPF_JMP | BPF_JSET | BPF_K`.
pub(crate) const JSET: u16 = 0x45;

/// `BPF_MAXINSNS`: the longest program that the kernel takes.
pub(crate) const MAX_LENGTH: usize = 4096;

/// `SECCOMP_FILTER_FLAG_TSYNC`.
pub(crate) const FLAG_TSYNC: u32 = 1 << 0;
/// `SECCOMP_FILTER_FLAG_LOG`.
pub(crate) const FLAG_LOG: u32 = 1 << 1;
/// `SECCOMP_FILTER_FLAG_SPEC_ALLOW`.
pub(crate) const FLAG_SPEC_ALLOW: u32 = 1 << 2;
/// `SECCOMP_FILTER_FLAG_NEW_LISTENER`.
pub(crate) const FLAG_NEW_LISTENER: u32 = 1 << 3;
/// `SECCOMP_FILTER_FLAG_TSYNC_ESRCH`.
pub(crate) const FLAG_TSYNC_ESRCH: u32 = 1 << 4;
/// `SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV`.
pub(crate) const FLAG_WAIT_KILLABLE_RECV: u32 = 1 << 5;

/// Size of `struct seccomp_data` in bytes.
pub(crate) const DATA_SIZE: u32 = 64;
/// Offset of `seccomp_data.nr`.
pub(crate) const NUMBER: u32 = 0;
/// Offset of `seccomp_data.arch`.
pub(crate) const ARCH: u32 = 4;
/// Offset of `seccomp_data.args`.
const ARGS: u32 = 16;

/// Offset of the low word of an argument.
pub(crate) fn argument_low(argument: u8, big_endian: bool) -> u32 {
    ARGS + 8 * u32::from(argument) + if big_endian { 4 } else { 0 }
}

/// Offset of the high word of an argument.
pub(crate) fn argument_high(argument: u8, big_endian: bool) -> u32 {
    ARGS + 8 * u32::from(argument) + if big_endian { 0 } else { 4 }
}

pub(crate) fn load(offset: u32) -> sock_filter {
    statement(LD, offset)
}

pub(crate) fn and(mask: u32) -> sock_filter {
    statement(AND, mask)
}

pub(crate) fn ret(action: Action) -> sock_filter {
    statement(RET, action.raw())
}

pub(crate) fn always(distance: u32) -> sock_filter {
    statement(JA, distance)
}

pub(crate) fn jump(code: u16, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

fn statement(code: u16, k: u32) -> sock_filter {
    sock_filter {
        code,
        jt: 0,
        jf: 0,
        k,
    }
}
