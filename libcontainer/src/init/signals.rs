//! Signals as a new program finds them.

use super::state::Child;
use crate::sys::{Result, signal};

impl Child<'_> {
    /// Gives every signal its default action and unblocks all: those that procfs names as ignored or
    /// caught, of which there are few, or where it cannot be asked every one.
    pub(super) fn reset_signals(&mut self) -> Result<()> {
        match self.own_status() {
            Some(status) => signal::reset(status.not_default)?,
            None => signal::reset_all()?,
        }
        // The start may be long in coming, and the caller may think better of it.
        if self.gate.is_some() {
            signal::end_on_request();
        }
        Ok(())
    }
}
