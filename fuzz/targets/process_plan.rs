//! Whatever a process file says: loading and planning answer.

#![no_main]

#[path = "../planning.rs"]
mod planning;

use libcontainer::{plan, spec};
use libfuzzer_sys::fuzz_target;
use oci_spec::runtime::Spec;

fuzz_target!(|text: &[u8]| {
    let Ok((process, _)) = spec::load_process(text) else {
        return;
    };
    let container = Spec::default();
    for facts in planning::hosts() {
        let plan = plan::exec(&container, &process, &facts, &planning::exec_options());
        if let Ok(plan) = plan {
            let _ = plan::render::text(&plan);
        }
    }
});
