//! The eBPF program, run by an interpreter, against the version 1 controller's semantics.
#![allow(clippy::cast_sign_loss)] // the interpreter reads constants as bits

use cgroups::devices::program::{Instruction, compile};
use cgroups::devices::rules::{Access, AccessList, Devices, Kind, Rule};
use proptest::prelude::*;

/// Few numbers, so that rules and accesses meet; and the ones at the ends.
fn number() -> impl Strategy<Value = u32> {
    prop_oneof![4 => 0u32..4, 1 => Just(u32::MAX), 1 => Just(0x8000_0000)]
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Block), Just(Kind::Char)]
}

fn rule() -> impl Strategy<Value = Rule> {
    let devices = (
        kind(),
        proptest::option::of(number()),
        proptest::option::of(number()),
    )
        .prop_map(|(kind, major, minor)| Devices { kind, major, minor });
    let devices = prop_oneof![9 => devices.prop_map(Some), 1 => Just(None)];
    (any::<bool>(), devices, 0u8..8).prop_map(|(allow, devices, access)| Rule {
        allow,
        devices,
        access: Access::from_bits(access),
    })
}

/// The version 1 controller as `security/device_cgroup.c` has it: a list of
/// exceptions, looked through from the start.
struct Kernel {
    allow: bool,
    exceptions: Vec<(Devices, u8)>,
}

impl Kernel {
    /// `devcgroup_update_access`
    fn write(&mut self, rule: &Rule) {
        let Some(devices) = rule.devices else {
            *self = Kernel {
                allow: rule.allow,
                exceptions: Vec::new(),
            };
            return;
        };
        let access = rule.access.bits();
        let found = self
            .exceptions
            .iter_mut()
            .find(|(known, _)| *known == devices);
        match (rule.allow != self.allow, found) {
            (true, Some((_, known))) => *known |= access,
            (true, None) => self.exceptions.push((devices, access)),
            (false, Some((_, known))) => *known &= !access,
            (false, None) => {}
        }
        self.exceptions.retain(|(_, access)| *access != 0);
    }

    /// `match_exception` and `match_exception_partial`
    fn check(&self, kind: Kind, major: u32, minor: u32, access: u8) -> bool {
        let matches = |devices: &Devices| {
            devices.kind == kind
                && devices.major.is_none_or(|number| number == major)
                && devices.minor.is_none_or(|number| number == minor)
        };
        let mut found = self
            .exceptions
            .iter()
            .filter(|(devices, _)| matches(devices));
        match self.allow {
            true => !found.any(|(_, denied)| access & denied != 0),
            false => found.any(|(_, allowed)| access & !allowed == 0),
        }
    }
}

fn run(list: &AccessList, kind: Kind, major: u32, minor: u32, access: u8) -> bool {
    allows(&compile(list), kind, major, minor, access)
}

fn allows(program: &[Instruction], kind: Kind, major: u32, minor: u32, access: u8) -> bool {
    let kind_number: u32 = if kind == Kind::Block { 1 } else { 2 };
    let context = [u32::from(access) << 16 | kind_number, major, minor];
    interpret(program, context) == 1
}

/// Runs a program as `instruction-set.rst` says, from the bits of the opcode; what it
/// does not know, a jump out of the program or a register that was never set fails.
fn interpret(program: &[Instruction], context: [u32; 3]) -> u64 {
    const CONTEXT: u64 = 1 << 40;
    let mut registers = [None; 11];
    registers[1] = Some(CONTEXT);
    let mut at = 0;
    loop {
        let instruction = program[at];
        at += 1;
        let (class, high) = (instruction.code & 7, instruction.code & 0xf0);
        let destination = usize::from(instruction.registers & 15);
        let source = registers[usize::from(instruction.registers >> 4)];
        let operand = match instruction.code & 8 {
            8 => source.expect("a register that was set") as u32,
            _ => instruction.constant as u32,
        };
        let value = registers[destination];
        let low = || value.expect("a register that was set") as u32;
        match (class, high) {
            // LDX, MEM: W
            (1, 0x60) if instruction.code & 0x18 == 0 => {
                assert_eq!(source, Some(CONTEXT));
                let offset = usize::try_from(instruction.offset).unwrap();
                assert_eq!(offset % 4, 0);
                registers[destination] = Some(u64::from(context[offset / 4]));
            }
            // ALU: MOV
            (4, 0xb0) => registers[destination] = Some(u64::from(operand)),
            // JMP32: JEQ, JNE
            (6, 0x10 | 0x50) => {
                if (low() == operand) == (high == 0x10) {
                    at += usize::try_from(instruction.offset).expect("a jump forward");
                }
            }
            // JMP32: JGT, JLT, JLE
            (6, 0x20 | 0xa0 | 0xb0) => {
                let taken = match high {
                    0x20 => low() > operand,
                    0xa0 => low() < operand,
                    _ => low() <= operand,
                };
                if taken {
                    at += usize::try_from(instruction.offset).expect("a jump forward");
                }
            }
            // JMP32: JSET
            (6, 0x40) => {
                if low() & operand != 0 {
                    at += usize::try_from(instruction.offset).expect("a jump forward");
                }
            }
            // JMP: JA, EXIT
            (5, 0x00) => at += usize::try_from(instruction.offset).expect("a jump forward"),
            (5, 0x90) => return registers[0].expect("a verdict"),
            _ => panic!("unknown instruction {instruction:?}"),
        }
    }
}

/// The kernel refuses a program with an instruction that nothing leads to, or one that
/// runs past its end.
fn all_is_reached(program: &[Instruction]) -> bool {
    let mut reached = vec![false; program.len()];
    reached[0] = true;
    for (at, instruction) in program.iter().enumerate() {
        if !reached[at] {
            return false;
        }
        let jump = instruction.code & 7 >= 5 && instruction.code != 0x95;
        if jump {
            reached[at + 1 + usize::try_from(instruction.offset).expect("forward")] = true;
        }
        if !matches!(instruction.code, 0x05 | 0x95) {
            reached[at + 1] = true;
        }
    }
    true
}

/// More exceptions than one jump could pass.
#[test]
fn long_lists_are_compiled() {
    let mut list = AccessList::default();
    for number in 0..20_000 {
        let devices = Devices {
            kind: Kind::Char,
            major: Some(number / 4),
            minor: Some(number % 4),
        };
        let access = Access::from_bits(1 + u8::try_from(number % 7).unwrap());
        list.exceptions.insert(devices, access);
    }
    assert!(all_is_reached(&compile(&list)));
    for number in [0, 1, 999, 1000, 1001, 3999, 4000, 19_998, 19_999, 20_000] {
        for access in 1..8 {
            let (major, minor) = (number / 4, number % 4);
            let expected = list.allows(Kind::Char, major, minor, Access::from_bits(access));
            assert_eq!(
                run(&list, Kind::Char, major, minor, access),
                expected,
                "{number} {access}"
            );
            assert!(!run(&list, Kind::Block, major, minor, access));
        }
    }
}

/// What an engine's container costs the kernel's verifier.
#[test]
fn the_default_rules_are_a_short_program() {
    let rules = r#"[{"allow": false, "access": "rwm"}]"#;
    let rules: Vec<_> = serde_json::from_str(rules).unwrap();
    let list = AccessList::from_spec(&rules).unwrap();
    let length = compile(&list).len();
    assert!(length <= 18, "{length} instructions");
    for major in [0, 1, 2, 5, 10, 136, 137, u32::MAX] {
        same_for_minors(&list, major);
    }
}

/// The program of a list answers as the list does, for each access to low minor numbers and beyond.
fn same_for_minors(list: &AccessList, major: u32) {
    let program = compile(list);
    assert!(all_is_reached(&program));
    for minor in (0..70).chain([200, 255, 256, 1 << 31, u32::MAX]) {
        for kind in [Kind::Block, Kind::Char] {
            for access in 1..8 {
                let expected = list.allows(kind, major, minor, Access::from_bits(access));
                let allows = allows(&program, kind, major, minor, access);
                assert_eq!(allows, expected, "{kind:?} {major}:{minor} {access}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn program_list_and_kernel_agree(
        rules in proptest::collection::vec(rule(), 0..12),
        accesses in proptest::collection::vec((kind(), number(), number(), 1u8..8), 1..12),
    ) {
        let mut list = AccessList::default();
        let mut kernel = Kernel { allow: false, exceptions: Vec::new() };
        for rule in &rules {
            // Refused here, without effect there.
            if list.apply(rule) {
                kernel.write(rule);
            }
        }
        prop_assert!(all_is_reached(&compile(&list)));
        for (kind, major, minor, access) in accesses {
            let expected = kernel.check(kind, major, minor, access);
            let ours = list.allows(kind, major, minor, Access::from_bits(access));
            prop_assert_eq!(ours, expected, "list");
            prop_assert_eq!(run(&list, kind, major, minor, access), expected, "program");
        }
    }

    /// What is written to `devices.allow` and `devices.deny` makes one list into the other.
    #[test]
    fn transitions_arrive(
        before in proptest::collection::vec(rule(), 0..8),
        after in proptest::collection::vec(rule(), 0..8),
    ) {
        let list = |rules: &[Rule]| {
            let mut list = AccessList::default();
            rules.iter().for_each(|rule| { list.apply(rule); });
            list
        };
        let (before, after) = (list(&before), list(&after));
        let mut now = before.clone();
        for (file, line) in after.v1_writes(Some(&before)) {
            let allow = file == "devices.allow";
            let devices = AccessList::parse_v1(&line)
                .and_then(|list| list.exceptions.into_iter().next());
            let rule = match devices {
                Some((devices, access)) => Rule { allow, devices: Some(devices), access },
                None => Rule { allow, devices: None, access: Access::ALL },
            };
            // The kernel takes a line whatever wider exceptions there are.
            let Some(devices) = rule.devices else {
                prop_assert!(now.apply(&rule));
                continue;
            };
            let known = now.exceptions.remove(&devices).unwrap_or_default();
            let access = match rule.allow != now.allow_by_default {
                true => known | rule.access,
                false => known.without(rule.access),
            };
            if !access.is_empty() {
                now.exceptions.insert(devices, access);
            }
        }
        prop_assert_eq!(now, after);
    }
}

#[test]
fn a_hole_in_a_wildcard_is_an_error() {
    let rules = r#"[{"allow": true, "type": "c", "major": 1, "access": "rw"},
                    {"allow": false, "type": "c", "major": 1, "minor": 3, "access": "w"}]"#;
    let rules: Vec<_> = serde_json::from_str(rules).unwrap();
    let error = AccessList::from_spec(&rules).unwrap_err().to_string();
    assert!(error.starts_with("linux.resources.devices[1]: "), "{error}");
}
