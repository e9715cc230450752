//! The seal (`libcontainer::seal`), before anything else is done that would be done twice.

use core::ffi::c_char;
use core::ptr;

use super::kernel::{self, MountAttr, auxiliary, system_call};
use super::text::{self, is, text};

/// What tells the program that it was executed by this, as `libcontainer::seal` has it.
const MARK: u128 = text(b"_OXRUN_SEALED=1");
const OWN_FILE: u128 = text(b"/proc/self/exe");

/// Executes the program from a read-only clone of its file's mount. Returns where that is not wanted,
/// or fails.
///
/// # Safety
/// `stack` is what the kernel passes a new program, see [`super::before_start`].
pub(super) unsafe fn seal(stack: *const usize) {
    // SAFETY: the kernel's layout, as promised.
    unsafe {
        let count = ptr::read_volatile(stack);
        let argv = stack.add(1).cast::<*const c_char>();
        let envp = argv.add(count).add(1);
        let mut end = envp;
        loop {
            let variable = ptr::read_volatile(end);
            if variable.is_null() {
                break;
            }
            // The sealed program itself, or a caller who says so: `libcontainer::seal` looks closer.
            if is(variable, MARK) {
                return;
            }
            end = end.add(1);
        }
        // The kernel tells the user, so that nobody need be asked.
        let vector = end.add(1).cast();
        if auxiliary(vector, kernel::AT_EUID) == Some(0)
            && let Some(file) = read_only_clone()
        {
            execute_marked(file, argv, envp, end.cast_mut().cast());
        }
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
        let empty = (&raw const mark) as usize + text::LENGTH - 1;
        let (argv, envp) = (argv as usize, envp as usize);
        system_call(
            kernel::EXECVEAT,
            file,
            empty,
            argv,
            envp,
            kernel::AT_EMPTY_PATH,
        );
        ptr::write_volatile(end, 0);
        ptr::write_volatile(end.add(1), behind);
    }
}

/// A detached, read-only clone of the mount of the program's own file.
fn read_only_clone() -> Option<usize> {
    let read_only = MountAttr {
        set: kernel::MOUNT_ATTR_RDONLY,
        clear: 0,
        propagation: 0,
        userns: 0,
    };
    let own_file = OWN_FILE;
    let attributes = (&raw const read_only) as usize;
    let path = (&raw const own_file) as usize;
    let empty = path + text::LENGTH - 1;
    let flags = kernel::OPEN_TREE_CLONE | kernel::O_CLOEXEC;
    let size = size_of::<MountAttr>();
    // SAFETY: the path ends with a zero, and the structure is the kernel's, of this size.
    unsafe {
        let tree = system_call(
            kernel::OPEN_TREE_ATTR,
            kernel::AT_FDCWD,
            path,
            flags,
            attributes,
            size,
        );
        if tree >= 0 {
            return Some(tree.cast_unsigned());
        }
        // Kernels before 6.15 want two calls.
        let tree = system_call(kernel::OPEN_TREE, kernel::AT_FDCWD, path, flags, 0, 0);
        if tree < 0 {
            return None;
        }
        let tree = tree.cast_unsigned();
        let set = system_call(
            kernel::MOUNT_SETATTR,
            tree,
            empty,
            kernel::AT_EMPTY_PATH,
            attributes,
            size,
        );
        (set == 0).then_some(tree)
    }
}
