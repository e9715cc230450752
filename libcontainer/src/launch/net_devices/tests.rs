use std::process::Command;

use nix::sched::{CloneFlags, setns, unshare};
use serde_json::Value;

use super::*;
use crate::sys::testing::{in_child, is_root};

/// The child's own network namespace is the host, another one the container.
struct Scene {
    container: File,
}

const VETH: &str = "link add v0 type veth peer name v1";

/// Runs `body` in a child with the two namespaces, after these commands of `ip` in the host's.
fn scene(commands: &[&str], body: impl FnOnce(&Scene)) {
    if !is_root("net_devices") {
        return;
    }
    let flags = CloneFlags::CLONE_NEWNET;
    in_child(u64::from(flags.bits().cast_unsigned()), || {
        let own = File::open(OWN_NAMESPACE).unwrap();
        unshare(flags).unwrap();
        let container = File::open(OWN_NAMESPACE).unwrap();
        setns(&own, flags).unwrap();
        for command in commands {
            ip(command);
        }
        body(&Scene { container });
        // The thread is where it was.
        let inode = |file: &File| nix::sys::stat::fstat(file).unwrap().st_ino;
        inode(&File::open(OWN_NAMESPACE).unwrap()) == inode(&own)
    });
}

fn ip(arguments: &str) {
    let output = Command::new("ip")
        .args(arguments.split(' '))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {arguments}: {text}");
}

fn device(name: &str, rename: Option<&str>) -> NetDevice {
    NetDevice {
        name: name.to_owned(),
        rename: rename.map(str::to_owned),
    }
}

impl Scene {
    fn move_all(&self, devices: &[NetDevice]) -> Result<Moved> {
        move_all(devices, self.container.as_fd())
    }

    /// What `ip` sees in the container, device by device.
    fn inside(&self) -> Vec<Value> {
        let own = format!(
            "/proc/{}/fd/{}",
            std::process::id(),
            self.container.as_raw_fd()
        );
        let output = Command::new("nsenter")
            .args([&format!("--net={own}"), "ip", "-d", "-j", "addr"])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn ip_inside(&self, arguments: &str) {
        let own = format!(
            "/proc/{}/fd/{}",
            std::process::id(),
            self.container.as_raw_fd()
        );
        let status = Command::new("nsenter")
            .args([&format!("--net={own}"), "ip"])
            .args(arguments.split(' '))
            .status()
            .unwrap();
        assert!(status.success());
    }
}

fn outside() -> Vec<Value> {
    let output = Command::new("ip")
        .args(["-d", "-j", "addr"])
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

fn named<'a>(devices: &'a [Value], name: &str) -> Option<&'a Value> {
    devices.iter().find(|device| device["ifname"] == name)
}

fn is_up(device: &Value) -> bool {
    device["flags"]
        .as_array()
        .unwrap()
        .iter()
        .any(|flag| flag == "UP")
}

/// Address, prefix length and label of the global ones.
fn global(device: &Value) -> Vec<(String, u64, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let addresses = device["addr_info"].as_array().unwrap().iter();
    addresses
        .filter(|address| address["scope"] == "global")
        .map(|address| {
            (
                text(&address["local"]),
                address["prefixlen"].as_u64().unwrap(),
                text(&address["label"]),
            )
        })
        .collect()
}

const ADDRESSED: &[&str] = &[
    VETH,
    "addr add 192.0.2.1/24 broadcast 192.0.2.255 dev v0",
    "addr add 192.0.2.2/24 dev v0 label v0:x",
    "addr add 198.51.100.1/32 dev v0 scope link",
    "addr add 203.0.113.9/24 dev v0 valid_lft 900 preferred_lft 900",
    "addr add 2001:db8::1/64 dev v0 nodad",
    "link set v0 mtu 1400 address 02:00:00:00:00:07 up",
    "link set v1 up",
];

fn expected(name: &str) -> Vec<(String, u64, String)> {
    let own = |text: &str| text.to_owned();
    vec![
        (own("192.0.2.1"), 24, own(name)),
        (own("192.0.2.2"), 24, format!("{name}:x")),
        (own("2001:db8::1"), 64, String::new()),
    ]
}

#[test]
fn a_device_keeps_permanent_global_addresses_and_attributes_under_its_new_name() {
    scene(ADDRESSED, |scene| {
        scene.move_all(&[device("v0", Some("eth7"))]).unwrap();
        assert!(named(&outside(), "v0").is_none());
        let inside = scene.inside();
        let moved = named(&inside, "eth7").unwrap();
        assert_eq!(global(moved), expected("eth7"));
        assert!(is_up(moved));
        assert_eq!(moved["mtu"], 1400);
        assert_eq!(moved["address"], "02:00:00:00:00:07");
        let scoped = moved["addr_info"].to_string();
        assert!(
            !scoped.contains("198.51.100.1") && !scoped.contains("203.0.113.9"),
            "{scoped}"
        );
        assert_eq!(moved["addr_info"][0]["broadcast"], "192.0.2.255");
    });
}

#[test]
fn a_device_without_a_new_name_keeps_its_own_and_is_set_up() {
    scene(&[VETH], |scene| {
        scene.move_all(&[device("v0", None)]).unwrap();
        assert!(is_up(named(&scene.inside(), "v0").unwrap()));
    });
}

#[test]
fn a_template_takes_the_first_free_number() {
    scene(&[VETH, "addr add 192.0.2.1/24 dev v0"], |scene| {
        scene.ip_inside("link add eth0 type bridge");
        scene
            .move_all(&[device("v0", Some("eth%d")), device("v1", Some("eth%d"))])
            .unwrap();
        let inside = scene.inside();
        assert_eq!(global(named(&inside, "eth1").unwrap())[0].0, "192.0.2.1");
        assert!(is_up(named(&inside, "eth2").unwrap()));
    });
}

#[test]
fn a_name_that_is_taken_is_refused_and_nothing_changes() {
    scene(ADDRESSED, |scene| {
        scene.ip_inside("link add eth7 type bridge");
        let error = scene.move_all(&[device("v0", Some("eth7"))]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "linux.netDevices.v0: the container's network namespace has a device \"eth7\""
        );
        let outside = outside();
        let device = named(&outside, "v0").unwrap();
        assert!(is_up(device));
        assert!(device["addr_info"].to_string().contains("2001:db8::1"));
    });
}

#[test]
fn the_old_name_may_be_taken_in_the_container() {
    scene(&[VETH], |scene| {
        scene.ip_inside("link add v0 type bridge");
        scene.move_all(&[device("v0", Some("eth7"))]).unwrap();
        assert!(named(&scene.inside(), "eth7").is_some());
    });
}

#[test]
fn a_failure_takes_the_earlier_devices_back() {
    scene(ADDRESSED, |scene| {
        let error = scene
            .move_all(&[device("v0", Some("eth7")), device("none", None)])
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "linux.netDevices.none: no such device in the runtime's network namespace"
        );
        let outside = outside();
        let back = named(&outside, "v0").unwrap();
        assert!(is_up(back));
        assert_eq!(global(back), expected("v0"));
        assert!(named(&scene.inside(), "eth7").is_none());
    });
}

#[test]
fn a_move_that_the_kernel_refuses_leaves_the_device_as_it_was() {
    scene(ADDRESSED, |scene| {
        // A slash is no part of a device's name.
        let error = scene.move_all(&[device("v0", Some("a/b"))]).unwrap_err();
        assert_eq!(error.errno(), Some(nix::libc::EINVAL), "{error}");
        let outside = outside();
        let device = named(&outside, "v0").unwrap();
        assert!(is_up(device));
        assert!(global(device).len() >= 3);
    });
}

#[test]
fn all_can_be_taken_back_later() {
    scene(ADDRESSED, |scene| {
        let moved = scene
            .move_all(&[device("v0", Some("eth%d")), device("v1", None)])
            .unwrap();
        assert!(moved.return_all().is_empty());
        let outside = outside();
        assert_eq!(global(named(&outside, "v0").unwrap()), expected("v0"));
        assert!(is_up(named(&outside, "v1").unwrap()));
        assert_eq!(scene.inside().len(), 1);
    });
}

#[test]
fn labels_follow_the_name() {
    assert_eq!(
        label(b"eth0:1\0", "eth0", "net0").as_deref(),
        Some(&b"net0:1\0"[..])
    );
    assert_eq!(label(b"eth0\0", "eth0", "net0"), None);
    assert_eq!(label(b"other:1\0", "eth0", "net0"), None);
    assert_eq!(label(b"eth0:1234\0", "eth0", "a-longer-name"), None);
}
