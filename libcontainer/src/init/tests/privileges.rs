//! Users, groups, capabilities, limits, as procfs tells of them.

use std::collections::HashMap;
use std::fs;

use super::*;

fn status() -> HashMap<String, String> {
    fs::read_to_string("/proc/thread-self/status")
        .unwrap()
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect()
}

#[test]
fn credentials_are_exactly_what_was_asked_for() {
    on_stage("credentials", |mut stage| {
        let keep = 0b10_0010_0001;
        let ambient = 0b10_0000_0000;
        for step in [
            Step::Bounding { keep },
            Step::KeepCapabilities(true),
            Step::Groups { gids: vec![10, 20] },
            Step::User {
                uid: 1000,
                gid: 2000,
                are_mapped: false,
            },
            Step::KeepCapabilities(false),
            Step::Capabilities {
                effective: 0b1,
                permitted: keep,
                inheritable: ambient,
            },
            Step::Ambient { raise: ambient },
            Step::NoNewPrivileges,
            Step::Umask { mask: 0o027 },
        ] {
            stage.must(step);
        }
        let status = status();
        for (name, value) in [
            ("Uid", "1000\t1000\t1000\t1000"),
            ("Gid", "2000\t2000\t2000\t2000"),
            ("Groups", "10 20"),
            ("CapBnd", "0000000000000221"),
            ("CapPrm", "0000000000000221"),
            ("CapEff", "0000000000000001"),
            ("CapInh", "0000000000000200"),
            ("CapAmb", "0000000000000200"),
            ("NoNewPrivs", "1"),
            ("Umask", "0027"),
        ] {
            assert_eq!(status[name], value, "{name}");
        }
        // A capability that is not permitted cannot be had.
        let fault = stage.perform(Step::Ambient { raise: 1 << 3 }).unwrap_err();
        (fault.errno, fault.detail) == (libc::EPERM, 3)
    });
}

#[test]
fn the_process_stays_hidden_and_tied_to_its_parent() {
    on_stage("guard", |mut stage| {
        stage.child.guard().unwrap();
        stage.must(Step::User {
            uid: 1000,
            gid: 1000,
            are_mapped: false,
        });
        let death = nix::sys::prctl::get_pdeathsig().unwrap();
        assert_eq!(death, Some(nix::sys::signal::Signal::SIGKILL));
        !nix::sys::prctl::get_dumpable().unwrap()
    });
}

#[test]
fn the_same_user_stays_hidden() {
    on_stage("same user", |mut stage| {
        stage.child.guard().unwrap();
        // The kernel undoes nothing where the ids stay, whatever else goes.
        stage.must(Step::Bounding { keep: 1 });
        stage.must(Step::Groups { gids: Vec::new() });
        stage.must(Step::User {
            uid: 0,
            gid: 0,
            are_mapped: true,
        });
        stage.must(Step::Capabilities {
            effective: 1,
            permitted: 1,
            inheritable: 0,
        });
        let death = nix::sys::prctl::get_pdeathsig().unwrap();
        assert_eq!(death, Some(nix::sys::signal::Signal::SIGKILL));
        assert_eq!(status()["CapAmb"], "0000000000000000");
        !nix::sys::prctl::get_dumpable().unwrap()
    });
}

#[test]
fn no_groups_are_borne_where_none_can_be_had() {
    on_stage("groups", |mut stage| {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUSER).unwrap();
        stage.must(Step::Groups { gids: Vec::new() });
        let fault = stage.perform(Step::Groups { gids: vec![1] }).unwrap_err();
        matches!(fault.errno, libc::EPERM | libc::EINVAL)
    });
}

#[test]
fn limits_and_scheduling_are_set() {
    on_stage("limits", |mut stage| {
        for step in [
            Step::Rlimit {
                resource: libc::RLIMIT_NOFILE,
                soft: 77,
                hard: 99,
            },
            Step::IoPriority { value: 3 << 13 },
            Step::CpuAffinity {
                mask: vec![1].into(),
            },
            Step::Personality { value: 0 },
            Step::MemoryPolicy {
                mode: 0,
                nodes: Vec::new(),
                max_node: 0,
            },
            Step::Scheduler(crate::plan::step::SchedAttr {
                policy: 3,
                ..Default::default()
            }),
            Step::WriteProc {
                alternatives: vec![c"self/oom_score_adj".into()],
                value: b"500".to_vec(),
            },
        ] {
            stage.must(step);
        }
        let limits = fs::read_to_string("/proc/self/limits").unwrap();
        let files = limits
            .lines()
            .find(|line| line.starts_with("Max open files"))
            .unwrap();
        assert_eq!(
            files.split_whitespace().collect::<Vec<_>>()[3..5],
            ["77", "99"]
        );
        assert_eq!(status()["Cpus_allowed_list"], "0");
        let stat = fs::read_to_string("/proc/self/stat").unwrap();
        // The 41st field is the policy; the second, in brackets, may hold blanks.
        let policy = stat
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .nth(38)
            .unwrap()
            .to_owned();
        assert_eq!(policy, "3");
        fs::read_to_string("/proc/self/oom_score_adj").unwrap() == "500\n"
    });
}

#[test]
fn a_file_over_procfs_is_not_written() {
    on_stage("procfs", |mut stage| {
        nix::mount::mount(
            Some("/dev/null"),
            "/proc/self/comm",
            None::<&str>,
            nix::mount::MsFlags::MS_BIND,
            None::<&str>,
        )
        .unwrap();
        let write = || Step::WriteProc {
            alternatives: vec![c"self/comm".into()],
            value: b"x".to_vec(),
        };
        let fault = stage.perform(write()).unwrap_err();
        assert_eq!(fault.call, crate::sys::Call::VerifyProcfs);
        testing::refuse(&[libc::SYS_openat2], libc::ENOSYS);
        let fault = stage.perform(write()).unwrap_err();
        fault.call == crate::sys::Call::VerifyProcfs
    });
}

#[test]
fn names_belong_to_the_namespace() {
    on_stage("names", |mut stage| {
        stage.must(Step::Unshare {
            flags: libc::CLONE_NEWUTS | libc::CLONE_NEWNET,
        });
        stage.must(Step::Hostname(b"box".to_vec()));
        stage.must(Step::Domainname(b"domain".to_vec()));
        stage.must(Step::LoopbackUp);
        let name = |which| fs::read_to_string(format!("/proc/sys/kernel/{which}")).unwrap();
        assert_eq!(name("hostname"), "box\n");
        assert_eq!(name("domainname"), "domain\n");
        std::net::TcpListener::bind("127.0.0.1:0").is_ok()
    });
}

#[test]
fn a_time_namespace_has_its_offset() {
    on_stage("time", |mut stage| {
        let uptime = || {
            let text = fs::read_to_string("/proc/uptime").unwrap();
            text.split('.').next().unwrap().parse::<u64>().unwrap()
        };
        let before = uptime();
        stage.must(Step::Unshare {
            flags: libc::CLONE_NEWTIME,
        });
        stage.must(Step::TimeOffsets {
            lines: b"boottime 86400 0\n".to_vec(),
        });
        (86_400..86_500).contains(&(uptime() - before))
    });
}
