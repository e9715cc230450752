//! The compiled filter.

#![forbid(unsafe_code)]

use seccompiler::{BpfProgram, BpfProgramRef};

use crate::arch;
use crate::bpf;
use crate::check::{self, Violation};
use crate::dump::Dump;
use crate::error::Warning;
use crate::sim;

/// A compiled filter: what [`install`](crate::install()) hands to the kernel.
#[derive(Clone, Debug)]
pub struct Filter {
    program: BpfProgram,
    flags: u32,
    notifies: bool,
    warnings: Vec<Warning>,
}

impl Filter {
    pub(crate) fn new(
        program: BpfProgram,
        flags: u32,
        notifies: bool,
        warnings: Vec<Warning>,
    ) -> Self {
        Self {
            program,
            flags,
            notifies,
            warnings,
        }
    }

    /// For a process with one thread: without `SECCOMP_FILTER_FLAG_TSYNC`, which is about the others.
    #[must_use]
    pub fn for_one_thread(mut self) -> Self {
        self.flags &= !(bpf::FLAG_TSYNC | bpf::FLAG_TSYNC_ESRCH);
        self
    }

    /// The instructions.
    #[must_use]
    pub fn program(&self) -> BpfProgramRef<'_> {
        &self.program
    }

    /// `SECCOMP_FILTER_FLAG_*` for seccomp(2).
    #[must_use]
    pub fn flags(&self) -> u32 {
        self.flags
    }

    /// Whether some calls wait for an answer through the listener that installing returns.
    #[must_use]
    pub fn notifies(&self) -> bool {
        self.notifies
    }

    /// Whether a call that this program itself would make runs, and without anybody being asked.
    ///
    /// Async-signal-safe, as [`install`](crate::install()) is.
    #[must_use]
    pub fn lets_through(&self, number: u32, args: [u64; 6]) -> bool {
        let Some(abi) = arch::abi_of(arch::native(), arch::native()) else {
            return false;
        };
        let data = sim::Data {
            number,
            arch: abi.audit,
            args,
            big_endian: abi.big_endian,
            ..sim::Data::default()
        };
        sim::run(&self.program, &data).is_ok_and(|run| run.action.runs())
    }

    /// What in the profile has no effect.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Whether the kernel will take the program. It will: this is for tests.
    pub fn check(&self) -> Result<(), Violation> {
        check::check(&self.program)
    }

    /// The program as text, one instruction a line.
    #[must_use]
    pub fn dump(&self) -> Dump<'_> {
        Dump::new(&self.program)
    }
}
