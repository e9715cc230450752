//! stub
use std::os::fd::BorrowedFd;
pub(crate) fn move_all(_d: &[crate::plan::NetDevice], _n: BorrowedFd<'_>) -> crate::Result<()> {
    Err(crate::Error::new(
        crate::ErrorKind::System,
        "linux.netDevices: not supported yet",
    ))
}
