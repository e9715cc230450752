//! Where the program begins: before the C library.
//!
//! A program that enters containers executes itself anew to be sealed (`libcontainer::seal`). Whatever
//! it has done until then is done twice: the start of the C library, with its fourteen system calls and
//! 68 CPUID instructions, which are traps in a virtual machine, is best not among it. So the kernel
//! starts the program here, this does what `seal` would do, and everything that is not as it should be
//! is left to the ordinary start and to `seal`, which tells what is wrong.
//!
//! Nothing works here yet: no thread-local memory, no function of the C library, which chooses between
//! implementations when it starts. Loops read by `read_volatile`, so that the compiler makes no call of
//! `strlen` or `memcmp` of them, and no value has more than a few words, which it would copy by `memcpy`.

mod kernel;
mod seal;
mod text;

use core::arch::naked_asm;
use core::ffi::c_char;
use core::ptr;

use crate::memory;
use kernel::system_call;
use text::{is, text};

/// The commands that enter containers. One that is none, but a value of an option, does no harm.
const RUN: u128 = text(b"run");
const CREATE: u128 = text(b"create");
const EXEC: u128 = text(b"exec");

/// How much of its stack a command that enters a container is sure to touch (bytes).
const STACK: usize = 48 << 10;

// SAFETY: places that the linker names; only their addresses are used.
unsafe extern "C" {
    /// Among the first of the program's variables: those that become read-only come before the others.
    static __init_array_start: u8;
    /// `link/order.ld` puts these behind what `exec` and shorter commands, and behind what all commands
    /// execute with the default configuration, which follows [`oxrun_start`].
    #[cfg(ordered)]
    static executed_by_exec_end: u8;
    #[cfg(ordered)]
    static executed_end: u8;
}

/// Keeps the entry, which only the linker names.
#[used]
static ENTRY: unsafe extern "C" fn() -> ! = oxrun_start;

/// Calls [`before_start`] with the stack as the kernel made it, then goes on to the C library's start,
/// which finds everything as if it were the first.
// SAFETY: no other function of the program has this name.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn oxrun_start() -> ! {
    naked_asm!(
        "xor ebp, ebp",
        "mov rbx, rsp",
        "mov rdi, rsp",
        "and rsp, -16",
        "call {before}",
        "mov rsp, rbx",
        "xor edx, edx",
        "xor ebx, ebx",
        "jmp _start",
        before = sym before_start,
    )
}

/// Where the program's file lies, for the C library: not known. It would read a link in procfs at every
/// start, for programs that load libraries from beside their file.
// SAFETY: the C library's own is left out by the linker, since nothing else of that file is used.
#[unsafe(no_mangle)]
extern "C" fn _dl_get_origin() -> *const c_char {
    ptr::without_provenance(usize::MAX)
}

/// All that comes before the C library: the seal, then the pages.
///
/// # Safety
/// `stack` is what the kernel passes a new program: the number of its arguments, those and a null, the
/// environment and a null, the auxiliary vector.
unsafe extern "C" fn before_start(stack: *const usize) {
    // SAFETY: as promised.
    let command = unsafe { command(stack) };
    if command != Command::Short {
        // SAFETY: as promised.
        unsafe { seal::seal(stack) };
    }
    bring(command, stack as usize);
}

/// Has the kernel bring what will be touched anyway, in three calls in place of as many page faults
/// as pages. A command that enters a container touches more of all than another one. Kernels before
/// 5.14 cannot, and it need not be.
fn bring(command: Command, stack: usize) {
    const PAGE: usize = 4096;
    let range = |start: usize, end: usize, advice: usize| {
        let start = start / PAGE * PAGE;
        // SAFETY: nothing changes but who brings the pages.
        unsafe { system_call(kernel::MADVISE, start, end - start, advice, 0, 0) };
    };
    let heap = match command {
        Command::Short => memory::TOUCHED_BY_SHORT,
        _ => memory::TOUCHED,
    };
    let variables = (&raw const __init_array_start) as usize;
    range(
        variables,
        memory::start() + heap,
        kernel::MADV_POPULATE_WRITE,
    );
    if command == Command::Short {
        return;
    }
    range(stack - STACK, stack, kernel::MADV_POPULATE_WRITE);
    #[cfg(ordered)]
    {
        let end = match command {
            Command::Exec => &raw const executed_by_exec_end,
            _ => &raw const executed_end,
        };
        let start = oxrun_start as *const () as usize;
        range(start, end as usize, kernel::MADV_POPULATE_READ);
    }
}

/// What a command is to this file.
#[derive(Clone, Copy, PartialEq)]
enum Command {
    /// It enters no container.
    Short,
    /// It enters one that is there.
    Exec,
    /// It makes one.
    Run,
}

/// The command that one of the arguments names.
///
/// # Safety
/// As of [`before_start`].
unsafe fn command(stack: *const usize) -> Command {
    // SAFETY: the kernel's layout, as promised.
    let count = unsafe { ptr::read_volatile(stack) };
    let mut index = 1;
    while index < count {
        // SAFETY: `index` is below the number of arguments, each of which is text with a zero behind.
        unsafe {
            let argument = ptr::read_volatile(stack.add(1 + index).cast::<*const c_char>());
            if is(argument, EXEC) {
                return Command::Exec;
            }
            if is(argument, RUN) || is(argument, CREATE) {
                return Command::Run;
            }
        }
        index += 1;
    }
    Command::Short
}

/// Ends the program at once (_exit(2)).
pub(crate) fn end(status: u8) -> ! {
    // SAFETY: it takes a number.
    unsafe { system_call(kernel::EXIT_GROUP, status.into(), 0, 0, 0, 0) };
    unreachable!()
}
