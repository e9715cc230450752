//! All containers below one root.

#![forbid(unsafe_code)]

use std::io::ErrorKind as IoKind;
use std::path::Path;

use super::Container;
use crate::error::{Error, ErrorKind, Result};

impl Container {
    /// The containers below `root` in the order of their ids. What cannot be read is told beside; a
    /// container that goes away meanwhile is left out.
    pub fn list(root: &Path) -> Result<(Vec<Self>, Vec<Error>)> {
        let failed = |error| Error::system(root.display(), "read", error);
        let entries = match std::fs::read_dir(root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == IoKind::NotFound => return Ok(Default::default()),
            Err(error) => return Err(failed(error)),
        };
        let mut ids = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed)?;
            if entry.file_type().is_ok_and(|kind| kind.is_dir())
                && let Ok(id) = entry.file_name().into_string()
            {
                ids.push(id);
            }
        }
        ids.sort_unstable();
        let (mut containers, mut errors) = (Vec::new(), Vec::new());
        for id in ids {
            match Self::load(root, &id) {
                Ok(container) => containers.push(container),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => errors.push(error.within(format!("load container {id}"))),
            }
        }
        Ok((containers, errors))
    }
}
