//! Tells the linker where to put what in the optimised program.

use std::env::var;

fn main() {
    println!("cargo::rerun-if-changed=link");
    let is = |name, value: &str| var(name).is_ok_and(|found| found == value);
    // Debug builds unwind; other C libraries have not been tried.
    let wanted = is("PROFILE", "release")
        && is("CARGO_CFG_TARGET_OS", "linux")
        && is("CARGO_CFG_TARGET_ENV", "gnu");
    let Ok(directory) = var("CARGO_MANIFEST_DIR") else {
        return;
    };
    if wanted {
        for script in ["order.ld", "unwind.ld"] {
            println!("cargo::rustc-link-arg-bins=-Wl,-T,{directory}/link/{script}");
        }
    }
}
