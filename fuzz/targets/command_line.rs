//! Whatever the command line says: reading it does not panic, and what is accepted can be read again
//! by kind.

#![no_main]

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use libfuzzer_sys::fuzz_target;
use oxrun::args::{Kind, Matches, Request, flags, parse};

fuzz_target!(|bytes: &[u8]| {
    let arguments = bytes.split(|&byte| byte == b'\n' || byte == 0);
    let arguments: Vec<OsString> = arguments.map(|a| OsString::from_vec(a.to_vec())).collect();
    let invocation = parse(&arguments);
    for flag in flags::GLOBAL {
        read_by_kind(&invocation.global, flag);
    }
    match invocation.request {
        Ok(Request::Command(command, matches)) => {
            for flag in command.flags {
                read_by_kind(&matches, flag);
            }
        }
        Ok(_) => {}
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});

/// Values were checked while parsing: none of these may be an error.
fn read_by_kind(matches: &Matches, flag: &'static oxrun::args::Flag) {
    let right = match flag.kind {
        Kind::Count => matches.count(flag).is_ok(),
        Kind::Weight => matches.weight(flag).is_ok(),
        Kind::Unsigned => matches.unsigned(flag).is_ok(),
        Kind::Signed => matches.signed(flag).is_ok(),
        Kind::Size => matches.size(flag).is_ok(),
        Kind::Interval => matches.interval(flag).is_ok(),
        Kind::Rootless => matches.rootless(flag).is_ok(),
        Kind::User => matches.user(flag).is_ok(),
        Kind::Id => matches.ids(flag).is_ok(),
        Kind::Switch | Kind::Text | Kind::File | Kind::Directory | Kind::Choice(_) => true,
    };
    assert!(right, "--{}", flag.long);
}
