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
const MOVE32: u8 = 0xb4;
const JUMP: u8 = 0x05;
// 32-bit comparisons (kernel 5.1): a device number with the top bit set would
// otherwise be compared with a sign-extended constant.
const JUMP32_EQUAL: u8 = 0x16;
const JUMP32_NOT_EQUAL: u8 = 0x56;
const JUMP32_ANY_BIT: u8 = 0x46;
const JUMP32_LESS: u8 = 0xa6;
const JUMP32_MORE: u8 = 0x26;
const JUMP32_NOT_MORE: u8 = 0xb6;
const EXIT: u8 = 0x95;

// Registers.
const RESULT: u8 = 0;
const CONTEXT: u8 = 1;
/// The first word of the context: the access in the upper half, the kind's one bit in the lower.
const ACCESS: u8 = 2;
const MAJOR: u8 = 3;
const MINOR: u8 = 4;

/// How many exceptions share an end: their jumps to it must fit into 16 bits.
const CHUNK: usize = 1000;

/// The bit of the other kind: `BPF_DEVCG_DEV_BLOCK` is 1, `BPF_DEVCG_DEV_CHAR` is 2.
fn other_kind(kind: Kind) -> u32 {
    match kind {
        Kind::Block => 2,
        Kind::Char => 1,
    }
}

/// Minor numbers from the first to the last; none for all of them.
type Minors = Option<(u32, u32)>;

/// Exceptions of one kind and major number (none for all) with neighbouring minor numbers.
struct Exception {
    kind: Kind,
    major: Option<u32>,
    minors: Minors,
    access: Access,
}

/// The list's exceptions in its order: by kind, major and minor, wildcards first.
fn exceptions(list: &AccessList) -> Vec<Exception> {
    let mut exceptions: Vec<Exception> = Vec::new();
    for (Devices { kind, major, minor }, access) in &list.exceptions {
        if let (Some(last), Some(minor)) = (exceptions.last_mut(), minor)
            && (last.kind, last.major, last.access) == (*kind, *major, *access)
            && let Some((_, end)) = &mut last.minors
            && end.checked_add(1) == Some(*minor)
        {
            *end = *minor;
            continue;
        }
        exceptions.push(Exception {
            kind: *kind,
            major: *major,
            minors: minor.map(|minor| (minor, minor)),
            access: *access,
        });
    }
    exceptions
}

/// Compiles the list.
///
/// Any exception that matches decides, whatever the others say. So they are grouped
/// by kind and major number, each of which is tested once for its group, and neighbouring
/// minor numbers are one test: what the kernel takes to verify a program, much of the time of
/// making a cgroup, grows with its instructions and more so with its jumps.
pub fn compile(list: &AccessList) -> Vec<Instruction> {
    let mut program = Program {
        code: vec![
            op(MOVE32, RESULT, 0, 0, u32::from(!list.allow_by_default)),
            op(LOAD_WORD, ACCESS, CONTEXT, 0, 0),
            op(LOAD_WORD, MAJOR, CONTEXT, 4, 0),
            op(LOAD_WORD, MINOR, CONTEXT, 8, 0),
        ],
        default: list.allow_by_default,
        hits: Vec::new(),
    };
    let exceptions = exceptions(list);
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

    fn chunk(&mut self, exceptions: &[Exception]) {
        let of = |kind| {
            exceptions
                .iter()
                .find(|exception| {
                    exception.kind == kind
                        && exception.major.is_none()
                        && exception.minors.is_none()
                })
                .map(|exception| exception.access)
        };
        // One test does for both kinds, as long as something may follow it.
        let both = of(Kind::Block)
            .filter(|both| Some(*both) == of(Kind::Char) && !self.needs_no_access(*both));
        if let Some(access) = both {
            self.access(access);
        }
        let rest: Vec<&Exception> = exceptions
            .iter()
            .filter(|exception| {
                both.is_none() || exception.major.is_some() || exception.minors.is_some()
            })
            .collect();
        for its in rest.chunk_by(|a, b| a.kind == b.kind) {
            let other = its
                .first()
                .map(|first| self.jump(JUMP32_ANY_BIT, ACCESS, other_kind(first.kind)));
            for group in its.chunk_by(|a, b| a.major == b.major) {
                if self.major(group) {
                    break;
                }
            }
            other.into_iter().for_each(|other| self.land(other));
        }
    }

    /// The exceptions of one major number. Says whether nothing after them is reached.
    fn major(&mut self, group: &[&Exception]) -> bool {
        let Some(first) = group.first() else {
            return false;
        };
        let Some(number) = first.major else {
            return self.minors(group);
        };
        if first.minors.is_none() && self.needs_no_access(first.access) {
            self.hit(JUMP32_EQUAL, MAJOR, number);
            return false;
        }
        let other = self.jump(JUMP32_NOT_EQUAL, MAJOR, number);
        self.minors(group);
        self.land(other);
        false
    }

    fn minors(&mut self, group: &[&Exception]) -> bool {
        for exception in group {
            let access = exception.access;
            match (exception.minors, self.needs_no_access(access)) {
                (Some((first, last)), true) if first == last => {
                    self.hit(JUMP32_EQUAL, MINOR, first);
                }
                (Some((0, last)), true) => self.hit(JUMP32_NOT_MORE, MINOR, last),
                (Some((first, last)), true) => {
                    let less = self.jump(JUMP32_LESS, MINOR, first);
                    self.hit(JUMP32_NOT_MORE, MINOR, last);
                    self.land(less);
                }
                (Some((first, last)), false) if first == last => {
                    let other = self.jump(JUMP32_NOT_EQUAL, MINOR, first);
                    self.access(access);
                    self.land(other);
                }
                (Some((first, last)), false) => {
                    let less = self.jump(JUMP32_LESS, MINOR, first);
                    let more = self.jump(JUMP32_MORE, MINOR, last);
                    self.access(access);
                    self.land(less);
                    self.land(more);
                }
                (None, true) => {
                    self.hit(JUMP, 0, 0);
                    return true;
                }
                (None, false) => self.access(access),
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
        // Nothing but the lowest bits: a comparison, whatever the kind below.
        let lowest = (bits + 1).is_power_of_two();
        match (self.default, lowest) {
            // It must not touch what is denied.
            (true, _) => self.hit(JUMP32_ANY_BIT, ACCESS, bits << 16),
            // It must be covered by what is allowed.
            (false, true) => self.hit(JUMP32_NOT_MORE, ACCESS, bits << 16 | 0xffff),
            (false, false) => {
                let more = self.jump(JUMP32_ANY_BIT, ACCESS, !bits << 16);
                self.hit(JUMP, 0, 0);
                self.land(more);
            }
        }
    }
}
