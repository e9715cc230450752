//! The terminal, and roots that lie about theirs.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};

use super::*;
use crate::plan::step::{Slot, WindowSize};
use crate::sys::{Call, file, socket};

fn devpts(stage: &mut Stage) {
    let source = Source::Filesystem {
        fstype: c"devpts".into(),
        params: vec![
            Param::Flag(c"newinstance".into()),
            Param::Text {
                key: c"ptmxmode".into(),
                value: c"0666".into(),
            },
            Param::Text {
                key: c"gid".into(),
                value: c"5".into(),
            },
        ],
        fallback: None,
    };
    stage.must(Step::Mount(mount(source, "/dev/pts")));
}

fn open(console: bool) -> Step {
    Step::Terminal {
        socket: Slot(0),
        size: Some(WindowSize {
            height: 33,
            width: 101,
        }),
        console,
        uid: 1000,
    }
}

#[test]
fn the_terminal_is_the_sessions_and_its_master_is_sent() {
    on_stage("terminal", |mut stage| {
        devpts(&mut stage);
        stage.must(Step::Ptmx);
        stage.must(Step::NewSession);
        stage.must(open(true));
        let mut bytes = [0; 64];
        let mut master = None;
        // The step wrote to one end of the pair, this is the other.
        let length = socket::receive(stage.child.sync, &mut bytes, |fd| master = Some(fd)).unwrap();
        assert_eq!(&bytes[..length], b"/dev/ptmx");
        file::write_all(descriptor::inherited(1).unwrap(), b"hello").unwrap();
        // It stays open: its end would hang up the session, which is this process.
        let master = leak(master.unwrap());
        let length = file::read(master, &mut bytes).unwrap();
        assert_eq!(&bytes[..length], b"hello");

        let peer = fs::metadata(stage.path("dev/pts/0")).unwrap();
        assert_eq!((peer.uid(), peer.gid()), (1000, 5));
        let console = fs::metadata(stage.path("dev/console")).unwrap();
        assert_eq!(console.rdev(), peer.rdev());
        for number in 0..3 {
            let stream = file::status(descriptor::inherited(number).unwrap()).unwrap();
            assert_eq!(stream.represents, peer.rdev());
        }
        // Field 7 of stat is the controlling terminal.
        let stat = fs::read_to_string("/proc/self/stat").unwrap();
        let tty = stat
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .nth(4)
            .unwrap()
            .to_owned();
        let device = libc::makedev(136, libc::minor(peer.rdev()));
        tty == device.to_string()
    });
}

#[test]
fn a_false_ptmx_is_refused() {
    on_stage("false ptmx", |mut stage| {
        fs::create_dir_all(stage.path("dev/pts")).unwrap();
        let ptmx = stage.path("dev/ptmx");
        stage.must(Step::NewSession);
        for target in ["/dev/null", "pts/file"] {
            fs::write(stage.path("dev/null"), "").unwrap();
            fs::write(stage.path("dev/pts/file"), "").unwrap();
            symlink(target, &ptmx).unwrap();
            let fault = stage.perform(open(true)).unwrap_err();
            assert_eq!(fault.call, Call::VerifyDevpts, "{target}");
            fs::remove_file(&ptmx).unwrap();
        }
        nix::unistd::mkfifo(&ptmx, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let fault = stage.perform(open(true)).unwrap_err();
        fault.call == Call::VerifyDevpts
    });
}

#[test]
fn a_console_that_is_a_link_is_refused() {
    on_stage("console", |mut stage| {
        devpts(&mut stage);
        stage.must(Step::Ptmx);
        stage.must(Step::NewSession);
        symlink("/etc/made", stage.path("dev/console")).unwrap();
        let fault = stage.perform(open(true)).unwrap_err();
        assert_eq!(fault.errno, libc::ELOOP);
        assert!(!stage.path("etc/made").exists());
        // Without a console the link is left alone.
        stage.must(open(false));
        stage.path("dev/console").is_symlink()
    });
}
