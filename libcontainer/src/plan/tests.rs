//! Plans of whole configurations, without root and without a host.

mod failures;
mod fields;
mod host;
mod hosts_mounts;
mod options;
mod partners;
mod properties;
mod snapshots;
