//! Whatever resources ask for: planning does not panic, no write leaves the cgroup's
//! directory, and the device program decides as the list does.

#![no_main]

use std::path::Path;

use cgroups::devices::program::compile;
use cgroups::limits::Refused;
use cgroups::{Hierarchy, Host, Layout, Request, plan};
use libfuzzer_sys::fuzz_target;
use oci_spec::runtime::LinuxResources;

fn host(layout: Layout) -> Host {
    let hierarchy = |controllers: &[&str]| Hierarchy {
        mount_point: "/sys/fs/cgroup".into(),
        root: "/".into(),
        controllers: controllers.iter().map(ToString::to_string).collect(),
        own: "/own".into(),
    };
    let all = [
        "cpu", "cpuset", "memory", "devices", "pids", "blkio", "hugetlb", "net_cls", "net_prio",
        "rdma",
    ];
    let v2 = layout == Layout::V2;
    Host {
        layout,
        v1: if v2 { vec![] } else { vec![hierarchy(&all)] },
        v2: v2.then(|| hierarchy(&[])),
        systemd: true,
        euid: 0,
    }
}

fn is_a_name(file: &str) -> bool {
    !file.is_empty() && file != "." && file != ".." && !file.contains(['/', '\0'])
}

fuzz_target!(|input: (&str, &str)| {
    let (json, path) = input;
    let Ok(resources) = serde_json::from_str::<LinuxResources>(json) else {
        return;
    };
    for layout in [Layout::V1, Layout::V2] {
        let cgroups_path = (!path.is_empty()).then(|| Path::new(path));
        let request = Request {
            id: "id",
            cgroups_path,
            resources: Some(&resources),
            ..Request::default()
        };
        let Ok(plan) = plan(&host(layout), &request) else {
            continue;
        };
        for write in plan.writes() {
            assert!(is_a_name(&write.file), "{write:?}");
            if let Refused::Instead { file, .. } = &write.refused {
                assert!(is_a_name(file), "{write:?}");
            }
        }
        for group in plan.groups() {
            assert!(group.relative.split('/').all(is_a_name), "{group:?}");
        }
        let _ = plan.devices().map(compile);
        let _ = plan.to_string();
    }
});
