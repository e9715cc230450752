//! Plans of whole configurations, without root and without a host.

mod failures;
mod fields;
mod host;
mod options;
mod partners;
mod properties;
mod snapshots;
