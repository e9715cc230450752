//! Whether the table has a row for every field that the specification's types have.

use oci_spec::runtime::{
    LinuxBlockIo, LinuxCpu, LinuxHugepageLimit, LinuxInterfacePriority, LinuxMemory, LinuxNetwork,
    LinuxPids, LinuxRdma, LinuxResources, LinuxThrottleDevice, LinuxWeightDevice,
};
use std::fmt::Debug;

use super::rows;

/// The fields of a type, as its Debug form names them.
fn fields<T: Debug + Default>() -> Vec<String> {
    let text = format!("{:?}", T::default());
    let (_, inner) = text.split_once('{').expect("a struct with fields");
    let inner = inner.trim_end_matches('}');
    let names = inner.split(", ").filter_map(|field| field.split_once(':'));
    names.map(|(name, _)| name.trim().to_owned()).collect()
}

/// `block_io` and `weight_device` as JSON has them, in capitals and without underscores.
fn plain(name: &str) -> String {
    name.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

/// Every key that the configurations of the rows have, with those above it.
fn keys() -> Vec<String> {
    fn add(value: &serde_json::Value, path: &str, found: &mut Vec<String>) {
        match value {
            serde_json::Value::Object(members) => {
                for (name, member) in members {
                    let path = format!("{path}/{}", plain(name));
                    add(member, &path, found);
                    found.push(path);
                }
            }
            serde_json::Value::Array(entries) => {
                entries.iter().for_each(|entry| add(entry, path, found))
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    for row in rows() {
        add(&row.resources, "", &mut found);
    }
    found
}

#[test]
fn every_field_has_a_row() {
    let keys = keys();
    let check = |path: &str, fields: Vec<String>| {
        assert!(!fields.is_empty(), "{path}");
        for field in fields {
            let path = format!("{path}/{}", plain(&field));
            assert!(keys.contains(&path), "no row has {path}");
        }
    };
    check("", fields::<LinuxResources>());
    check("/memory", fields::<LinuxMemory>());
    check("/cpu", fields::<LinuxCpu>());
    check("/pids", fields::<LinuxPids>());
    check("/blockio", fields::<LinuxBlockIo>());
    check("/blockio/weightdevice", fields::<LinuxWeightDevice>());
    for kind in ["readbps", "writebps", "readiops", "writeiops"] {
        check(
            &format!("/blockio/throttle{kind}device"),
            fields::<LinuxThrottleDevice>(),
        );
    }
    check("/hugepagelimits", fields::<LinuxHugepageLimit>());
    check("/network", fields::<LinuxNetwork>());
    check("/network/priorities", fields::<LinuxInterfacePriority>());
    check("/rdma/rxe0", fields::<LinuxRdma>());
}
