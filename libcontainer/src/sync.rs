//! What parent and child say to each other while a container is born: messages of 16 bytes over a
//! `SOCK_SEQPACKET` socket pair (and a failure after the start over the FIFO of the state
//! directory). Plain numbers, so that the child can send them without the heap.

#![forbid(unsafe_code)]

use crate::plan::step::{IdMapping, Request, Slot};

/// Length of every message.
pub(crate) const MESSAGE_LEN: usize = 16;

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// Child: do this and answer.
    Ask(Request),
    /// Child: clone the mount trees of the step with this index, a
    /// [`crate::plan::step::Step::Receive`], and send them.
    OpenTrees(u16),
    /// Parent: done, go on.
    Done,
    /// Child: a step failed; the child ends.
    Failed(Failure),
    /// Child: every step before the start is done.
    Ready,
    /// Child: the process that goes on has this number, seen from the parent.
    Process(i32),
    /// Child: the message carries the seccomp listener's descriptor, or else that has this number in
    /// the child.
    Listener(i32),
    /// Child: map the ids of the mount tree that the message carries.
    MapIds(IdMapping),
    /// Parent: the message carries descriptors for [`crate::plan::step::Step::Receive`].
    Descriptors,
    /// Parent: run the program.
    Go,
}

/// Which step failed, in which call, and how. The parent has the plan and renders it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Index of the step.
    pub step: u16,
    /// The call, see [`crate::sys::Call`].
    pub call: u16,
    /// `errno`.
    pub errno: i32,
    /// What the call was about where the step has several things: the index of the parameter,
    /// descriptor, hook or candidate. For [`Call::HookExit`] the hook in the upper half and its wait
    /// status in the lower; its errno is 0, as that of every verification without one.
    ///
    /// [`Call::HookExit`]: crate::sys::Call::HookExit
    pub detail: u32,
}

const ASK: u16 = 1;
const DONE: u16 = 2;
const FAILED: u16 = 3;
const READY: u16 = 4;
const PROCESS: u16 = 5;
const LISTENER: u16 = 6;
const DESCRIPTORS: u16 = 7;
const GO: u16 = 8;
const MAP_IDS: u16 = 9;
const OPEN_TREES: u16 = 10;

impl Message {
    /// The message as bytes in the machine's order: kind, step, call, nothing, errno, detail.
    pub(crate) fn encode(self) -> [u8; MESSAGE_LEN] {
        let none = Failure {
            step: 0,
            call: 0,
            errno: 0,
            detail: 0,
        };
        let (kind, failure) = match self {
            Self::Ask(request) => (
                ASK,
                Failure {
                    detail: request as u32,
                    ..none
                },
            ),
            Self::OpenTrees(step) => (OPEN_TREES, Failure { step, ..none }),
            Self::Done => (DONE, none),
            Self::Failed(failure) => (FAILED, failure),
            Self::Ready => (READY, none),
            Self::Process(pid) => (PROCESS, Failure { errno: pid, ..none }),
            Self::Listener(number) => (
                LISTENER,
                Failure {
                    errno: number,
                    ..none
                },
            ),
            Self::MapIds(idmap) => (
                MAP_IDS,
                Failure {
                    step: idmap.slot.0,
                    detail: u32::from(idmap.recursive),
                    ..none
                },
            ),
            Self::Descriptors => (DESCRIPTORS, none),
            Self::Go => (GO, none),
        };
        let mut bytes = [0; MESSAGE_LEN];
        bytes[0..2].copy_from_slice(&kind.to_ne_bytes());
        bytes[2..4].copy_from_slice(&failure.step.to_ne_bytes());
        bytes[4..6].copy_from_slice(&failure.call.to_ne_bytes());
        bytes[8..12].copy_from_slice(&failure.errno.to_ne_bytes());
        bytes[12..16].copy_from_slice(&failure.detail.to_ne_bytes());
        bytes
    }

    /// The message in these bytes; `None` where they are none.
    pub(crate) fn decode(bytes: &[u8; MESSAGE_LEN]) -> Option<Self> {
        let half = |at: usize| u16::from_ne_bytes([bytes[at], bytes[at + 1]]);
        let word = |at: usize| [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        let failure = Failure {
            step: half(2),
            call: half(4),
            errno: i32::from_ne_bytes(word(8)),
            detail: u32::from_ne_bytes(word(12)),
        };
        Some(match half(0) {
            ASK => Self::Ask(request(failure.detail)?),
            OPEN_TREES => Self::OpenTrees(failure.step),
            DONE => Self::Done,
            FAILED => Self::Failed(failure),
            READY => Self::Ready,
            PROCESS => Self::Process(failure.errno),
            LISTENER => Self::Listener(failure.errno),
            MAP_IDS => Self::MapIds(IdMapping {
                slot: Slot(failure.step),
                recursive: failure.detail != 0,
            }),
            DESCRIPTORS => Self::Descriptors,
            GO => Self::Go,
            _ => return None,
        })
    }
}

fn request(number: u32) -> Option<Request> {
    [
        Request::WriteIdMaps,
        Request::AttachUnit,
        Request::RunHooks,
        Request::MoveNetDevices,
        Request::ApplyLimits,
    ]
    .into_iter()
    .find(|request| *request as u32 == number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_survives_its_bytes() {
        let failure = Failure {
            step: 7,
            call: 300,
            errno: 13,
            detail: u32::MAX,
        };
        for message in [
            Message::Ask(Request::WriteIdMaps),
            Message::Ask(Request::MoveNetDevices),
            Message::OpenTrees(9),
            Message::Done,
            Message::Failed(failure),
            Message::Ready,
            Message::Process(4_194_304),
            Message::Listener(7),
            Message::MapIds(IdMapping {
                slot: Slot(3),
                recursive: true,
            }),
            Message::Descriptors,
            Message::Go,
        ] {
            assert_eq!(Message::decode(&message.encode()), Some(message));
        }
    }

    #[test]
    fn other_bytes_are_no_message() {
        assert_eq!(Message::decode(&[0; MESSAGE_LEN]), None);
        assert_eq!(
            Message::decode(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 9, 0, 0]),
            None
        );
    }
}
