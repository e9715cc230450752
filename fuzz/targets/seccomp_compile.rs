//! Whatever a profile says: compiling does not panic, and the kernel would take the program.

#![no_main]

use libfuzzer_sys::fuzz_target;
use oci_spec::runtime::LinuxSeccomp;
use seccomp::{Options, compile, sim};

fuzz_target!(|text: &[u8]| {
    let Ok(profile) = serde_json::from_slice::<LinuxSeccomp>(text) else {
        return;
    };
    let Ok(filter) = compile(&profile, &Options::default()) else {
        return;
    };
    assert_eq!(filter.check(), Ok(()));
    assert!(sim::run(filter.program(), &sim::Data::default()).is_ok());
    let _ = filter.dump().to_string();
});
