//! The document against the specification's types, and against what planning takes.

use oci_spec::runtime as oci;

use super::*;

fn document() -> serde_json::Value {
    serde_json::to_value(features(Probed::default())).expect("JSON")
}

fn strings(value: &serde_json::Value, pointer: &str) -> Vec<String> {
    let list = value.pointer(pointer).and_then(|list| list.as_array());
    list.expect(pointer)
        .iter()
        .filter_map(|element| element.as_str().map(ToOwned::to_owned))
        .collect()
}

#[test]
fn the_specifications_types_take_it() {
    let parsed: oci::Features = serde_json::from_value(document()).expect("the types of oci-spec");
    assert_eq!(parsed.oci_version_max(), OCI_VERSION_MAX);
    let linux = parsed.linux().as_ref().expect("linux");
    assert_eq!(linux.namespaces().as_ref().map(Vec::len), Some(8));
    let idmap = linux
        .mount_extensions()
        .as_ref()
        .and_then(|m| m.idmap().clone());
    assert_eq!(idmap.and_then(|idmap| *idmap.enabled()), Some(true));
}

/// The lists of the document that runc 1.1 and the specification's example share.
#[test]
fn it_holds_what_the_specification_lists() {
    let document = document();
    let options = strings(&document, "/mountOptions");
    for option in "async atime bind defaults dev diratime dirsync exec iversion lazytime loud mand \
        noatime nodev nodiratime noexec noiversion nolazytime nomand norelatime nostrictatime nosuid \
        nosymfollow private ratime rbind rdev rdiratime relatime remount rexec rnoatime rnodev \
        rnodiratime rnoexec rnorelatime rnostrictatime rnosuid rnosymfollow ro rprivate rrelatime rro \
        rrw rshared rslave rstrictatime rsuid rsymfollow runbindable rw shared silent slave \
        strictatime suid symfollow sync tmpcopyup unbindable"
        .split_whitespace()
    {
        assert!(options.iter().any(|known| known == option), "{option}");
    }
    assert!(options.is_sorted());
    let hooks = strings(&document, "/hooks");
    assert_eq!(
        hooks.join(" "),
        "prestart createRuntime createContainer startContainer poststart poststop"
    );
    let capabilities = strings(&document, "/linux/capabilities");
    assert_eq!(capabilities.len(), 41);
    assert_eq!(capabilities.first().map(String::as_str), Some("CAP_CHOWN"));
    for pointer in [
        "/linux/memoryPolicy/modes",
        "/linux/seccomp/archs",
        "/linux/seccomp/actions",
    ] {
        assert!(!strings(&document, pointer).is_empty(), "{pointer}");
    }
}
