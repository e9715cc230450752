//! Whatever the options of a mount are (one a line): planning answers.

#![no_main]

#[path = "../planning.rs"]
mod planning;

use libcontainer::plan;
use libfuzzer_sys::fuzz_target;
use oci_spec::runtime::{Linux, Mount, Spec};

fuzz_target!(|text: &str| {
    let mut lines = text.lines();
    let mut mount = Mount::default();
    mount.set_typ(lines.next().map(ToOwned::to_owned));
    mount.set_source(lines.next().map(Into::into));
    mount.set_destination(lines.next().unwrap_or("/a").into());
    mount.set_options(Some(lines.map(ToOwned::to_owned).collect()));
    let mut spec = Spec::default();
    spec.set_linux(Some(Linux::default()));
    spec.set_mounts(Some(vec![mount]));
    for facts in planning::hosts() {
        if let Some(plan) = planning::create(&spec, &facts) {
            let _ = plan::render::text(&plan);
        }
    }
});
