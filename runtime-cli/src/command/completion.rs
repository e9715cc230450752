//! `completion`: prints what a shell needs to complete oxrun's command line.

#![forbid(unsafe_code)]

use super::Context;
use crate::args::completion::{self, Shell};
use crate::failure::Failure;
use crate::output::{self, Status};

pub(super) fn completion(context: &Context<'_>) -> Result<Status, Failure> {
    let name = context.matches.operand(0).unwrap_or_default();
    let shell = match &*name {
        "bash" => Shell::Bash,
        "zsh" => Shell::Zsh,
        "fish" => Shell::Fish,
        other => return Err(Failure::Shell(other.to_owned())),
    };
    output::text(&completion::script(shell))
}
