//! linux.netDevices (runtime specification 1.3): devices of the host move into
//! the container. Runs in a network namespace of the case's own.

use crate::case::{Case, case};
use crate::need::Need;
use crate::runtime::Kind;
use crate::test::Test;
use serde_json::json;
use std::path::Path;
use std::process::Command;

/// Cases of this topic.
pub(super) const CASES: &[Case] = &[
    case("netdevices/moved", "config-linux.md netDevices", moved).needs(IP),
    case(
        "netdevices/renamed",
        "config-linux.md netDevices name",
        renamed,
    )
    .needs(IP),
    case(
        "netdevices/missing",
        "config-linux.md netDevices: device is missing",
        missing,
    )
    .needs(IP),
    case(
        "netdevices/failure",
        "netDevices: taken back after a failure",
        failure,
    )
    .needs(IP),
];

const IP: &[Need] = &[Need::Program("ip")];

/// A device with an address in a new network namespace, which the calls inherit.
fn prepare(t: &Test) {
    if t.runtime.kind != Kind::Oxrun {
        t.skip("newer than the runtimes of distributions");
    }
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
    let kinds = [
        &["dummy"][..],
        &["veth", "peer", "name", "peer0"],
        &["bridge"],
        &["tun"],
    ];
    let made = kinds.iter().any(|kind| {
        let mut words = vec!["link", "add", "case0", "type"];
        words.extend(*kind);
        ip(&words)
    });
    if !made && !ip(&["tuntap", "add", "dev", "case0", "mode", "tap"]) {
        t.skip("needs a kind of network device that can be made");
    }
    assert!(ip(&["address", "add", "192.0.2.9/24", "dev", "case0"]));
}

fn ip(words: &[&str]) -> bool {
    Command::new("ip")
        .args(words)
        .output()
        .expect("ip")
        .status
        .success()
}

fn on_host(name: &str) -> bool {
    ip(&["link", "show", name])
}

fn moved(t: &Test) {
    prepare(t);
    let bundle = t
        .bundle()
        .set("/linux/netDevices", json!({"case0": {}}))
        .idle();
    let c = t.create(&bundle);
    assert!(!on_host("case0"), "the device is still on the host");
    c.start();
    let out = c.sh("ip address show case0").success();
    assert!(out.text().contains("192.0.2.9/24"), "{out}");
    assert!(out.text().contains("UP"), "{out}");
}

fn renamed(t: &Test) {
    prepare(t);
    let bundle = t
        .bundle()
        .set("/linux/netDevices", json!({"case0": {"name": "eth7"}}));
    let out = t
        .run(&bundle.sh("ip address show eth7; ls /sys/class/net"))
        .success();
    assert!(out.text().contains("192.0.2.9/24"), "{out}");
    assert!(!out.text().contains("case0"), "{out}");
}

fn missing(t: &Test) {
    prepare(t);
    let bundle = t
        .bundle()
        .set("/linux/netDevices", json!({"nodev0": {}}))
        .sh("echo ran");
    let out = t.run(&bundle).failure(&["nodev0"]);
    assert_eq!(out.text(), "");
    t.row("no network namespace", || {
        let bundle = t.bundle().without_namespace("network").sh("echo ran");
        t.run(&bundle.set("/linux/netDevices", json!({"case0": {}})))
            .failure(&[]);
    });
    assert!(Path::new("/proc/self/ns/net").exists() && on_host("case0"));
}

fn failure(t: &Test) {
    prepare(t);
    let bundle = t
        .bundle()
        .set("/linux/netDevices", json!({"case0": {"name": "eth7"}}))
        .args(["/no/such/program"]);
    t.run(&bundle).failure(&[]);
    assert!(on_host("case0"), "the device went with the container");
}
