//! Tells the linker where the program begins, and where to put what in the optimised one.

use std::env::var;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=link");
    println!("cargo::rustc-check-cfg=cfg(begins_at_entry, ordered)");
    let is = |name, value: &str| var(name).is_ok_and(|found| found == value);
    // Other C libraries have not been tried.
    if !is("CARGO_CFG_TARGET_OS", "linux") || !is("CARGO_CFG_TARGET_ENV", "gnu") {
        return;
    }
    let features = var("CARGO_CFG_TARGET_FEATURE").unwrap_or_default();
    let is_static = features.split(',').any(|name| name == "crt-static");
    if is_static && is("CARGO_CFG_TARGET_ARCH", "x86_64") {
        println!("cargo::rustc-cfg=begins_at_entry");
        println!("cargo::rustc-link-arg-bins=-Wl,--entry=oxrun_start");
    }
    let Ok(directory) = var("CARGO_MANIFEST_DIR") else {
        return;
    };
    // Debug builds unwind.
    if is("PROFILE", "release") {
        println!("cargo::rustc-cfg=ordered");
        for script in ["heap.ld", "order.ld", "unwind.ld"] {
            println!("cargo::rustc-link-arg-bins=-Wl,-T,{directory}/link/{script}");
        }
    }
}
