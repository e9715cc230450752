//! `features`: what this program can do, as JSON (features.md of the runtime specification).

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use libcontainer::features::{Probed, features as document};

use crate::args::help::{COMMIT, VERSION};
use crate::failure::Failure;
use crate::output::{self, Status};

pub(super) fn features() -> Result<Status, Failure> {
    let annotations = [
        ("io.github.oxrun.version", VERSION),
        ("io.github.oxrun.commit", COMMIT),
    ];
    let annotations = annotations.map(|(name, value)| (name.to_owned(), value.to_owned()));
    output::json_pretty(&document(Probed {
        annotations: BTreeMap::from(annotations),
        seccomp_flags: None,
    }))
}
