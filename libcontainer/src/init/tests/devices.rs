//! Device nodes, links, ptmx.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};

use super::*;
use crate::plan::step::DeviceStep;
use crate::sys::Call;

fn null(path: &str, listed: bool) -> DeviceStep {
    DeviceStep {
        path: text(path),
        mode: libc::S_IFCHR | 0o666,
        device: libc::makedev(1, 3),
        uid: 4,
        gid: 5,
        bind: None,
        listed,
    }
}

#[test]
fn nodes_have_number_mode_and_owner() {
    on_stage("devices", |mut stage| {
        stage.must(Step::Device(null("/dev/deep/null", true)));
        let made = fs::metadata(stage.path("dev/deep/null")).unwrap();
        assert!(made.file_type().is_char_device());
        assert_eq!(
            (made.rdev(), made.mode() & 0o7777),
            (libc::makedev(1, 3), 0o666)
        );
        assert_eq!((made.uid(), made.gid()), (4, 5));
        // Once more: it is there, and it is what was asked for.
        stage.must(Step::Device(null("/dev/deep/null", true)));
        let mut fifo = null("/dev/fifo", true);
        fifo.mode = libc::S_IFIFO | 0o600;
        fifo.device = 0;
        stage.must(Step::Device(fifo));
        fs::metadata(stage.path("dev/fifo"))
            .unwrap()
            .file_type()
            .is_fifo()
    });
}

#[test]
fn another_file_in_the_place_is_an_error_only_for_listed_devices() {
    on_stage("existing files", |mut stage| {
        fs::create_dir(stage.path("dev")).unwrap();
        for (name, target) in [("link", "/secret"), ("null", "/dev/link")] {
            symlink(target, stage.path("dev").join(name)).unwrap();
        }
        fs::write(stage.path("dev/file"), "").unwrap();
        for name in ["/dev/link", "/dev/null", "/dev/file", "/dev"] {
            let fault = stage.perform(Step::Device(null(name, true))).unwrap_err();
            assert_eq!(fault.call, Call::DeviceDiffers, "{name}");
            stage.must(Step::Device(null(name, false)));
        }
        assert!(
            fs::symlink_metadata(stage.path("dev/null"))
                .unwrap()
                .is_symlink()
        );
        !stage.path("secret").exists()
    });
}

#[test]
fn a_linked_dev_directory_stays_inside() {
    on_stage("linked dev", |mut stage| {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("ptmx"), "").unwrap();
        symlink(outside.path(), stage.path("dev")).unwrap();
        stage.must(Step::Device(null("/dev/null", false)));
        stage.must(Step::Symlink {
            path: text("/dev/fd"),
            to: text("/proc/self/fd"),
        });
        stage.must(Step::Ptmx);
        let inside = stage.root.join(outside.path().strip_prefix("/").unwrap());
        assert_eq!(
            fs::read_link(inside.join("ptmx")).unwrap().to_str(),
            Some("pts/ptmx")
        );
        assert!(inside.join("null").exists());
        fs::read_dir(outside.path()).unwrap().count() == 1
    });
}

#[test]
fn links_leave_what_is_there_and_ptmx_replaces_it() {
    on_stage("links", |mut stage| {
        fs::create_dir(stage.path("dev")).unwrap();
        fs::write(stage.path("dev/fd"), "mine").unwrap();
        fs::write(stage.path("dev/ptmx"), "mine").unwrap();
        stage.must(Step::Symlink {
            path: text("/dev/fd"),
            to: text("/proc/self/fd"),
        });
        assert_eq!(fs::read_to_string(stage.path("dev/fd")).unwrap(), "mine");
        stage.must(Step::Ptmx);
        assert_eq!(
            fs::read_link(stage.path("dev/ptmx")).unwrap().to_str(),
            Some("pts/ptmx")
        );
        stage.must(Step::Ptmx);
        true
    });
}

#[test]
fn a_device_is_bound_where_no_node_can_be_made() {
    on_stage("bound devices", |mut stage| {
        let bound = |path: &str, source: &CStr| DeviceStep {
            bind: Some(host(source)),
            ..null(path, true)
        };
        stage.must(Step::Device(bound("/dev/null", c"/dev/null")));
        assert!(options(&stage.path("dev/null")).is_some());
        assert_eq!(
            fs::metadata(stage.path("dev/null")).unwrap().rdev(),
            libc::makedev(1, 3)
        );
        let fault = stage
            .perform(Step::Device(bound("/dev/zero", c"/dev/zero")))
            .unwrap_err();
        assert_eq!(fault.call, Call::DeviceDiffers);
        symlink("/dev/null", stage.path("dev/link")).unwrap();
        let fault = stage
            .perform(Step::Device(bound("/dev/link", c"/dev/null")))
            .unwrap_err();
        fault.call == Call::DeviceDiffers
    });
}
