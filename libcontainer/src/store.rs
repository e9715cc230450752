//! The state directory: `ROOT/ID` holds `state.json` and the FIFO that starts the program.
//!
//! ```text
//! ROOT            0711
//!   ID            0711, flock(2)ed during every operation that changes the container
//!     state.json    the record, and in it the configuration; `creating.json` while the container is
//!                   being created
//!     exec.fifo     there while the container waits to be started
//! ```

#![forbid(unsafe_code)]

mod directory;
mod fifo;
mod id;
mod record;

pub(crate) use directory::{
    Config, Directory, is_creating, read, remove, still_there, wait_for_lock,
};
pub(crate) use fifo::{StartFifo, Started};
pub(crate) use id::check_id;
pub(crate) use record::{FORMAT, Record, RecordedHooks};
