//! The last moments before the program: telling the parent, waiting, closing what is not passed on.

use std::os::fd::BorrowedFd;

use super::state::Child;
use crate::sync::Message;
use crate::sys::{Call, Fault, Result, descriptor, file, process};

impl Child<'_> {
    /// Everything that can fail has been done; from here on the parent may end.
    pub(super) fn ready(&mut self) -> Result<()> {
        process::set_parent_death_signal(0)?;
        self.send(Message::Ready, None)?;
        self.is_ready = true;
        Ok(())
    }

    /// Waits for the byte in the FIFO, or for the parent's word.
    pub(super) fn wait_at_gate(&self) -> Result<()> {
        let Some(gate) = self.gate else {
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

    /// Marks every descriptor from `first` on close-on-exec.
    pub(super) fn close_from(&self, first: u32) -> Result<()> {
        match descriptor::close_range_on_exec(first) {
            // Kernels before 5.11 do not know the call or its flag; the container's own filter may
            // not know it either.
            Err(fault) if matches!(fault.errno, libc::ENOSYS | libc::EINVAL | libc::EPERM) => {
                close_listed(self.proc, first)
            }
            other => other,
        }
    }
}

/// Marks the descriptors that procfs lists.
fn close_listed(proc: BorrowedFd<'_>, first: u32) -> Result<()> {
    use std::os::fd::AsFd;

    let directory = file::open(proc, c"self/fd", libc::O_RDONLY | libc::O_DIRECTORY, 0)?;
    let mut buffer = [0; 2048];
    loop {
        let length = descriptor::directory_entries(directory.as_fd(), &mut buffer)?;
        if length == 0 {
            return Ok(());
        }
        let entries = buffer.get(..length).unwrap_or_default();
        let mut at = 0;
        while let Some((name, _, next)) = descriptor::directory_entry(entries, at) {
            at = next;
            let number = name.to_str().ok().and_then(|name| name.parse::<i32>().ok());
            if let Some(number) = number
                && u32::try_from(number).is_ok_and(|number| number >= first)
            {
                descriptor::close_on_exec(number)?;
            }
        }
    }
}
