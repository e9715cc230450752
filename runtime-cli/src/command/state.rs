//! `state`: prints what a container is doing, as JSON.

#![forbid(unsafe_code)]

use super::Context;
use crate::failure::Failure;
use crate::output::{self, Status};

pub(super) fn state(context: &Context<'_>) -> Result<Status, Failure> {
    output::json_pretty(&context.container()?.state()?)
}
