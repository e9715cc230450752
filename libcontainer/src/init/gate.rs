//! The last moments before the program: telling the parent, waiting, closing what is not passed on.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use super::state::Child;
use crate::sync::Message;
use crate::sys::{Call, Fault, Result, descriptor, file, process};

impl Child<'_> {
    /// Everything that can fail has been done; from here on the parent may end.
    pub(super) fn ready(&mut self) -> Result<()> {
        self.send(Message::Ready, None)?;
        self.is_ready = true;
        if self.gate.is_some() {
            // What is to be said from here on is said through the FIFO.
            descriptor::close(self.sync.as_raw_fd())?;
        }
        Ok(())
    }

    /// Waits for the byte in the FIFO, or for the parent's word where that will come.
    pub(super) fn wait_at_gate(&self) -> Result<()> {
        let Some(gate) = self.gate else {
            if !self.waits {
                return Ok(());
            }
            return match self.hear() {
                Ok(Message::Go) => Ok(()),
                // The parent is gone: nobody wants the program any more.
                _ => process::exit(super::EXIT_FAILED),
            };
        };
        let mut byte = [0];
        match file::read(gate, &mut byte)? {
            1 => Ok(()),
            _ => Err(Fault::new(Call::Read, libc::EPIPE)),
        }
    }

    /// The last of the preparations, before a filter may forbid them: the parent's death is none of
    /// this process's any more.
    ///
    /// Closes every descriptor from `first` on but the two that the wait for the start needs, which
    /// the program does not get either. While this process waits, and that may be long, others of the
    /// container run: nothing may be left here that leads to the host.
    pub(super) fn close_from(&mut self, first: u32) -> Result<()> {
        if self.has_hooks {
            self.host_pid = Some(self.host_pid()?);
        }
        self.forget();
        self.descriptors.fill(-1);
        match self.parents_sync.take() {
            Some(end) if end.unsigned_abs() < first => descriptor::close(end)?,
            _ => {}
        }
        self.first_closed = first;
        let gate = self.gate.unwrap_or(self.sync);
        let (sync, gate) = (number(self.sync), number(gate));
        let kept = [sync.min(gate), sync.max(gate)];
        match close_around(first, &kept) {
            // Kernels before 5.9 do not know the call; the container's own filter may not either.
            Err(fault)
                if self.seccomp.is_some() || matches!(fault.errno, libc::ENOSYS | libc::EPERM) =>
            {
                close_listed(self.proc()?, first, kept)?;
            }
            other => other?,
        }
        self.proc = None;
        // Into a namespace that only this process holds its user can come (exec) only while it is
        // dumpable. What others of the container could see of it is the user's own.
        if self.gate.is_some() && self.is_a_users() {
            process::set_dumpable(true)?;
        }
        // A parent that dies now is noticed when it is told that all is ready.
        if self.has_hooks {
            process::set_parent_death_signal(0)?;
        }
        Ok(())
    }

    /// In a hook's process: marks everything but 0 to 2 close-on-exec.
    pub(super) fn keep_from_hook(&self) -> Result<()> {
        match descriptor::close_range_on_exec(3) {
            // Kernels before 5.11 do not know the call or its flag.
            Err(fault) if matches!(fault.errno, libc::ENOSYS | libc::EINVAL | libc::EPERM) => {}
            other => return other,
        }
        if let Some(proc) = self.proc {
            return for_each_open(proc, |open| match open {
                0..3 => Ok(()),
                _ => descriptor::close_on_exec(open),
            });
        }
        // Everything else was closed: what is left is the caller's, for the program alone.
        for open in 3..self.first_closed {
            let open = i32::try_from(open).unwrap_or(i32::MAX);
            match descriptor::close_on_exec(open) {
                Err(fault) if fault.errno != libc::EBADF => return Err(fault),
                _ => {}
            }
        }
        Ok(())
    }
}

/// How many descriptors of its own the child leaves open before it closes those that it no longer
/// needs: many mounts must not come up against the limit of open files.
const MANY: i32 = 256;

impl Child<'_> {
    /// Gives up a descriptor that a step has opened and does not close: `CloseFrom` closes all of
    /// them by one call.
    pub(super) fn leave(&self, opened: OwnedFd) -> BorrowedFd<'static> {
        let left = descriptor::leave_open(opened);
        self.last_left
            .set(self.last_left.get().max(left.as_raw_fd()));
        left
    }

    /// Between two steps: closes what was left open, should it be much, but for what later steps use.
    pub(super) fn tidy(&mut self) -> Result<()> {
        let last = self.last_left.get();
        if last - self.first_own < MANY {
            return Ok(());
        }
        self.known.clear();
        self.entered = None;
        let mut kept = [self.root, self.null, self.empty].map(|kept| kept.map_or(0, number));
        kept.sort_unstable();
        let first = self.first_own.unsigned_abs();
        match close_around(first, &kept) {
            Err(fault) if matches!(fault.errno, libc::ENOSYS | libc::EPERM) => {
                for open in (first..=last.unsigned_abs()).filter(|open| !kept.contains(open)) {
                    // Not every number is open.
                    let _ = descriptor::close(i32::try_from(open).unwrap_or(-1));
                }
            }
            other => other?,
        }
        self.last_left.set(self.first_own);
        Ok(())
    }

    /// What is forgotten before its number is closed.
    fn forget(&mut self) {
        (self.root, self.null, self.empty) = (None, None, None);
        self.known.clear();
    }
}

fn number(descriptor: BorrowedFd<'_>) -> u32 {
    descriptor.as_raw_fd().unsigned_abs()
}

/// Closes everything from `first` on but some descriptors, which are in order.
fn close_around(first: u32, kept: &[u32]) -> Result<()> {
    let mut from = first;
    for &kept in kept {
        if kept > from {
            descriptor::close_range(from, kept - 1)?;
        }
        from = from.max(kept.saturating_add(1));
    }
    descriptor::close_range(from, u32::MAX)
}

/// As [`close_around`] for what procfs lists.
fn close_listed(proc: BorrowedFd<'_>, first: u32, kept: [u32; 2]) -> Result<()> {
    for_each_open(proc, |open| {
        let open_number = open.unsigned_abs();
        let goes = open_number >= first && !kept.contains(&open_number);
        if goes && open != proc.as_raw_fd() {
            descriptor::close(open)
        } else {
            Ok(())
        }
    })?;
    if number(proc) >= first {
        descriptor::close(proc.as_raw_fd())?;
    }
    Ok(())
}

/// Calls `action` with the number of each open descriptor.
fn for_each_open(proc: BorrowedFd<'_>, action: impl Fn(RawFd) -> Result<()>) -> Result<()> {
    let directory = file::open(proc, c"self/fd", libc::O_RDONLY | libc::O_DIRECTORY, 0)?;
    descriptor::for_each_entry::<2048>(directory.as_fd(), |name, _| {
        let open = name.to_str().ok().and_then(|name| name.parse().ok());
        match open {
            Some(open) if open != directory.as_raw_fd() => action(open),
            _ => Ok(()),
        }
    })
}
