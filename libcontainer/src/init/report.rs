//! What the child says to its parent, and hears.

use std::os::fd::{AsFd, BorrowedFd, IntoRawFd};

use super::state::Child;
use crate::plan::step::{IdMapping, Request, Slot};
use crate::sync::{Failure, MESSAGE_LEN, Message};
use crate::sys::{Call, Fault, Result, file, process, socket};

const UNEXPECTED: Fault = Fault::new(Call::UnexpectedMessage, 0);

impl Child<'_> {
    fn failure(&self, fault: Fault) -> Failure {
        Failure {
            step: self.index,
            call: fault.call as u16,
            errno: fault.errno,
            detail: fault.detail,
        }
    }

    /// Reports the failure and ends the process. After `Ready` the parent may be gone: then `start`
    /// reads the report from the FIFO.
    pub(super) fn fail(&self, fault: Fault) -> ! {
        let message = Message::Failed(self.failure(fault)).encode();
        // Nobody is left to hear of a report that fails.
        let _ = match self.gate {
            Some(gate) if self.is_ready => file::write(gate, &message).map(drop),
            _ => self.send(
                Message::Failed(self.failure(fault)),
                self.said.as_ref().map(AsFd::as_fd),
            ),
        };
        process::exit(super::EXIT_FAILED)
    }

    /// With a descriptor by sendmsg(2). Without one by write(2), which a filter for a small program
    /// is far more likely to allow.
    pub(super) fn send(&self, message: Message, descriptor: Option<BorrowedFd<'_>>) -> Result<()> {
        match descriptor {
            Some(descriptor) => socket::send(self.sync, &message.encode(), &[descriptor]),
            None => file::write(self.sync, &message.encode()).map(drop),
        }
    }

    /// Waits for the next message, which carries no descriptors.
    pub(super) fn hear(&self) -> Result<Message> {
        self.close_parents_sync()?;
        let mut bytes = [0; MESSAGE_LEN];
        let length = file::read(self.sync, &mut bytes)?;
        if length != MESSAGE_LEN {
            return Err(UNEXPECTED);
        }
        Message::decode(&bytes).ok_or(UNEXPECTED)
    }

    /// Whether an ordinary user has made the user namespace.
    pub(super) fn is_a_users(&self) -> bool {
        self.id_maps
            .is_some_and(|maps| maps.with_helpers || maps.deny_setgroups)
    }

    /// Asks the parent for something and waits until it is done.
    pub(super) fn ask(&self, request: Request) -> Result<()> {
        // An unprivileged parent may open the child's id maps only while that is dumpable, which is
        // safe: the namespaces have no other process yet.
        let opens_maps = request == Request::WriteIdMaps && self.is_a_users();
        if opens_maps {
            process::set_dumpable(true)?;
        }
        self.send(Message::Ask(request), None)?;
        let answer = self.hear()?;
        if opens_maps {
            process::set_dumpable(false)?;
        }
        if answer == Message::Done {
            Ok(())
        } else {
            Err(UNEXPECTED)
        }
    }

    /// Has the parent map the ids of a tree.
    pub(super) fn have_ids_mapped(&self, tree: BorrowedFd<'_>, idmap: IdMapping) -> Result<()> {
        self.send(Message::MapIds(idmap), Some(tree))?;
        match self.hear()? {
            Message::Done => Ok(()),
            _ => Err(UNEXPECTED),
        }
    }

    /// Has the parent clone the trees of these slots, and takes them from as many messages as there
    /// are.
    pub(super) fn receive(&mut self, slots: &[Slot]) -> Result<()> {
        self.close_parents_sync()?;
        self.send(Message::OpenTrees(self.index), None)?;
        let mut missing = slots.iter();
        let mut filled = 0;
        while filled < slots.len() {
            let mut bytes = [0; MESSAGE_LEN];
            let before = filled;
            let descriptors = &mut *self.descriptors;
            let first_own = &mut self.first_own;
            let length = socket::receive(self.sync, &mut bytes, |descriptor| {
                let place = missing
                    .next()
                    .and_then(|slot| descriptors.get_mut(usize::from(slot.0)));
                if let Some(place) = place {
                    let received = descriptor.into_raw_fd();
                    *place = received;
                    // It stays, as if it had been inherited.
                    *first_own = (*first_own).max(received + 1);
                    filled += 1;
                }
            })?;
            let expected = length == MESSAGE_LEN
                && Message::decode(&bytes) == Some(Message::Descriptors)
                && filled > before;
            if !expected {
                return Err(UNEXPECTED);
            }
        }
        let last = self.last_left.get();
        self.last_left.set(last.max(self.first_own));
        Ok(())
    }
}
