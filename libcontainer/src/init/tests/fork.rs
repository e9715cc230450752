//! Whole walks, from the clone to `execve`, with an allocator that ends the child.

use std::fs;
use std::os::fd::{AsFd, AsRawFd};

use super::*;
use crate::init::{Inherited, run};
use crate::plan::step::{DeviceStep, Entry, HookStep, Request, Slot};
use crate::plan::{Birth, Plan};
use crate::sync::{Failure, MESSAGE_LEN, Message};
use crate::sys::{Call, file, socket};

/// The ends of the conversation, seen from the parent.
struct Talk {
    pid: i32,
    sync: OwnedFd,
    pidfd: OwnedFd,
}

impl Talk {
    fn hear(&self) -> Option<Message> {
        let mut bytes = [0; MESSAGE_LEN];
        let limit = Some(std::time::Duration::from_secs(20));
        assert!(
            descriptor::wait_readable(self.sync.as_fd(), limit).unwrap() != 0,
            "no message"
        );
        match socket::receive(self.sync.as_fd(), &mut bytes, drop) {
            Ok(MESSAGE_LEN) => Message::decode(&bytes),
            _ => None,
        }
    }

    fn say(&self, message: Message) {
        socket::send(self.sync.as_fd(), &message.encode(), &[]).unwrap();
    }

    /// What the descriptors of the child lead to.
    fn descriptors(&self) -> Vec<String> {
        let mut open: Vec<_> = fs::read_dir(format!("/proc/{}/fd", self.pid))
            .unwrap()
            .map(|entry| fs::read_link(entry.unwrap().path()).unwrap())
            .map(|path| path.to_str().unwrap().to_owned())
            .collect();
        open.sort();
        open
    }

    fn exit_status(&self) -> i32 {
        process::wait(self.pidfd.as_fd()).unwrap()
    }
}

fn plan(steps: Vec<Step>) -> Plan {
    let mut envp = CStringArray::new(vec![c"A=b".into(), c"HOME=".into()]);
    envp.reserve(1, crate::plan::HOME_ROOM);
    Plan {
        opens: Vec::new(),
        birth: Birth::default(),
        steps: steps
            .into_iter()
            .map(|step| Entry {
                step,
                field: String::new(),
            })
            .collect(),
        id_maps: None,
        image: Image {
            candidates: vec![c"/absent".into(), c"/program".into()],
            name: String::new(),
            argv: CStringArray::new(vec![c"program".into(), c"--list".into()]),
            envp,
            home: Some(1),
            listen_pid: None,
        },
        runtime_hooks: Vec::new(),
        seccomp: None,
        net_devices: Vec::new(),
        parent_limits: None,
        warnings: Vec::new(),
        rootfs: None,
    }
}

fn launch(plan: &mut Plan, flags: i32, gate: Option<&fs::File>, stdout: &fs::File) -> Talk {
    launch_waiting(plan, flags, gate, true, stdout)
}

fn launch_waiting(
    plan: &mut Plan,
    flags: i32,
    gate: Option<&fs::File>,
    waits: bool,
    stdout: &fs::File,
) -> Talk {
    let (ours, theirs) = nix::sys::socket::socketpair(
        nix::sys::socket::AddressFamily::Unix,
        nix::sys::socket::SockType::SeqPacket,
        None,
        nix::sys::socket::SockFlag::SOCK_CLOEXEC,
    )
    .unwrap();
    let proc = fs::File::open("/proc").unwrap();
    let null = fs::File::open("/dev/null").unwrap();
    let parent = i32::try_from(
        fs::read_link("/proc/self")
            .unwrap()
            .to_str()
            .unwrap()
            .parse::<u32>()
            .unwrap(),
    )
    .unwrap();
    let mut descriptors = [null.as_raw_fd(), -1];
    let cloned = process::clone(u64::from(flags.unsigned_abs()), None, || {
        crate::sys::heap::forbid();
        run(Inherited {
            plan,
            finished: &[],
            descriptors: &mut descriptors,
            sync: theirs.as_raw_fd(),
            begins_empty: false,
            parents_sync: ours.as_raw_fd(),
            gate: gate.map(AsRawFd::as_raw_fd),
            waits,
            proc: proc.as_raw_fd(),
            cgroup: &[],
            parent,
            is_announced: false,
            stdio: Some([null.as_raw_fd(), stdout.as_raw_fd(), 2]),
        })
    })
    .unwrap();
    Talk {
        pid: cloned.pid,
        sync: ours,
        pidfd: cloned.pidfd,
    }
}

/// Nearly every step that needs no partner, then the program.
fn everything(root: &Path) -> Vec<Step> {
    let own = CString::new(
        std::env::current_exe()
            .unwrap()
            .into_os_string()
            .into_encoded_bytes(),
    )
    .unwrap();
    let path = text(root.to_str().unwrap());
    let mut copied = mount(tmpfs(), "/etc");
    copied.copy_up = true;
    copied.inherit_mode = true;
    let hook = HookStep {
        path: c"/bin/true".into(),
        argv: CStringArray::new(vec![c"true".into()]),
        envp: CStringArray::new(Vec::new()),
        inherits_env: false,
        timeout_ms: Some(5000),
        state: b"{\"pid\":          }".to_vec(),
        pid_offset: 7,
    };
    let null = DeviceStep {
        path: c"/dev/null".into(),
        mode: libc::S_IFCHR | 0o666,
        device: libc::makedev(1, 3),
        uid: 0,
        gid: 0,
        bind: None,
        listed: false,
    };
    vec![
        Step::NewSession,
        Step::SessionKeyring {
            name: c"_ses.test".into(),
            label: None,
        },
        Step::Propagation {
            flags: libc::MS_REC | libc::MS_SLAVE,
        },
        Step::Root {
            source: Source::HostPath {
                path: path.clone(),
                recursive: true,
            },
            path,
            attributes: Attributes::default(),
        },
        Step::MaskSource {
            source: host(c"/dev/null"),
        },
        Step::Mount(mount(
            Source::Filesystem {
                fstype: c"proc".into(),
                params: Vec::new(),
                fallback: None,
            },
            "/proc",
        )),
        Step::Mount(copied),
        Step::Mount(mount(tmpfs(), "/link/dev")),
        Step::Mount(mount(host(&own), "/program")),
        Step::Device(null),
        Step::Symlink {
            path: c"/dev/fd".into(),
            to: c"/proc/self/fd".into(),
        },
        Step::Ptmx,
        Step::Hooks(vec![hook]),
        Step::Ask(Request::RunHooks),
        Step::PivotRoot,
        Step::ReadonlyRoot,
        Step::MaskPath {
            path: c"/proc/keys".into(),
        },
        Step::MaskPath {
            path: c"/proc/timer_list".into(),
        },
        Step::MaskPath {
            path: c"/proc/irq".into(),
        },
        Step::ReadonlyPath {
            path: c"/proc/sys".into(),
        },
        Step::Hostname(b"box".to_vec()),
        Step::WriteProc {
            alternatives: vec![c"self/comm".into()],
            value: b"init".to_vec(),
        },
        Step::ReopenNull,
        Step::Rlimit {
            resource: libc::RLIMIT_NOFILE,
            soft: 64,
            hard: 64,
        },
        Step::OwnStdio { uid: 1000 },
        Step::Bounding { keep: 1 },
        Step::KeepCapabilities(true),
        Step::Groups { gids: Vec::new() },
        Step::User {
            uid: 1000,
            gid: 1000,
            are_mapped: false,
        },
        Step::KeepCapabilities(false),
        Step::Capabilities {
            effective: 0,
            permitted: 0,
            inheritable: 0,
        },
        Step::Ambient { raise: 0 },
        Step::WorkingDirectory {
            path: c"/".into(),
            create: true,
            last: true,
        },
        Step::Home { uid: 1000 },
        Step::FindProgram,
        Step::NoNewPrivileges,
        Step::ResetSignals,
        Step::CloseFrom { first: 3 },
        Step::Ready,
        Step::Gate,
        Step::Exec,
    ]
}

const NAMESPACES: i32 = libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWUTS;

fn prepare(stage: &Stage) -> fs::File {
    fs::create_dir(stage.path("etc")).unwrap();
    fs::write(stage.path("etc/passwd"), "u:x:1000:1000::/home/u:\n").unwrap();
    std::os::unix::fs::symlink("/", stage.path("link")).unwrap();
    let path = stage.path("output");
    fs::File::options()
        .read(true)
        .append(true)
        .create_new(true)
        .open(path)
        .unwrap()
}

#[test]
fn a_whole_walk_ends_in_the_program_without_the_heap() {
    on_stage("walk", |stage| {
        let output = prepare(&stage);
        let mut plan = plan(everything(&stage.root));
        let talk = launch(&mut plan, NAMESPACES, None, &output);
        assert_eq!(talk.hear(), Some(Message::Ask(Request::RunHooks)));
        talk.say(Message::Done);
        assert_eq!(talk.hear(), Some(Message::Ready));
        let open = talk.descriptors();
        assert_eq!(open.len(), 4, "{open:?}");
        assert!(open[3].starts_with("socket:"), "{open:?}");
        talk.say(Message::Go);
        // The socket closes by itself where the program is executed.
        assert_eq!(talk.hear(), None);
        assert_eq!(talk.exit_status(), 0);
        let listed = fs::read_to_string(stage.path("output")).unwrap();
        listed.contains("init::tests::fork::a_whole_walk")
    });
}

#[test]
fn the_fifo_starts_the_program_and_takes_what_fails_then() {
    on_stage("gate", |stage| {
        let output = prepare(&stage);
        let path = stage.path("fifo");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let gate = fs::File::options()
            .read(true)
            .write(true)
            .open(&path)
            .unwrap();
        for fails in [false, true] {
            let mut plan = plan(everything(&stage.root));
            if fails {
                plan.steps.insert(
                    plan.steps.len() - 1,
                    Entry {
                        step: Step::Hooks(vec![HookStep {
                            path: c"/absent".into(),
                            argv: CStringArray::new(Vec::new()),
                            envp: CStringArray::new(Vec::new()),
                            inherits_env: false,
                            timeout_ms: None,
                            state: vec![b' '; 16],
                            pid_offset: 0,
                        }]),
                        field: String::new(),
                    },
                );
            }
            let last = u16::try_from(plan.steps.len() - 2).unwrap();
            let talk = launch(&mut plan, NAMESPACES, Some(&gate), &output);
            assert_eq!(talk.hear(), Some(Message::Ask(Request::RunHooks)));
            talk.say(Message::Done);
            assert_eq!(talk.hear(), Some(Message::Ready));
            let limit = Some(std::time::Duration::from_millis(50));
            assert_eq!(
                descriptor::wait_readable(talk.pidfd.as_fd(), limit),
                Ok(0),
                "it did not wait"
            );
            let open = talk.descriptors();
            assert_eq!(open.len(), 4, "{open:?}");
            assert!(
                open.contains(&path.to_str().unwrap().to_owned()),
                "{open:?}"
            );
            file::write(gate.as_fd(), b"0").unwrap();
            if !fails {
                assert_eq!(talk.exit_status(), 0);
                continue;
            }
            assert_eq!(talk.exit_status(), 1 << 8);
            let mut record = [0; MESSAGE_LEN];
            assert_eq!(file::read(gate.as_fd(), &mut record), Ok(MESSAGE_LEN));
            let failure = Failure {
                step: last,
                call: Call::Execve as u16,
                errno: libc::ENOENT,
                detail: 0,
            };
            assert_eq!(Message::decode(&record), Some(Message::Failed(failure)));
        }
        true
    });
}

#[test]
fn a_failure_is_reported_with_its_step() {
    on_stage("failure", |stage| {
        let output = prepare(&stage);
        let mut plan = plan(vec![
            Step::NewSession,
            Step::Receive(vec![Slot(1)]),
            Step::SetNs {
                slot: Slot(1),
                kind: crate::plan::step::NamespaceKind::User,
            },
        ]);
        let talk = launch(&mut plan, 0, None, &output);
        assert_eq!(talk.hear(), Some(Message::OpenTrees(1)));
        let sent = fs::File::open("/dev/null").unwrap();
        socket::send(
            talk.sync.as_fd(),
            &Message::Descriptors.encode(),
            &[sent.as_fd()],
        )
        .unwrap();
        let failure = Failure {
            step: 2,
            call: Call::Setns as u16,
            errno: libc::EINVAL,
            detail: 0,
        };
        assert_eq!(talk.hear(), Some(Message::Failed(failure)));
        assert_eq!(talk.exit_status(), 1 << 8);

        // A parent that goes away takes the child with it.
        let mut plan = self::plan(vec![Step::Ready, Step::Gate, Step::Exec]);
        let talk = launch(&mut plan, 0, None, &output);
        assert_eq!(talk.hear(), Some(Message::Ready));
        drop(talk.sync);
        process::wait(talk.pidfd.as_fd()) == Ok(1 << 8)
    });
}

#[test]
fn nobody_need_be_waited_for() {
    on_stage("no word", |stage| {
        let output = prepare(&stage);
        let mut plan = plan(vec![Step::Ready, Step::Gate]);
        let talk = launch_waiting(&mut plan, 0, None, false, &output);
        assert_eq!(talk.hear(), Some(Message::Ready));
        let limit = Some(std::time::Duration::from_secs(10));
        descriptor::wait_readable(talk.pidfd.as_fd(), limit) == Ok(1)
    });
}

#[test]
fn the_process_goes_on_as_a_brother() {
    on_stage("fork again", |stage| {
        let output = prepare(&stage);
        let mut plan = plan(vec![
            Step::Unshare {
                flags: libc::CLONE_NEWPID,
            },
            Step::ForkAgain,
            Step::Ready,
            Step::Gate,
        ]);
        let talk = launch(&mut plan, 0, None, &output);
        let Some(Message::Process(pid)) = talk.hear() else {
            panic!("no process");
        };
        assert_eq!(talk.hear(), Some(Message::Ready));
        assert_eq!(talk.exit_status(), 0);
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let own = fs::read_link("/proc/self").unwrap();
        assert!(status.contains(&format!("PPid:\t{}\n", own.to_str().unwrap())));
        assert!(status.contains(&format!("NSpid:\t{pid}\t1\n")));
        talk.say(Message::Go);
        let status = nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(pid), None).unwrap();
        // The plan has no Exec.
        matches!(status, nix::sys::wait::WaitStatus::Exited(_, 1))
    });
}
