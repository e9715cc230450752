//! The state directory: `ROOT/ID` holds `state.json`, a copy of the configuration, and the FIFO
//! that starts the program.
//!
//! ```text
//! ROOT            0711
//!   ID            0711, flock(2)ed during every operation that changes the container
//!     state.json    the record, written anew and renamed into place
//!     config.json   the configuration as it was at create; later changes to the bundle have no effect
//!     exec.fifo     there while the container waits to be started; `creating.fifo` before that
//! ```

#![forbid(unsafe_code)]

mod directory;
mod fifo;
mod id;
mod record;

pub(crate) use directory::Directory;
pub(crate) use directory::read_record;
pub(crate) use fifo::{StartFifo, Started};
pub(crate) use id::check_id;
pub(crate) use record::{FORMAT, Record, RecordedHooks};
