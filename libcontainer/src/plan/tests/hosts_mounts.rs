//! When the new mount namespace may begin without the host's mounts.

use super::host::{facts, patched, plan_of, plan_with};
use crate::facts::Facts;

fn may_begin_empty(patch: &str, facts: &Facts) -> bool {
    let plan = plan_of(&patched(patch), facts).expect(patch);
    plan.birth.may_begin_empty
}

#[test]
fn where_nothing_looks_for_them() {
    for patch in [
        "{}",
        r#"{"mounts": []}"#,
        r#"{"mounts": [{"destination": "/a", "source": "/b", "options": ["rbind"]}]}"#,
        r#"{"hooks": {"startContainer": [{"path": "/a"}], "poststart": [{"path": "/a"}]}}"#,
        r#"{"linux": {"rootfsPropagation": "rshared"}}"#,
    ] {
        assert!(may_begin_empty(patch, &facts()), "{patch}");
    }
}

#[test]
fn not_where_something_does() {
    for patch in [
        r#"{"hooks": {"prestart": [{"path": "/a"}]}}"#,
        r#"{"hooks": {"createRuntime": [{"path": "/a"}]}}"#,
        r#"{"hooks": {"createContainer": [{"path": "/a"}]}}"#,
        r#"{"mounts": [{"destination": "/a", "type": "overlay", "options": ["lowerdir=/b:/c"]}]}"#,
        r#"{"mounts": [{"destination": "/a", "type": "ext4", "source": "/dev/sda"}]}"#,
        r#"{"linux": {"namespaces": [{"type": "mount"}, {"type": "uts"}, {"type": "user"}],
            "uidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}],
            "gidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}]}}"#,
    ] {
        assert!(!may_begin_empty(patch, &facts()), "{patch}");
    }
}

#[test]
fn not_for_every_caller() {
    let may = facts();
    for (who, facts) in [
        (
            "may not change its root",
            Facts {
                may_change_root: false,
                ..may.clone()
            },
        ),
        (
            "may not mount",
            Facts {
                may_mount: false,
                ..may.clone()
            },
        ),
        (
            "in a user namespace",
            Facts {
                in_user_namespace: true,
                ..may
            },
        ),
    ] {
        assert!(!may_begin_empty("{}", &facts), "{who}");
    }
    let plan = plan_with(&patched("{}"), &facts(), true).expect("a plan");
    assert!(!plan.birth.may_begin_empty, "without pivot_root(2)");
}
