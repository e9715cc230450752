//! The table of mount options.

use super::super::kernel::{attr, propagation};
use super::super::mount_options::{Effect, TABLE, effect, parse};
use super::super::step::Attributes;

#[test]
fn the_table_is_in_order_and_every_name_is_found() {
    assert!(TABLE.is_sorted_by(|one, other| one.0 < other.0));
    for (name, expected) in TABLE {
        assert_eq!(effect(name), Some(*expected), "{name}");
    }
    assert_eq!(effect("size=1m"), None);
}

fn attributes(options: &str) -> Attributes {
    let options: Vec<&str> = options.split(',').collect();
    parse(&options).attributes
}

/// Clearing an access time setting without clearing all of its bits is an error of the kernel.
#[test]
fn access_times_are_one_field() {
    for (options, set) in [
        ("noatime", attr::NOATIME),
        ("strictatime", attr::STRICTATIME),
        ("relatime", 0),
        ("noatime,strictatime", attr::STRICTATIME),
    ] {
        let expected = Attributes {
            set,
            clear: attr::ATIME,
            ..Attributes::default()
        };
        assert_eq!(attributes(options), expected, "{options}");
        let tree: Vec<String> = options.split(',').map(|name| format!("r{name}")).collect();
        let expected = Attributes {
            set_recursive: set,
            clear_recursive: attr::ATIME,
            ..Attributes::default()
        };
        assert_eq!(attributes(&tree.join(",")), expected, "{tree:?}");
    }
    for options in [
        "norelatime",
        "relatime,norelatime",
        "rrelatime,rnorelatime",
        "atime",
        "noatime,atime",
        "strictatime,nostrictatime",
    ] {
        assert_eq!(attributes(options), Attributes::default(), "{options}");
    }
}

#[test]
fn the_last_of_two_opposites_counts() {
    let attributes = attributes("ro,rw,nosuid,suid,nosuid,rro,rrw");
    assert_eq!(attributes.set, attr::NOSUID);
    assert_eq!(attributes.clear, attr::RDONLY);
    assert_eq!(attributes.set_recursive, 0);
    assert_eq!(attributes.clear_recursive, attr::RDONLY);
    let parsed = parse(&["sync", "lazytime", "async", "size=1m", "lazytime"]);
    assert_eq!(parsed.superblock, ["lazytime"]);
    assert_eq!(parsed.data, ["size=1m"]);
}

#[test]
fn propagation_of_a_tree_and_of_its_top() {
    assert_eq!(
        attributes("rshared").propagation_recursive,
        propagation::SHARED
    );
    let both = attributes("rslave,shared");
    assert_eq!(
        (both.propagation_recursive, both.propagation),
        (propagation::SLAVE, propagation::SHARED)
    );
    assert_eq!(attributes("shared,rslave").propagation, 0);
}

#[test]
fn binds_and_id_maps_keep_what_is_wider() {
    assert_eq!(parse(&["rbind", "bind"]).bind, Some(true));
    assert_eq!(parse(&["bind"]).bind, Some(false));
    assert_eq!(parse(&["idmap"]).idmap, Some(false));
    assert_eq!(parse(&["ridmap"]).idmap, Some(true));
    assert_eq!(parse(&["defaults"]), parse::<&str>(&[]));
}

/// Every recursive option does to the tree what the plain one does to the mount.
#[test]
fn recursive_options_mirror_the_plain_ones() {
    for (name, known) in TABLE {
        // The plain ones only take back an earlier option, as with mount(8).
        if matches!(*name, "ratime" | "rnostrictatime") {
            continue;
        }
        let mirrored = match known {
            Effect::SetTree(flag) => Effect::Set(*flag),
            Effect::ClearTree(flag) => Effect::Clear(*flag),
            Effect::AtimeTree(value) => Effect::Atime(*value),
            Effect::NotAtimeTree(value) => Effect::NotAtime(*value),
            Effect::PropagationTree(flag) => Effect::Propagation(*flag),
            Effect::BindTree => Effect::Bind,
            Effect::IdMapTree => Effect::IdMap,
            _ => continue,
        };
        let plain = name
            .strip_prefix('r')
            .expect("recursive names start with r");
        assert_eq!(effect(plain), Some(mirrored), "{name}");
    }
}

#[test]
fn a_bind_mount_has_exactly_the_flags_that_are_given() {
    let of = |options: &str| parse(&options.split(',').collect::<Vec<_>>()).of_bind();
    assert_eq!(of("bind"), Attributes::default());
    assert_eq!(of("bind,atime"), Attributes::default());
    let lockable = attr::RDONLY | attr::NOSUID | attr::NODEV | attr::NOEXEC;
    let read_only = of("bind,ro,exec");
    assert_eq!(read_only.set, attr::RDONLY);
    assert_eq!(
        read_only.clear,
        attr::NOSUID | attr::NODEV | attr::NOEXEC | attr::NOSYMFOLLOW
    );
    assert_eq!(read_only.may_stay, attr::NOSUID | attr::NODEV);
    let times = of("bind,nodiratime");
    assert_eq!(times.set, attr::NODIRATIME);
    assert_eq!(times.clear, lockable | attr::NOSYMFOLLOW | attr::ATIME);
    let strict = of("bind,strictatime");
    assert_eq!(strict.clear & attr::NODIRATIME, attr::NODIRATIME);
}
