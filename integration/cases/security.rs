//! What a hostile image, configuration or caller's environment must not achieve.
//! Every row runs below the harness's read-only view of the host.

use crate::case::{Case, case};
use crate::sys;
use crate::test::Test;
use serde_json::json;
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::process::Command;

/// Cases of this topic.
pub(super) const CASES: &[Case] = &[
    case(
        "security/cwd-of-descriptor",
        "CVE-2024-21626",
        cwd_of_descriptor,
    ),
    case("security/own-program", "CVE-2019-5736", own_program),
    case(
        "security/exec-descriptors",
        "exec: descriptors of the runtime",
        exec_descriptors,
    ),
    case(
        "security/dev-console-link",
        "CVE-2025-52565: /dev/console",
        console_link,
    ),
    case(
        "security/dev-null-link",
        "CVE-2025-31133: /dev/null",
        null_link,
    ),
    case("security/root-links", "links in the image", root_links),
    case(
        "security/faked-proc",
        "CVE-2019-16884: files of /proc",
        faked_proc,
    ),
    case(
        "security/mount-through-link",
        "CVE-2021-30465: targets",
        mount_links,
    ),
    case(
        "security/inheritable",
        "CVE-2022-29162: capabilities",
        inheritable,
    ),
];

/// The caller leaks a directory of the host, and the working directory names it.
fn cwd_of_descriptor(t: &Test) {
    let host = t.new_dir("host");
    fs::write(host.join("secret"), "secret").unwrap();
    let leak = sys::open_path(host.to_str().unwrap()).unwrap();
    let directory = File::open(&host).unwrap();
    for number in [3, 5, 7, 8, 9, 10, 11, 23] {
        for base in ["/proc/self/fd", "/proc/1/fd", "/proc/thread-self/fd"] {
            t.row(&format!("{base}/{number}"), || {
                let cwd = format!("{base}/{number}");
                let bundle = t.bundle().set("/process/cwd", cwd).sh("cat secret; ls ..");
                let call = t
                    .run_call(&bundle, &[])
                    .pass(&leak, number)
                    .pass(&directory, number + 40);
                let out = call.run();
                assert!(!out.succeeded() && !out.stdout.contains("secret"), "{out}");
            });
        }
    }
    let c = t.start(&t.bundle().idle());
    for number in [3, 7, 9] {
        t.row(&format!("exec {number}"), || {
            let options = ["--cwd", &format!("/proc/self/fd/{number}")];
            let out = c
                .exec_call(&options, ["cat", "secret"])
                .pass(&leak, number)
                .run();
            assert!(!out.succeeded() && !out.stdout.contains("secret"), "{out}");
        });
    }
}

fn sum(path: &std::path::Path) -> String {
    let output = Command::new("sha256sum")
        .arg(path)
        .output()
        .expect("sha256sum");
    String::from_utf8(output.stdout).expect("text")
}

/// The program names the runtime's own file by /proc/self/exe, and a process
/// in the container tries to write to what it sees there.
fn own_program(t: &Test) {
    // The runtime under test, in a place that can be written.
    let mut runtime = t.runtime.clone();
    runtime.program = t.path("runtime");
    fs::copy(&t.runtime.program, &runtime.program).expect("copy the runtime");
    let before = sum(&runtime.program);
    let attack = "for p in /proc/[0-9]*; do echo x 2>&1 >> $p/exe; done; \
                  i=0; while [ $i -lt 300 ]; do i=$((i+1)); \
                  for p in /proc/[0-9]*; do (echo x >> $p/exe) 2>/dev/null; done; done";
    let c = t.start(
        &t.bundle()
            .writable()
            .sh(&format!("while :; do {attack}; done")),
    );
    fs::write(c.bundle.join("rootfs/script"), "#!/proc/self/exe\n").unwrap();
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(c.bundle.join("rootfs/script"), mode).unwrap();
    let exec = |program: &str| {
        let call = runtime.call(["exec", "c1", program, "--version"]);
        drop(call.limit(10).run());
    };
    for program in ["/proc/self/exe", "/script"] {
        t.row(program, || {
            for _ in 0..5 {
                exec(program);
            }
            assert_eq!(
                sum(&runtime.program),
                before,
                "the runtime's file has changed"
            );
        });
        t.row(&format!("run {program}"), || {
            let bundle = t.bundle().args([program]);
            fs::copy(c.bundle.join("rootfs/script"), bundle.inside("/script")).unwrap();
            bundle.write();
            let dir = bundle.dir.to_str().unwrap();
            drop(
                runtime
                    .call(["run", "--bundle", dir, &bundle.id])
                    .limit(10)
                    .run(),
            );
            assert_eq!(
                sum(&runtime.program),
                before,
                "the runtime's file has changed"
            );
        });
    }
}

fn exec_descriptors(t: &Test) {
    let c = t.start(&t.bundle().idle());
    let leak = File::open("/etc").unwrap();
    let call = c
        .exec_call(&[], ["ls", "-l", "/proc/self/fd"])
        .pass(&leak, 6)
        .pass(&leak, 200);
    let out = call.run().success();
    let links = out
        .lines()
        .iter()
        .filter(|line| line.contains(" -> "))
        .count();
    // ls has closed the directory by the time it reads the links.
    assert_eq!(links, 3, "{out}");
}

fn console_link(t: &Test) {
    for target in ["/etc/passwd", "/proc/sysrq-trigger", "/tmp/nothing"] {
        t.row(target, || {
            let path = t.path(&format!("console{}", target.replace('/', "-")));
            let listener = UnixListener::bind(&path).unwrap();
            let bundle = t
                .bundle()
                .writable()
                .without_mount("/dev")
                .without_mount("/dev/shm")
                .without_mount("/dev/mqueue")
                .set("/process/terminal", true)
                .sh("sleep 1000");
            fs::create_dir_all(bundle.inside("/dev/pts")).unwrap();
            symlink(target, bundle.inside("/dev/console")).unwrap();
            let out = t
                .create_call(&bundle, &["--console-socket", path.to_str().unwrap()])
                .run();
            drop(listener);
            let passwd = fs::read_to_string(bundle.inside("/etc/passwd")).unwrap();
            assert!(passwd.starts_with("root:"), "{passwd}");
            if out.succeeded() {
                let c = t.guard(&bundle, out);
                let mounts = fs::read_to_string(format!("/proc/{}/mountinfo", c.pid())).unwrap();
                let over = format!(" {target} ");
                let hit = mounts
                    .lines()
                    .find(|line| line.contains("devpts") && line.contains(&over));
                assert_eq!(hit, None, "the terminal is mounted on the link's target");
            }
        });
    }
}

/// Masking mounts the container's /dev/null, which the image may have replaced.
fn null_link(t: &Test) {
    let bundle = t
        .bundle()
        .writable()
        .without_mount("/dev")
        .without_mount("/dev/pts")
        .without_mount("/dev/shm")
        .without_mount("/dev/mqueue")
        .set("/linux/maskedPaths", json!(["/proc/keys", "/proc/kcore"]))
        .sh("wc -c < /proc/keys");
    symlink("/proc/sysrq-trigger", bundle.inside("/dev/null")).unwrap();
    let out = t.run(&bundle);
    if out.succeeded() {
        assert_eq!(out.text(), "0", "the masked file shows something");
    }
}

fn root_links(t: &Test) {
    let host = t.new_dir("host");
    t.row("root.path is a link", || {
        let bundle = t.bundle().set("/root/path", "link").sh("echo ran");
        symlink("rootfs", bundle.dir.join("link")).unwrap();
        let out = t.run(&bundle);
        assert!(!out.succeeded() || out.text() == "ran", "{out}");
    });
    for directory in ["proc", "sys", "dev", "tmp"] {
        t.row(&format!("/{directory} is a link to the host"), || {
            let bundle = t.bundle().writable().sh("true");
            fs::remove_dir(bundle.inside(directory)).unwrap();
            symlink(&host, bundle.inside(directory)).unwrap();
            drop(t.run(&bundle));
            assert_eq!(fs::read_dir(&host).unwrap().count(), 0, "made on the host");
        });
    }
}

/// A mount over /proc gives the runtime files to write labels to that are none.
fn faked_proc(t: &Test) {
    let fake = t.new_dir("fake");
    for directory in [
        "self",
        "self/attr",
        "self/fd",
        "thread-self",
        "thread-self/attr",
    ] {
        fs::create_dir_all(fake.join(directory)).unwrap();
    }
    for file in [
        "self/attr/exec",
        "self/attr/current",
        "thread-self/attr/exec",
        "self/setgroups",
    ] {
        fs::write(fake.join(file), "untouched").unwrap();
    }
    t.row("bind mount on /proc", || {
        let bundle = t
            .bundle()
            .without_mount("/proc")
            .bind(&fake, "/proc", &["bind", "rw"]);
        let out = t.run(
            &bundle
                .remove("/linux/maskedPaths")
                .remove("/linux/readonlyPaths")
                .sh("echo ran"),
        );
        assert!(!out.succeeded() || out.text() == "ran", "{out}");
    });
    for target in [
        "/proc/self",
        "/proc/self/attr",
        "/proc/thread-self/attr/exec",
        "/proc/1/attr",
    ] {
        t.row(target, || {
            let bundle = t
                .bundle()
                .bind(&fake, target, &["bind", "rw"])
                .sh("echo ran");
            t.run(&bundle).failure(&[]);
        });
    }
    for file in [
        "self/attr/exec",
        "self/attr/current",
        "thread-self/attr/exec",
    ] {
        assert_eq!(
            fs::read_to_string(fake.join(file)).unwrap(),
            "untouched",
            "{file}"
        );
    }
}

fn mount_links(t: &Test) {
    let host = t.new_dir("host");
    for (row, link) in [
        ("absolute", host.to_str().unwrap()),
        ("upwards", "../../../../../../../../host"),
    ] {
        t.row(row, || {
            let bundle = t
                .bundle()
                .writable()
                .mount("/mnt/link/sub", "tmpfs", "tmpfs", &[])
                .sh("grep -c link /proc/mounts; true");
            symlink(link, bundle.inside("/mnt/link")).unwrap();
            drop(t.run(&bundle));
            assert_eq!(fs::read_dir(&host).unwrap().count(), 0, "made on the host");
        });
    }
}

/// Capabilities that nobody asked to be inheritable are not, for exec as well.
fn inheritable(t: &Test) {
    let c = t.start(&t.bundle().idle());
    let script = "grep CapInh /proc/self/status | cut -f2";
    assert_eq!(c.sh(script).success().text(), "0000000000000000");
    let first = fs::read_to_string(format!("/proc/{}/status", c.pid())).unwrap();
    assert!(first.contains("CapInh:\t0000000000000000"), "{first}");
    let exec = c
        .exec(&["--cap", "CAP_CHOWN"], ["sh", "-c", script])
        .success();
    let expected = match t.runtime.kind {
        crate::runtime::Kind::Oxrun => "0000000000000000",
        _ => exec.text(),
    };
    assert_eq!(exec.text(), expected);
}
