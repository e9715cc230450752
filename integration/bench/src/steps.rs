//! Follows processes through user space, instruction by instruction.
//!
//! valgrind's callgrind would be the usual way, but Debian 12's (3.19) knows neither
//! clone3 nor open_tree, and `run` ends there; counters of the processor are not there
//! in many virtual machines. Single steps of ptrace(2) work everywhere and count all
//! processes, those after an execve and in new namespaces included.

use crate::launch::{Failure, Launcher, Words, shown};
use crate::sys;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// Where a process stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Behind one more instruction.
    Step,
    /// At the beginning of a program that it has just executed.
    Exec,
}

/// Instructions of a command and all its processes, until the last has ended.
///
/// # Errors
/// When the command cannot be started or traced, or fails.
pub fn count(launcher: &Launcher, words: &Words) -> Result<u64, Failure> {
    let mut steps = 0;
    walk(launcher, words, &mut |_, _| steps += 1)?;
    Ok(steps)
}

/// Shows every stop of a command and of all its processes, until the command has ended.
///
/// # Errors
/// When the command cannot be started or traced, or fails.
pub fn walk(
    launcher: &Launcher,
    words: &Words,
    visit: &mut dyn FnMut(Pid, Stop),
) -> Result<(), Failure> {
    let failed = |err: &dyn std::fmt::Display| format!("{}: single steps: {err}", shown(words));
    let mut command = launcher.command(words).map_err(|err| failed(&err))?;
    sys::trace_child(&mut command);
    let child = command.spawn().map_err(|err| failed(&err))?;
    let main = Pid::from_raw(child.id().cast_signed());
    // Its execve.
    waitpid(main, None).map_err(|err| failed(&err))?;
    let options = Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_EXITKILL;
    ptrace::setoptions(main, options).map_err(|err| failed(&err))?;
    visit(main, Stop::Exec);
    ptrace::step(main, None).map_err(|err| failed(&err))?;
    loop {
        match waitpid(None, Some(WaitPidFlag::__WALL)).map_err(|err| failed(&err))? {
            WaitStatus::Exited(pid, status) if pid == main => {
                return if status == 0 {
                    Ok(())
                } else {
                    Err(failed(&format!("status {status}")))
                };
            }
            WaitStatus::Signaled(pid, signal, _) if pid == main => return Err(failed(&signal)),
            WaitStatus::Stopped(pid, Signal::SIGTRAP) => {
                visit(pid, Stop::Step);
                go_on(pid, None);
            }
            WaitStatus::PtraceEvent(pid, _, libc::PTRACE_EVENT_EXEC) => {
                visit(pid, Stop::Exec);
                go_on(pid, None);
            }
            // The first stop of a new process.
            WaitStatus::Stopped(pid, Signal::SIGSTOP) | WaitStatus::PtraceEvent(pid, ..) => {
                go_on(pid, None)
            }
            WaitStatus::Stopped(pid, signal) => go_on(pid, Some(signal)),
            _ => {}
        }
    }
}

/// The process may have been killed meanwhile; its end is told by waitpid.
fn go_on(pid: Pid, signal: Option<Signal>) {
    let _ = ptrace::step(pid, signal);
}
