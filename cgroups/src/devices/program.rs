//! An access list as an eBPF program of type `BPF_PROG_TYPE_CGROUP_DEVICE`. Pure.
//!
//! The kernel calls the program with `struct bpf_cgroup_dev_ctx` for every
//! opening or making of a device node in the cgroup; 1 allows, 0 denies.

use super::rules::{Access, AccessList, Devices, Kind};

/// One instruction, as `struct bpf_insn` (`include/uapi/linux/bpf.h`).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// What to do.
    pub code: u8,
    /// Destination register in the low half, source register in the high half.
    pub registers: u8,
    /// Offset of a load or a jump.
    pub offset: i16,
    /// A constant.
    pub constant: i32,
}

impl Instruction {
    /// The eight bytes of the instruction, as the kernel reads them.
    pub fn bytes(&self) -> [u8; 8] {
        let [o0, o1] = self.offset.to_ne_bytes();
        let [c0, c1, c2, c3] = self.constant.to_ne_bytes();
        [self.code, self.registers, o0, o1, c0, c1, c2, c3]
    }
}

// Classes, sizes and operations (Documentation/bpf/standardization/instruction-set.rst).
const LOAD_WORD: u8 = 0x61;
const AND32: u8 = 0x54;
const MOVE32: u8 = 0xb4;
const MOVE32_REGISTER: u8 = 0xbc;
const SHIFT_RIGHT32: u8 = 0x74;
// 32-bit comparisons (kernel 5.1): a device number with the top bit set would
// otherwise be compared with a sign-extended constant.
const JUMP32_EQUAL: u8 = 0x16;
const JUMP32_NOT_EQUAL: u8 = 0x56;
const JUMP32_NOT_EQUAL_REGISTER: u8 = 0x5e;
const EXIT: u8 = 0x95;

// Registers.
const RESULT: u8 = 0;
const CONTEXT: u8 = 1;
const KIND: u8 = 2;
const ACCESS: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;
/// The context is not needed once the others are loaded.
const SCRATCH: u8 = CONTEXT;

/// `BPF_DEVCG_DEV_BLOCK` and `BPF_DEVCG_DEV_CHAR`.
fn kind_number(kind: Kind) -> u32 {
    match kind {
        Kind::Block => 1,
        Kind::Char => 2,
    }
}

/// Compiles the list.
pub fn compile(list: &AccessList) -> Vec<Instruction> {
    let mut program = vec![
        op(LOAD_WORD, KIND, CONTEXT, 0, 0),
        op(MOVE32_REGISTER, ACCESS, KIND, 0, 0),
        op(AND32, KIND, 0, 0, 0xffff),
        op(SHIFT_RIGHT32, ACCESS, 0, 0, 16),
        op(LOAD_WORD, MAJOR, CONTEXT, 4, 0),
        op(LOAD_WORD, MINOR, CONTEXT, 8, 0),
    ];
    for (devices, access) in &list.exceptions {
        exception(&mut program, list.allow_by_default, devices, *access);
    }
    verdict(&mut program, list.allow_by_default);
    program
}

fn op(code: u8, destination: u8, source: u8, offset: i16, constant: u32) -> Instruction {
    Instruction {
        code,
        registers: source << 4 | destination,
        offset,
        constant: constant.cast_signed(),
    }
}

fn verdict(program: &mut Vec<Instruction>, allow: bool) {
    program.push(op(MOVE32, RESULT, 0, 0, u32::from(allow)));
    program.push(op(EXIT, 0, 0, 0, 0));
}

/// One exception: tests that jump to its end, then a verdict.
fn exception(program: &mut Vec<Instruction>, default: bool, devices: &Devices, access: Access) {
    let mut block = Vec::with_capacity(8);
    block.push(op(JUMP32_NOT_EQUAL, KIND, 0, 0, kind_number(devices.kind)));
    for (register, number) in [(MAJOR, devices.major), (MINOR, devices.minor)] {
        if let Some(number) = number {
            block.push(op(JUMP32_NOT_EQUAL, register, 0, 0, number));
        }
    }
    // An exception with every access needs no test.
    if access != Access::ALL {
        block.push(op(MOVE32_REGISTER, SCRATCH, ACCESS, 0, 0));
        block.push(op(AND32, SCRATCH, 0, 0, u32::from(access.bits())));
        block.push(match default {
            // It must not touch what is denied.
            true => op(JUMP32_EQUAL, SCRATCH, 0, 0, 0),
            // It must be covered by what is allowed.
            false => op(JUMP32_NOT_EQUAL_REGISTER, SCRATCH, ACCESS, 0, 0),
        });
    } else if default {
        // An access of nothing touches nothing.
        block.push(op(JUMP32_EQUAL, ACCESS, 0, 0, 0));
    }
    verdict(&mut block, !default);
    let length = block.len();
    for (at, instruction) in block.iter_mut().enumerate() {
        let jump = matches!(
            instruction.code,
            JUMP32_EQUAL | JUMP32_NOT_EQUAL | JUMP32_NOT_EQUAL_REGISTER
        );
        if jump {
            // A block has at most eight instructions.
            instruction.offset = i16::try_from(length - at - 1).unwrap_or(i16::MAX);
        }
    }
    program.append(&mut block);
}
