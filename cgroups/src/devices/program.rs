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
const JUMP: u8 = 0x05;
// 32-bit comparisons (kernel 5.1): a device number with the top bit set would
// otherwise be compared with a sign-extended constant.
const JUMP32_EQUAL: u8 = 0x16;
const JUMP32_NOT_EQUAL: u8 = 0x56;
const JUMP32_ANY_BIT: u8 = 0x46;
const EXIT: u8 = 0x95;

// Registers.
const RESULT: u8 = 0;
const CONTEXT: u8 = 1;
const KIND: u8 = 2;
const ACCESS: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;

/// How many exceptions share an end: their jumps to it must fit into 16 bits.
const CHUNK: usize = 1000;

/// `BPF_DEVCG_DEV_BLOCK` and `BPF_DEVCG_DEV_CHAR`.
fn kind_number(kind: Kind) -> u32 {
    match kind {
        Kind::Block => 1,
        Kind::Char => 2,
    }
}

type Exception = (Devices, Access);

/// Compiles the list.
///
/// Any exception that matches decides, whatever the others say. So they are grouped
/// by kind and major number, each of which is tested once for its group: what the
/// kernel takes to verify a program, most of the time of making a cgroup, grows with its
/// instructions and more so with its jumps.
pub fn compile(list: &AccessList) -> Vec<Instruction> {
    let mut program = Program {
        code: vec![
            op(LOAD_WORD, KIND, CONTEXT, 0, 0),
            op(MOVE32_REGISTER, ACCESS, KIND, 0, 0),
            op(AND32, KIND, 0, 0, 0xffff),
            op(SHIFT_RIGHT32, ACCESS, 0, 0, 16),
            op(LOAD_WORD, MAJOR, CONTEXT, 4, 0),
            op(LOAD_WORD, MINOR, CONTEXT, 8, 0),
            op(MOVE32, RESULT, 0, 0, u32::from(!list.allow_by_default)),
        ],
        default: list.allow_by_default,
        hits: Vec::new(),
    };
    let exceptions: Vec<Exception> = list
        .exceptions
        .iter()
        .map(|(devices, access)| (*devices, *access))
        .collect();
    let mut chunks = exceptions.chunks(CHUNK).peekable();
    while let Some(chunk) = chunks.next() {
        program.chunk(chunk);
        if chunks.peek().is_some() {
            program.code.push(op(JUMP, 0, 0, 1, 0));
            program.end();
        }
    }
    program
        .code
        .push(op(MOVE32, RESULT, 0, 0, u32::from(list.allow_by_default)));
    program.end();
    program.code
}

fn op(code: u8, destination: u8, source: u8, offset: i16, constant: u32) -> Instruction {
    Instruction {
        code,
        registers: source << 4 | destination,
        offset,
        constant: constant.cast_signed(),
    }
}

/// A program in the making.
struct Program {
    code: Vec<Instruction>,
    default: bool,
    /// The jumps to the next end.
    hits: Vec<usize>,
}

impl Program {
    /// The end that the exceptions so far jump to.
    fn end(&mut self) {
        for at in std::mem::take(&mut self.hits) {
            self.land(at);
        }
        self.code.push(op(EXIT, 0, 0, 0, 0));
    }

    /// Lets the jump at `at` lead to what comes next.
    fn land(&mut self, at: usize) {
        let distance = self.code.len() - at - 1;
        if let Some(jump) = self.code.get_mut(at) {
            // A chunk's code is shorter.
            jump.offset = i16::try_from(distance).unwrap_or(i16::MAX);
        }
    }

    fn jump(&mut self, code: u8, register: u8, constant: u32) -> usize {
        self.code.push(op(code, register, 0, 0, constant));
        self.code.len() - 1
    }

    fn hit(&mut self, code: u8, register: u8, constant: u32) {
        let at = self.jump(code, register, constant);
        self.hits.push(at);
    }

    /// Exceptions in the list's order: by kind, major and minor, wildcards first.
    fn chunk(&mut self, exceptions: &[Exception]) {
        let of = |kind| {
            exceptions.iter().position(|(devices, _)| {
                *devices
                    == Devices {
                        kind,
                        major: None,
                        minor: None,
                    }
            })
        };
        let (block, char) = (of(Kind::Block), of(Kind::Char));
        let access = |at: Option<usize>| {
            at.and_then(|at| exceptions.get(at))
                .map(|(_, access)| *access)
        };
        // One test does for both, as long as something may follow it.
        let both = access(block)
            .filter(|both| Some(*both) == access(char) && !self.needs_no_access(*both));
        if let Some(access) = both {
            self.access(access);
        }
        for (kind, wildcard) in [(Kind::Block, block), (Kind::Char, char)] {
            let its = exceptions.iter().enumerate().filter(|(at, (devices, _))| {
                devices.kind == kind && !(both.is_some() && Some(*at) == wildcard)
            });
            let its: Vec<Exception> = its.map(|(_, exception)| *exception).collect();
            if its.is_empty() {
                continue;
            }
            let other = self.jump(JUMP32_NOT_EQUAL, KIND, kind_number(kind));
            for group in its.chunk_by(|(a, _), (b, _)| a.major == b.major) {
                if self.major(group) {
                    break;
                }
            }
            self.land(other);
        }
    }

    /// The exceptions of one major number. Says whether nothing after them is reached.
    fn major(&mut self, group: &[Exception]) -> bool {
        let Some((first, access)) = group.first() else {
            return false;
        };
        let Some(number) = first.major else {
            return self.minors(group);
        };
        if first.minor.is_none() && self.needs_no_access(*access) {
            self.hit(JUMP32_EQUAL, MAJOR, number);
            return false;
        }
        let other = self.jump(JUMP32_NOT_EQUAL, MAJOR, number);
        self.minors(group);
        self.land(other);
        false
    }

    fn minors(&mut self, group: &[Exception]) -> bool {
        for (devices, access) in group {
            match (devices.minor, self.needs_no_access(*access)) {
                (Some(number), true) => self.hit(JUMP32_EQUAL, MINOR, number),
                (Some(number), false) => {
                    let other = self.jump(JUMP32_NOT_EQUAL, MINOR, number);
                    self.access(*access);
                    self.land(other);
                }
                (None, true) => {
                    self.hit(JUMP, 0, 0);
                    return true;
                }
                (None, false) => self.access(*access),
            }
        }
        false
    }

    /// Whether an exception with this access matches every access: of what is allowed,
    /// everything. (Of what is denied, an access of nothing would touch nothing.)
    fn needs_no_access(&self, access: Access) -> bool {
        !self.default && access == Access::ALL
    }

    /// Hits if the access is one of the exception's.
    fn access(&mut self, access: Access) {
        let bits = u32::from(access.bits());
        match self.default {
            // It must not touch what is denied.
            true => self.hit(JUMP32_ANY_BIT, ACCESS, bits),
            // It must be covered by what is allowed.
            false => {
                let more = self.jump(JUMP32_ANY_BIT, ACCESS, !bits);
                self.hit(JUMP, 0, 0);
                self.land(more);
            }
        }
    }
}
