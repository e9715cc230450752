//! The cases by topic.

mod lifecycle;

use crate::case::Case;

/// One table of cases for each topic.
pub const TOPICS: &[&[Case]] = &[lifecycle::CASES];
