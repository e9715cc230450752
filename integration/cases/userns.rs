//! User namespaces with maps, made by root.

use super::check::{prints, refused};
use crate::case::{Case, case};
use crate::test::Test;
use serde_json::json;
use std::fs;
use std::os::unix::fs::MetadataExt;

/// Cases of this topic.
pub(super) const CASES: &[Case] = &[
    case(
        "userns/maps",
        "config-linux.md user namespace mappings",
        maps,
    ),
    case(
        "userns/files",
        "files of a container with mapped ids",
        files,
    ),
    case(
        "userns/joined",
        "config-linux.md namespaces: path of type user",
        joined,
    ),
    case(
        "userns/powerless-outside",
        "root of the container is nobody outside",
        powerless,
    ),
    case("userns/refused", "config-linux.md mappings: errors", bad),
];

const FIRST: u32 = 200_000;

fn maps(t: &Test) {
    let bundle = t.bundle().user_namespace(FIRST, 65536);
    t.row("one range", || {
        let show =
            "cat /proc/self/uid_map /proc/self/gid_map | tr -s ' '; cat /proc/self/setgroups";
        let line = format!("0 {FIRST} 65536");
        let out = t.run(&bundle.clone().sh(show)).success();
        let lines: Vec<&str> = out.lines().iter().map(|line| line.trim()).collect();
        assert_eq!(lines, [&line, &line, "allow"]);
    });
    t.row("several ranges", || {
        let map = json!([
            {"containerID": 0, "hostID": FIRST, "size": 10},
            {"containerID": 1000, "hostID": 300_000, "size": 5},
        ]);
        let bundle = bundle.clone().set("/linux/uidMappings", map.clone());
        let bundle = bundle
            .set("/linux/gidMappings", map)
            .set("/process/user", json!({"uid": 1000, "gid": 1001}));
        let c = t.start(&bundle.sh("echo ready; exec sleep 1000"));
        c.wait_output("ready");
        let status = fs::read_to_string(format!("/proc/{}/status", c.pid())).unwrap();
        assert!(
            status.contains("Uid:\t300000\t300000\t300000\t300000"),
            "{status}"
        );
        assert!(
            status.contains("Gid:\t300001\t300001\t300001\t300001"),
            "{status}"
        );
    });
    t.row("ids inside", || {
        let user = json!({"uid": 5, "gid": 6, "additionalGids": [7]});
        prints(
            t,
            &bundle.clone().set("/process/user", user).sh("id -u; id -G"),
            "5\n6 7",
        );
    });
}

fn files(t: &Test) {
    let bundle = t.bundle().user_namespace(FIRST, 65536).writable();
    t.run(
        &bundle
            .clone()
            .capabilities(&["CAP_CHOWN"])
            .sh("echo x > /new; chown 3:4 /new"),
    )
    .ok();
    let meta = fs::metadata(bundle.inside("new")).unwrap();
    assert_eq!((meta.uid(), meta.gid()), (FIRST + 3, FIRST + 4));
    t.row("devices", || {
        prints(
            t,
            &bundle
                .clone()
                .sh("echo x > /dev/null; head -c1 /dev/zero | wc -c"),
            "1",
        );
    });
    t.row("/dev belongs to root", || {
        prints(
            t,
            &bundle.clone().sh("stat -c '%u %g' /dev /dev/shm"),
            "0 0\n0 0",
        );
    });
    t.row("a host's file is nobody's", || {
        let file = t.new_file("host", "");
        let bundle = bundle.clone().bind(&file, "/host", &["bind"]);
        prints(t, &bundle.sh("stat -c '%u %g' /host"), "65534 65534");
    });
}

fn joined(t: &Test) {
    let first = t.bundle().user_namespace(FIRST, 65536).idle();
    let other = t.start(&first);
    let path = format!("/proc/{}/ns/user", other.pid());
    let expected = fs::read_link(&path).unwrap();
    let bundle = t.bundle().user_namespace(FIRST, 65536);
    let bundle = bundle
        .namespace("user", Some(&path))
        .remove("/linux/uidMappings")
        .remove("/linux/gidMappings");
    prints(
        t,
        &bundle.args(["readlink", "/proc/self/ns/user"]),
        expected.to_str().unwrap(),
    );
}

fn powerless(t: &Test) {
    let secret = t.new_file("secret", "secret\n");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(&secret, mode).unwrap();
    let bundle = t
        .bundle()
        .user_namespace(FIRST, 65536)
        .bind(&secret, "/secret", &["bind"]);
    let caps = [
        "CAP_DAC_OVERRIDE",
        "CAP_SYS_ADMIN",
        "CAP_MKNOD",
        "CAP_SYS_TIME",
    ];
    let bundle = bundle.writable().capabilities(&caps);
    for script in ["cat /secret", "mknod /made c 1 3", "date -s 2001-01-01"] {
        t.row(script, || {
            let out = t.run(&bundle.clone().sh(script));
            assert!(!out.stdout.contains("secret"), "{out}");
            // Busybox' date ends with 0 all the same.
            let refused = ["not permitted", "denied"];
            assert!(
                refused.iter().any(|text| out.stderr.contains(text)),
                "{out}"
            );
        });
    }
}

fn bad(t: &Test) {
    let map = |host: u32, size: u32| json!([{"containerID": 0, "hostID": host, "size": size}]);
    t.row("maps without the namespace", || {
        refused(
            t,
            t.bundle().set("/linux/uidMappings", map(FIRST, 9)),
            &["user"],
        );
    });
    t.row("the namespace without maps", || {
        refused(t, t.bundle().namespace("user", None), &[]);
    });
    t.row("ranges overlap", || {
        let both = json!([
            {"containerID": 0, "hostID": FIRST, "size": 10},
            {"containerID": 5, "hostID": 300_000, "size": 10},
        ]);
        let bundle = t.bundle().user_namespace(FIRST, 10);
        refused(t, bundle.set("/linux/uidMappings", both), &[]);
    });
    t.row("a user that is not mapped", || {
        let bundle = t.bundle().user_namespace(FIRST, 10);
        refused(t, bundle.set("/process/user/uid", 50), &[]);
    });
}
