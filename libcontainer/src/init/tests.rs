//! Steps in forked children, as root in mount namespaces of their own, checked by what the kernel
//! says afterwards.

mod devices;
mod environment;
mod fork;
mod hooks;
mod mounts;
mod old_kernels;
mod privileges;
mod roots;
mod terminal;

use std::ffi::{CStr, CString};
use std::os::fd::{BorrowedFd, IntoRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use super::state::Child;
use crate::plan::Image;
use crate::plan::cstrings::CStringArray;
use crate::plan::step::{Attributes, MountStep, Param, Source, Step, TargetKind};
use crate::sys::{Result, descriptor, process, testing};

/// A container's process that has reached some step.
struct Stage {
    child: Child<'static>,
    /// The root directory, seen from the host.
    root: PathBuf,
}

impl Stage {
    fn at(root: &Path) -> Self {
        let proc = leak(std::fs::File::open("/proc").unwrap().into());
        let (ours, theirs) = nix::sys::socket::socketpair(
            nix::sys::socket::AddressFamily::Unix,
            nix::sys::socket::SockType::SeqPacket,
            None,
            nix::sys::socket::SockFlag::SOCK_CLOEXEC,
        )
        .unwrap();
        let image = Image {
            candidates: Vec::new(),
            name: String::new(),
            argv: CStringArray::new(Vec::new()),
            envp: CStringArray::new(Vec::new()),
            home: None,
            listen_pid: None,
        };
        let image = Box::leak(Box::new(image));
        // Slot 0 is the other end of the socket.
        let descriptors = Box::leak(Box::new([ours.into_raw_fd(), -1, -1, -1]));
        Self {
            child: Child {
                proc: Some(proc),
                parent: process::parent_id(),
                has_hooks: true,
                root: Some(leak(std::fs::File::open(root).unwrap().into())),
                ..Child::new(image, descriptors, leak(theirs), 64)
            },
            root: root.to_owned(),
        }
    }

    fn perform(&mut self, mut step: Step) -> Result<()> {
        self.child.perform(&mut step)
    }

    fn must(&mut self, step: Step) {
        let text = format!("{step:?}");
        if let Err(fault) = self.perform(step) {
            panic!("{text}: {fault:?}");
        }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }
}

fn leak(fd: OwnedFd) -> BorrowedFd<'static> {
    descriptor::inherited(fd.into_raw_fd()).unwrap()
}

/// Runs `body` in a child whose root is a fresh tmpfs, in a mount namespace of its own; says so where
/// the test cannot run.
fn on_stage(test: &str, body: impl FnOnce(Stage) -> bool) {
    if !testing::is_root(test) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    testing::in_private_mounts(|| {
        let tmpfs = CString::new("tmpfs").unwrap();
        nix::mount::mount(
            Some(tmpfs.as_c_str()),
            dir.path(),
            Some(tmpfs.as_c_str()),
            nix::mount::MsFlags::empty(),
            None::<&str>,
        )
        .unwrap();
        crate::sys::schedule::set_umask(0o022);
        let mut stage = Stage::at(dir.path());
        // As every plan of a new container does.
        stage.must(Step::Umask { mask: 0 });
        body(stage)
    });
}

fn text(text: &str) -> Box<CStr> {
    CString::new(text).unwrap().into()
}

fn tmpfs() -> Source {
    Source::Filesystem {
        fstype: c"tmpfs".into(),
        params: vec![Param::Text {
            key: c"mode".into(),
            value: c"0711".into(),
        }],
        fallback: None,
    }
}

fn host(path: &CStr) -> Source {
    Source::HostPath {
        path: path.into(),
        recursive: false,
    }
}

fn mount(source: Source, target: &str) -> MountStep {
    MountStep {
        source,
        target: text(target),
        target_kind: TargetKind::LikeSource,
        attributes: Attributes::default(),
        idmap: None,
        copy_up: false,
        inherit_mode: false,
        strict_target: false,
        may_cover_proc: false,
        procfs_only: false,
    }
}

/// The mount options of the mount at a path, from mountinfo; none where it is no mount point.
fn options(path: &Path) -> Option<String> {
    let path = path.to_str().unwrap();
    std::fs::read_to_string("/proc/self/mountinfo")
        .unwrap()
        .lines()
        .rev()
        .find_map(|line| {
            let fields: Vec<_> = line.split(' ').collect();
            (fields[4] == path).then(|| fields[5].to_owned())
        })
}

fn has(path: &Path, option: &str) -> bool {
    options(path).is_some_and(|options| options.split(',').any(|one| one == option))
}
