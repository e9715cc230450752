//! `completion`: prints what a shell needs to complete oxrun's command line.

#![forbid(unsafe_code)]

use super::Context;
use crate::args::completion::{self, Shell};
use crate::failure::Failure;
use crate::output::{self, Status};

pub(super) fn completion(context: &Context<'_>) -> Result<Status, Failure> {
    let shell = match context.matches.operand(0).as_deref() {
        Some("bash") => Shell::Bash,
        Some("zsh") => Shell::Zsh,
        Some("fish") => Shell::Fish,
        _ => return Err(Failure::Refused("completion: allowed is bash, zsh or fish")),
    };
    output::text(&completion::script(shell))
}
