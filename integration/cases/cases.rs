//! The cases by topic.

mod foreground;
mod harness;
mod lifecycle;

use crate::case::Case;

/// One table of cases for each topic.
pub const TOPICS: &[&[Case]] = &[harness::CASES, lifecycle::CASES, foreground::CASES];
