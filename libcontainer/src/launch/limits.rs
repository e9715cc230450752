//! Limits of a process in a user namespace: it may not raise them itself.

#![forbid(unsafe_code)]

use std::io::Write;

use nix::fcntl::OFlag;

use crate::error::{Error, Result};
use crate::plan::ParentLimits;
use crate::procfs::Proc;
use crate::sys;

/// Sets `oom_score_adj` and resource limits of a process.
pub(crate) fn apply(proc: &Proc, pid: i32, limits: &ParentLimits) -> Result<()> {
    if let Some(score) = limits.oom_score_adj {
        let failed = |error: std::io::Error| {
            Error::system(
                format!("process.oomScoreAdj: {score}"),
                "write oom_score_adj",
                error,
            )
        };
        proc.open_file(format!("{pid}/oom_score_adj"), OFlag::O_WRONLY)
            .map_err(|errno| failed(errno.into()))?
            .write_all(score.to_string().as_bytes())
            .map_err(failed)?;
    }
    for &(resource, soft, hard) in &limits.rlimits {
        sys::schedule::set_limit_of(pid, resource, soft, hard).map_err(|fault| {
            let object = format!("process.rlimits: resource {resource}, soft {soft}, hard {hard}");
            Error::fault(object, fault)
        })?;
    }
    Ok(())
}
