//! What a test needs of the machine: `cgroup v2`, `cgroup v1`,
//! `cgroup v1 CONTROLLER`, `capability NAME` or `path /FILE`.

use crate::need::Need;

/// The need that a text names.
pub(super) fn parse(text: &str) -> Option<Need> {
    let words: Vec<&str> = text.split(' ').collect();
    match words[..] {
        ["cgroup", "v2"] => Some(Need::CgroupV2),
        ["cgroup", "v1"] => Some(Need::CgroupV1("memory")),
        ["cgroup", "v1", controller] => Some(Need::CgroupV1(leak(controller))),
        ["capability", name @ "CAP_SYS_RESOURCE"] => Some(Need::Capability(leak(name), 24)),
        ["path", path] if path.starts_with('/') => Some(Need::Path(leak(path))),
        _ => None,
    }
}

/// Whether the machine has it; what cannot be understood, it has not.
pub(super) fn met(text: &str) -> bool {
    parse(text).is_some_and(|need| need.unmet().is_none())
}

/// A need holds text of the program; what was read lives as long as this short one.
fn leak(text: &str) -> &'static str {
    String::leak(text.to_owned())
}
