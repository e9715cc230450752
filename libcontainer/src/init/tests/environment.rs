//! What the program finds: its directory, its home, itself.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;
use crate::plan::HOME_ROOM;
use crate::sys::{Call, file};

fn home_of(stage: &mut Stage, uid: u32) -> String {
    let mut envp = CStringArray::new(vec![c"A=b".into(), c"HOME=".into()]);
    envp.reserve(1, HOME_ROOM);
    stage.child.image.envp = envp;
    stage.child.image.home = Some(1);
    stage.must(Step::Home { uid });
    stage
        .child
        .image
        .envp
        .get(1)
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned()
}

#[test]
fn home_is_that_of_the_numeric_user() {
    on_stage("home", |mut stage| {
        assert_eq!(home_of(&mut stage, 0), "HOME=/");
        fs::create_dir(stage.path("etc")).unwrap();
        let long = format!("long:x:{}7:1:{}:/wrong:/bin/sh\n", "0", "c".repeat(5000));
        let passwd = format!(
            "{long}root:x:0:0:root:/root:/bin/sh\nshort:x:5\nempty:x:6:6:::\n\
             1000:x:8:8:named like an id:/no:\nuser:x:1000:1000::/home/user:/bin/sh\n\
             twice:x:1000:1::/second:\nlast:x:9:9::/last"
        );
        fs::write(stage.path("etc/passwd"), passwd).unwrap();
        for (uid, home) in [
            (0, "/root"),
            (1000, "/home/user"),
            (5, "/"),
            (6, "/"),
            (7, "/"),
            (9, "/last"),
            (77, "/"),
        ] {
            assert_eq!(home_of(&mut stage, uid), format!("HOME={home}"), "{uid}");
        }
        let long = format!("u:x:1:1::/{}:\n", "h".repeat(4000));
        fs::write(stage.path("etc/passwd"), &long).unwrap();
        assert_eq!(home_of(&mut stage, 1).len(), "HOME=/".len() + 4000);
        // Neither a FIFO nor a link out may hold us up or tell of the host.
        fs::remove_file(stage.path("etc/passwd")).unwrap();
        nix::unistd::mkfifo(&stage.path("etc/passwd"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(home_of(&mut stage, 0), "HOME=/");
        fs::remove_file(stage.path("etc/passwd")).unwrap();
        symlink("/proc/self/root/etc/passwd", stage.path("etc/passwd")).unwrap();
        home_of(&mut stage, 0) == "HOME=/"
    });
}

#[test]
fn listen_pid_is_the_process_itself() {
    on_stage("listen", |mut stage| {
        let mut envp = CStringArray::new(vec![c"LISTEN_PID=".into()]);
        envp.reserve(0, 22);
        stage.child.image.envp = envp;
        stage.child.image.listen_pid = Some(0);
        stage.must(Step::ListenPid);
        let own = fs::read_link("/proc/self").unwrap();
        let expected = format!("LISTEN_PID={}", own.to_str().unwrap());
        stage.child.image.envp.get(0).unwrap().to_str() == Ok(&expected)
    });
}

#[test]
fn the_first_candidate_that_may_be_executed_is_the_program() {
    on_stage("candidates", |mut stage| {
        let file = |name: &str, mode| {
            let path = stage.root.join(name);
            fs::write(&path, "#!/x").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            text(path.to_str().unwrap())
        };
        let (good, plain) = (file("good", 0o755), file("plain", 0o644));
        let missing = text(stage.path("missing").to_str().unwrap());
        let beneath = text(stage.path("plain/x").to_str().unwrap());
        let directory = text(stage.root.to_str().unwrap());
        for (candidates, expected) in [
            (vec![&missing, &plain, &good], Ok(2)),
            (vec![&beneath, &directory, &good], Ok(2)),
            (
                vec![&missing, &plain, &missing],
                Err((Call::ProgramNotExecutable, libc::EACCES, 1)),
            ),
            (
                vec![&directory],
                Err((Call::ProgramIsDirectory, libc::EISDIR, 0)),
            ),
            (
                vec![&missing, &beneath],
                Err((Call::ProgramNotFound, libc::ENOENT, 0)),
            ),
            (vec![], Err((Call::ProgramNotFound, libc::ENOENT, 0))),
        ] {
            stage.child.image.candidates = candidates.into_iter().cloned().collect();
            stage.child.program = None;
            let found = stage
                .perform(Step::FindProgram)
                .map(|()| stage.child.program.unwrap())
                .map_err(|fault| (fault.call, fault.errno, fault.detail));
            assert_eq!(found, expected);
        }
        true
    });
}

fn enter(path: &str, create: bool, last: bool) -> Step {
    Step::WorkingDirectory {
        path: text(path),
        create,
        last,
    }
}

#[test]
fn the_working_directory_is_made_and_lies_inside() {
    on_stage("working directory", |mut stage| {
        let outside = fs::File::open("/tmp").unwrap();
        stage.must(Step::Mount(mount(host(c"/proc"), "/proc")));
        stage.must(Step::PivotRoot);
        let leaked = format!(
            "/proc/self/fd/{}",
            std::os::fd::AsRawFd::as_raw_fd(&outside)
        );
        let fault = stage.perform(enter(&leaked, true, true)).unwrap_err();
        // A magic link is not even followed.
        assert_eq!((fault.call, fault.errno), (Call::Chdir, libc::ELOOP));
        assert!(!stage.child.directory_is_set);
        stage.must(enter("/made/here", true, false));
        assert_eq!(std::env::current_dir().unwrap(), Path::new("/made/here"));
        // It has been entered: the second step does nothing.
        stage.must(enter("/elsewhere", true, true));
        assert!(!Path::new("/elsewhere").exists());
        stage.child.directory_is_set = false;
        let fault = stage.perform(enter("/missing", false, true)).unwrap_err();
        assert_eq!((fault.call, fault.errno), (Call::Chdir, libc::ENOENT));
        true
    });
}

#[test]
fn a_refused_working_directory_is_tried_again_as_the_user() {
    on_stage("refused directory", |mut stage| {
        stage.must(Step::PivotRoot);
        fs::create_dir("/private").unwrap();
        fs::set_permissions("/private", fs::Permissions::from_mode(0o700)).unwrap();
        std::os::unix::fs::chown("/private", Some(1000), Some(1000)).unwrap();
        stage.must(Step::User {
            uid: 1001,
            gid: 1001,
            are_mapped: false,
        });
        stage.must(enter("/private", true, false));
        assert!(!stage.child.directory_is_set);
        let fault = stage.perform(enter("/private", true, true)).unwrap_err();
        fault.errno == libc::EACCES
    });
}

#[test]
fn stdio_follows_the_null_device_and_the_user() {
    on_stage("stdio", |mut stage| {
        let null = fs::File::options()
            .read(true)
            .write(true)
            .open("/dev/null")
            .unwrap();
        let (reading, writing) = descriptor::pipe().unwrap();
        use std::os::fd::{AsFd, AsRawFd};
        super::super::stdio::replace([null.as_raw_fd(), writing.as_raw_fd(), 2]).unwrap();
        drop(reading);
        let of = |number| file::status(descriptor::inherited(number).unwrap()).unwrap();
        let host = file::status(null.as_fd()).unwrap();
        fs::create_dir(stage.path("dev")).unwrap();
        symlink("/secret", stage.path("dev/null")).unwrap();
        stage.must(Step::ReopenNull);
        assert_eq!(of(0).inode, host.inode);
        fs::remove_file(stage.path("dev/null")).unwrap();
        fs::write(stage.path("dev/null"), "").unwrap();
        stage.must(Step::ReopenNull);
        assert_eq!(of(0).inode, host.inode);
        fs::remove_file(stage.path("dev/null")).unwrap();
        crate::sys::file::make_node(
            descriptor::CWD,
            &text(stage.path("dev/null").to_str().unwrap()),
            libc::S_IFCHR | 0o666,
            libc::makedev(1, 3),
        )
        .unwrap();
        stage.must(Step::ReopenNull);
        assert_ne!((of(0).device, of(0).inode), (host.device, host.inode));
        assert!(of(0).is_null_device());
        stage.must(Step::OwnStdio { uid: 33 });
        assert_eq!(of(1).uid, 33);
        of(0).uid == 0
    });
}
