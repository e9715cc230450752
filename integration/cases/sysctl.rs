//! `linux.sysctl`.

use super::check::{prints, refused};
use crate::bundle::Bundle;
use crate::case::{Case, case};
use crate::test::Test;
use serde_json::json;
use std::fs;

/// Cases of this topic.
pub(super) const CASES: &[Case] = &[
    case("sysctl/set", "config-linux.md sysctl", set),
    case(
        "sysctl/refused",
        "config-linux.md sysctl: only what is namespaced",
        bad,
    ),
];

fn with(t: &Test, key: &str, value: &str) -> Bundle {
    t.bundle().set("/linux/sysctl", json!({key: value}))
}

fn set(t: &Test) {
    for (key, value) in [
        ("net.ipv4.ip_forward", "1"),
        ("net.core.somaxconn", "256"),
        ("net.ipv4.ping_group_range", "0\t5"),
        ("net.ipv4.conf.lo.forwarding", "1"),
        ("kernel.shmmax", "1048576"),
        ("kernel.msgmax", "4096"),
        ("kernel.sem", "128\t1024\t32\t64"),
        ("kernel.shm_rmid_forced", "1"),
        ("fs.mqueue.msg_max", "20"),
        ("net/ipv4/ip_default_ttl", "33"),
        ("kernel.domainname", "sysctl.test"),
    ] {
        t.row(key, || {
            let path = format!("/proc/sys/{}", key.replace('.', "/"));
            let host = fs::read_to_string(&path).ok();
            prints(t, &with(t, key, value).args(["cat", &path]), value);
            assert_eq!(fs::read_to_string(&path).ok(), host, "the host's value");
        });
    }
}

/// Values that the host has, so that a runtime which writes them does no harm.
fn bad(t: &Test) {
    for key in [
        "kernel.panic",
        "vm.swappiness",
        "fs.file-max",
        "kernel.hostname",
    ] {
        t.row(key, || {
            let path = format!("/proc/sys/{}", key.replace('.', "/"));
            let value = fs::read_to_string(path).unwrap();
            refused(t, with(t, key, value.trim()), &["sysctl"]);
        });
    }
    for (key, kind) in [("net.core.somaxconn", "network"), ("kernel.msgmax", "ipc")] {
        t.row(&format!("{key} without its namespace"), || {
            let path = format!("/proc/sys/{}", key.replace('.', "/"));
            let value = fs::read_to_string(path).unwrap();
            let bundle = with(t, key, value.trim()).without_namespace(kind);
            let bundle = bundle.without_mount("/dev/mqueue").without_mount("/sys");
            refused(t, bundle.without_mount("/sys/fs/cgroup"), &["sysctl"]);
        });
    }
    for key in [
        "net.../../kernel.panic",
        "net/../kernel/panic",
        "net.no.such.key",
    ] {
        t.row(key, || refused(t, with(t, key, "0"), &[]));
    }
}
