//! Whatever a `state.json` says: loading it answers, and what loads tells its state.

#![no_main]

use std::path::PathBuf;
use std::sync::OnceLock;

use libcontainer::Container;
use libfuzzer_sys::fuzz_target;

const ID: &str = "fuzzed";

/// A directory of this process with the state of one container. Nothing that changes a container is
/// called: a record may name any cgroup of this machine.
fn root() -> &'static PathBuf {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let root = std::env::temp_dir().join(format!("oxrun-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(root.join(ID)).expect("a directory");
        root
    })
}

fuzz_target!(|record: &[u8]| {
    let root = root();
    std::fs::write(root.join(ID).join("state.json"), record).expect("a file");
    let (loaded, errors) = Container::list(root).expect("the directory can be read");
    assert_eq!(loaded.len() + errors.len(), 1);
    for container in loaded {
        let _ = container.state().map(|state| serde_json::to_string(&state));
    }
    let _ = Container::load(root, ID);
});
