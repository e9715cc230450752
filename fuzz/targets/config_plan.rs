//! Whatever a configuration says: loading and planning answer, and the plan can be told in words.

#![no_main]

#[path = "../planning.rs"]
mod planning;

use libcontainer::{plan, spec};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let Ok((spec, _)) = spec::load(text) else {
        return;
    };
    for facts in planning::hosts() {
        if let Some(plan) = planning::create(&spec, &facts) {
            let _ = plan::render::text(&plan);
        }
        if let Some(process) = spec.process() {
            let _ = plan::exec(&spec, process, &facts, &planning::exec_options());
        }
    }
});
