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
//! Texts are numbers, which are parts of the instructions: one in the file's constants would bring the
//! page fault for those, in a program that is about to be replaced.

use core::arch::{asm, naked_asm};
use core::ffi::c_char;
use core::ptr;

use crate::memory;

/// A text that fits into a number, with zeros behind it.
const fn text(text: &[u8]) -> u128 {
    assert!(text.len() < 16);
    let (mut number, mut index) = (0, text.len());
    while index > 0 {
        index -= 1;
        number = number << 8 | text[index] as u128;
    }
    number
}

/// What tells the program that it was executed by this, as `libcontainer::seal` has it.
const MARK: u128 = text(b"_OXRUN_SEALED=1");
/// The commands that enter containers. One that is none, but a value of an option, does no harm.
const RUN: u128 = text(b"run");
const CREATE: u128 = text(b"create");
const EXEC: u128 = text(b"exec");
const OWN_FILE: u128 = text(b"/proc/self/exe");

/// How much of its stack a command that enters a container is sure to touch (bytes).
const STACK: usize = 48 << 10;

const SYS_MADVISE: usize = 28;
const SYS_EXIT_GROUP: usize = 231;
const SYS_EXECVEAT: usize = 322;
const SYS_OPEN_TREE: usize = 428;
const SYS_MOUNT_SETATTR: usize = 442;
const SYS_OPEN_TREE_ATTR: usize = 467;
const AT_FDCWD: usize = (-100_isize).cast_unsigned();
const AT_EMPTY_PATH: usize = 0x1000;
const OPEN_TREE_CLONE: usize = 1;
const O_CLOEXEC: usize = 0o2_000_000;
const MOUNT_ATTR_RDONLY: u64 = 1;
const AT_EUID: usize = 12;
#[cfg(ordered)]
const MADV_POPULATE_READ: usize = 22;
const MADV_POPULATE_WRITE: usize = 23;

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

/// The kernel's `struct mount_attr`.
#[repr(C)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    userns: u64,
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
    let command = unsafe { seal(stack) };
    bring(command, stack as usize);
}

/// Executes the program from a read-only clone of its file's mount. Returns where that is not wanted,
/// or fails.
///
/// # Safety
/// As of [`before_start`].
unsafe fn seal(stack: *const usize) -> Command {
    // SAFETY: the kernel's layout, as promised.
    unsafe {
        let count = ptr::read_volatile(stack);
        let argv = stack.add(1).cast::<*const c_char>();
        let envp = argv.add(count).add(1);
        let command = command(argv, count);
        if command == Command::Short {
            return command;
        }
        let mut end = envp;
        loop {
            let variable = ptr::read_volatile(end);
            if variable.is_null() {
                break;
            }
            // The sealed program itself, or a caller who says so: `seal` looks closer.
            if is(variable, MARK) {
                return command;
            }
            end = end.add(1);
        }
        // The kernel tells the user, so that nobody need be asked.
        let vector = end.add(1).cast();
        if auxiliary(vector, AT_EUID) == Some(0)
            && let Some(file) = read_only_clone()
        {
            execute_marked(file, argv, envp, end.cast_mut().cast());
        }
        command
    }
}

/// Executes a file with [`MARK`] as one more variable. Returns only where that fails, with everything
/// as it was.
///
/// # Safety
/// `end` is the null behind the variables, which the auxiliary vector follows.
unsafe fn execute_marked(
    file: usize,
    argv: *const *const c_char,
    envp: *const *const c_char,
    end: *mut usize,
) {
    let mark = MARK;
    // SAFETY: the kernel has copied all of it before it gives the memory up; no other thread reads what
    // is overwritten.
    unsafe {
        let behind = ptr::read_volatile(end.add(1));
        ptr::write_volatile(end, (&raw const mark) as usize);
        ptr::write_volatile(end.add(1), 0);
        let empty = (&raw const mark) as usize + 15;
        let (argv, envp) = (argv as usize, envp as usize);
        system_call(SYS_EXECVEAT, file, empty, argv, envp, AT_EMPTY_PATH);
        ptr::write_volatile(end, 0);
        ptr::write_volatile(end.add(1), behind);
    }
}

/// Has the kernel bring what will be touched anyway, in three calls in place of as many page faults
/// as pages. A command that enters a container touches more of all than another one. Kernels before
/// 5.14 cannot, and it need not be.
fn bring(command: Command, stack: usize) {
    const PAGE: usize = 4096;
    let range = |start: usize, end: usize, advice: usize| {
        let start = start / PAGE * PAGE;
        // SAFETY: nothing changes but who brings the pages.
        unsafe { system_call(SYS_MADVISE, start, end - start, advice, 0, 0) };
    };
    let heap = match command {
        Command::Short => memory::TOUCHED_BY_SHORT,
        _ => memory::TOUCHED,
    };
    let variables = (&raw const __init_array_start) as usize;
    range(variables, memory::start() + heap, MADV_POPULATE_WRITE);
    if command == Command::Short {
        return;
    }
    range(stack - STACK, stack, MADV_POPULATE_WRITE);
    #[cfg(ordered)]
    {
        let end = match command {
            Command::Exec => &raw const executed_by_exec_end,
            _ => &raw const executed_end,
        };
        let start = oxrun_start as *const () as usize;
        range(start, end as usize, MADV_POPULATE_READ);
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
/// There are `count` arguments.
unsafe fn command(argv: *const *const c_char, count: usize) -> Command {
    let mut index = 1;
    while index < count {
        // SAFETY: `index` is below the number of arguments, each of which is text with a zero behind.
        unsafe {
            let argument = ptr::read_volatile(argv.add(index));
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

/// Whether a text is this one.
///
/// # Safety
/// `read` ends with a zero.
unsafe fn is(read: *const c_char, text: u128) -> bool {
    let (mut read, mut rest) = (read.cast::<u8>(), text);
    loop {
        let [byte, ..] = rest.to_le_bytes();
        // SAFETY: the texts were the same until here, without a zero.
        if unsafe { ptr::read_volatile(read) } != byte {
            return false;
        }
        if byte == 0 {
            return true;
        }
        rest >>= 8;
        // SAFETY: as above.
        read = unsafe { read.add(1) };
    }
}

/// Ends the program at once (_exit(2)).
pub(crate) fn end(status: u8) -> ! {
    // SAFETY: it takes a number.
    unsafe { system_call(SYS_EXIT_GROUP, status.into(), 0, 0, 0, 0) };
    unreachable!()
}

/// A value of the auxiliary vector (getauxval(3)).
///
/// # Safety
/// `vector` is the auxiliary vector.
unsafe fn auxiliary(vector: *const usize, wanted: usize) -> Option<usize> {
    let mut at = vector;
    loop {
        // SAFETY: pairs, of which the last has the key 0.
        let (key, value) = unsafe { (ptr::read_volatile(at), ptr::read_volatile(at.add(1))) };
        if key == wanted {
            return Some(value);
        }
        if key == 0 {
            return None;
        }
        // SAFETY: as above.
        at = unsafe { at.add(2) };
    }
}

/// A detached, read-only clone of the mount of the program's own file.
fn read_only_clone() -> Option<usize> {
    let read_only = MountAttr {
        set: MOUNT_ATTR_RDONLY,
        clear: 0,
        propagation: 0,
        userns: 0,
    };
    let own_file = OWN_FILE;
    let attributes = (&raw const read_only) as usize;
    let path = (&raw const own_file) as usize;
    let empty = path + 15;
    let flags = OPEN_TREE_CLONE | O_CLOEXEC;
    let size = size_of::<MountAttr>();
    // SAFETY: the path ends with a zero, and the structure is the kernel's, of this size.
    unsafe {
        let tree = system_call(SYS_OPEN_TREE_ATTR, AT_FDCWD, path, flags, attributes, size);
        if tree >= 0 {
            return Some(tree.cast_unsigned());
        }
        // Kernels before 6.15 want two calls.
        let tree = system_call(SYS_OPEN_TREE, AT_FDCWD, path, flags, 0, 0);
        if tree < 0 {
            return None;
        }
        let tree = tree.cast_unsigned();
        let set = system_call(
            SYS_MOUNT_SETATTR,
            tree,
            empty,
            AT_EMPTY_PATH,
            attributes,
            size,
        );
        (set == 0).then_some(tree)
    }
}

/// Makes a system call; a negative result is an error.
///
/// # Safety
/// The arguments are what that system call takes.
unsafe fn system_call(
    number: usize,
    one: usize,
    two: usize,
    three: usize,
    four: usize,
    five: usize,
) -> isize {
    let result: isize;
    // SAFETY: the kernel keeps all registers but these; the caller vouches for the arguments.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number.cast_signed() => result,
            in("rdi") one,
            in("rsi") two,
            in("rdx") three,
            in("r10") four,
            in("r8") five,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result
}
