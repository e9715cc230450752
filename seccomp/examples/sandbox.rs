//! Takes rights away from the current thread, and shows what is left.
//!
//! `cargo run -p oxrun-seccomp --example sandbox`

#![allow(clippy::print_stdout)]

use std::error::Error;
use std::{fs, io, process};

use oci_spec::runtime::LinuxSeccomp;
use seccomp::{Options, compile, install};

const PROFILE: &str = r#"{
    "defaultAction": "SCMP_ACT_ALLOW",
    "syscalls": [
        { "names": [ "mkdir", "mkdirat" ], "action": "SCMP_ACT_ERRNO", "errnoRet": 30 },
        {
            "names": [ "openat" ],
            "action": "SCMP_ACT_ERRNO",
            "args": [ { "index": 2, "value": 3, "valueTwo": 1, "op": "SCMP_CMP_MASKED_EQ" } ]
        }
    ]
}"#;

fn main() -> Result<(), Box<dyn Error>> {
    let profile: LinuxSeccomp = serde_json::from_str(PROFILE)?;
    let filter = compile(&profile, &Options::default())?;
    print!("{}", filter.dump());

    // Without CAP_SYS_ADMIN the kernel wants the promise to execute nothing with more rights.
    // SAFETY: this prctl takes no pointers.
    if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } != 0 {
        return Err(io::Error::last_os_error().into());
    }
    install(&filter)?;

    println!(
        "read a file:      {:?}",
        fs::read_to_string("/proc/self/comm").map(|s| s.len())
    );
    println!(
        "write to a file:  {:?}",
        fs::write("/tmp/sandbox-example", "text")
    );
    let directory = format!("/tmp/sandbox-example-{}", process::id());
    println!("make a directory: {:?}", fs::create_dir(directory));
    Ok(())
}
