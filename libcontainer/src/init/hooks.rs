//! Hooks that run in the container's namespaces.

use core::time::Duration;
use std::os::fd::{AsFd, BorrowedFd};

use super::state::Child;
use crate::plan::step::HookStep;
use crate::sys::{Call, Fault, Result, descriptor, file, process, schedule, signal};

/// Exit code of a hook's process that could not execute the hook.
const EXIT_NOT_EXECUTED: i32 = 127;
/// Length of a [`Fault`] on its way to us: call and errno.
const REPORT: usize = 8;

impl Child<'_> {
    /// Runs hooks one after the other. The first that fails fails the step.
    pub(super) fn run_hooks(&mut self, hooks: &mut [HookStep]) -> Result<()> {
        for (index, hook) in (0..).zip(hooks) {
            self.run_hook(hook, index)?;
        }
        Ok(())
    }

    fn run_hook(&mut self, hook: &mut HookStep, index: u32) -> Result<()> {
        self.write_pid(hook)?;
        // A file, not a pipe: a hook that does not read cannot hold us up.
        let state = descriptor::memory_file(c"state")?;
        file::write_all(state.as_fd(), &hook.state)?;
        file::rewind(state.as_fd())?;
        let said = descriptor::memory_file(c"output")?;
        let (result, report) = descriptor::pipe()?;
        let hook = &*hook;
        let child = &*self;
        let hook_process = process::clone(0, None, || {
            let fault = child.become_hook(hook, state.as_fd(), said.as_fd());
            let [a, b, c, d] = u32::from(fault.call as u16).to_ne_bytes();
            let [e, f, g, h] = fault.errno.to_ne_bytes();
            // Nobody else could be told.
            let _ = file::write(report.as_fd(), &[a, b, c, d, e, f, g, h]);
            EXIT_NOT_EXECUTED
        })
        .map_err(|fault| fault.about(index))?;
        drop(report);
        let timeout = hook.timeout_ms.map(Duration::from_millis);
        let status = wait(&hook_process, timeout, index)?;
        match received(result.as_fd()) {
            Some(fault) => Err(fault.about(index)),
            None if status == 0 => Ok(()),
            None => {
                self.said = Some(said);
                Err(failed(status, index))
            }
        }
    }

    /// In the hook's process: returns only why the hook could not be executed.
    fn become_hook(&self, hook: &HookStep, state: BorrowedFd<'_>, output: BorrowedFd<'_>) -> Fault {
        let envp = match hook.inherits_env {
            true => &self.image.envp,
            false => &hook.envp,
        };
        match self.prepare_hook(state, output) {
            Err(fault) => fault,
            Ok(()) => process::execute(&hook.path, &hook.argv, envp),
        }
    }

    fn prepare_hook(&self, state: BorrowedFd<'_>, output: BorrowedFd<'_>) -> Result<()> {
        if !self.is_ready {
            process::set_parent_death_signal(libc::SIGKILL)?;
        }
        process::new_process_group()?;
        descriptor::duplicate_onto(state, 0)?;
        descriptor::duplicate_onto(output, 1)?;
        descriptor::duplicate_onto(output, 2)?;
        self.keep_from_hook()?;
        // As with runc, on which hooks rely, in the container's root, before and after it is changed.
        match self.root {
            Some(root) => file::enter(root)?,
            None => file::enter_path(c"/")?,
        }
        if let Some(inherited) = self.umask {
            schedule::set_umask(inherited);
        }
        signal::reset_all()
    }

    /// Writes the process's number in the host's PID namespace into the state.
    fn write_pid(&self, hook: &mut HookStep) -> Result<()> {
        let pid = self.host_pid()?;
        let end = hook.pid_offset.saturating_add(pid.as_bytes().len());
        if let Some(place) = hook.state.get_mut(hook.pid_offset..end) {
            place.copy_from_slice(pid.as_bytes());
        }
        Ok(())
    }
}

/// Waits for a hook. After the time it is killed with what it has started.
fn wait(hook: &process::Cloned, timeout: Option<Duration>, index: u32) -> Result<i32> {
    let pidfd = hook.pidfd.as_fd();
    if timeout.is_some() && descriptor::wait_readable(pidfd, timeout)? == 0 {
        process::kill_with_group(hook)?;
        process::wait(pidfd)?;
        return Err(Fault::new(Call::HookTimeout, 0).about(index));
    }
    process::wait(pidfd)
}

/// What the hook's process wrote before it could execute the hook; nothing where it could.
fn received(report: BorrowedFd<'_>) -> Option<Fault> {
    let mut bytes = [0; REPORT];
    let length = file::read(report, &mut bytes).ok()?;
    (length > 0).then(|| {
        let [a, b, c, d, errno @ ..] = bytes;
        let call = u16::try_from(u32::from_ne_bytes([a, b, c, d])).ok();
        let call = call.and_then(Call::from_u16).unwrap_or(Call::Execve);
        Fault::new(call, i32::from_ne_bytes(errno))
    })
}

fn failed(status: i32, index: u32) -> Fault {
    // The wait status in the lower half, which hook in the upper.
    let detail = (index << 16) | (status.unsigned_abs() & 0xffff);
    Fault::new(Call::HookExit, 0).about(detail)
}
