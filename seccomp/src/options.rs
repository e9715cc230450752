//! What the caller wants beyond the profile.

#![forbid(unsafe_code)]

use oci_spec::runtime::Arch;

use crate::arch;

/// What the caller wants beyond the profile.
///
/// [`Options::default`] is what a container runtime wants.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Options {
    /// Refuse names that no architecture knows. Default: skip them with a
    /// [warning](crate::Warning), as profiles name calls that are newer than the runtime.
    pub unknown_names_are_errors: bool,
    /// Answer `ENOSYS` to calls that are newer than every call that the profile names, unless the
    /// default action lets calls through. Default: yes, as runc does; programs probe for new
    /// calls and fall back only after `ENOSYS`.
    pub enosys_for_newer_calls: bool,
    /// Accept `SCMP_ACT_NOTIFY` without a `listenerPath`, for callers that keep the listener.
    /// Default: no.
    pub listener_path_optional: bool,
    /// The machine that the filter is for. Default: the one that this program was built for.
    pub native: Arch,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            unknown_names_are_errors: false,
            enosys_for_newer_calls: true,
            listener_path_optional: false,
            native: arch::native(),
        }
    }
}
