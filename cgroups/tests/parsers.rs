//! No text makes a parser panic. (The fuzz targets look longer.)

use cgroups::devices::rules::AccessList;
use cgroups::systemd::{expand_slice, gvariant};
use cgroups::{Host, SubCgroups, limits, mounts, own_cgroups, stats};
use proptest::prelude::*;

/// Pieces of what the parsers know, put together at random.
fn text() -> impl Strategy<Value = String> {
    let words = [
        "a",
        "as",
        "(s)",
        "@",
        "[",
        "]",
        "(",
        ")",
        "<",
        ">",
        "'",
        "\"",
        "\\",
        "\\u",
        "0x",
        "-",
        "+",
        ",",
        ".",
        ":",
        "/",
        "..",
        " ",
        "\n",
        "uint64",
        "byte",
        "true",
        "max",
        "some",
        "full",
        "avg10=",
        "total=",
        "rbytes=",
        " - cgroup",
        "2 ",
        "\\040",
        "c 1:3 rwm",
        "*",
        "0-3",
        "4294967296",
        "65535",
        "é",
        "\0",
        ".slice",
        "8:0 Read 1",
    ];
    proptest::collection::vec(proptest::sample::select(words.to_vec()), 0..14)
        .prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn nothing_panics(text in prop_oneof![text(), ".{0,40}"]) {
        let _ = Host::assemble(&mounts(&text), &own_cgroups(&text), false, 0);
        let _ = limits::cpulist::bits("f", &text);
        let _ = AccessList::parse_v1(&text);
        let _ = SubCgroups::parse(&[&text]);
        let _ = expand_slice(&text);
        let _ = gvariant::parse(&text).map(|value| value.signature());
        let _ = (stats::psi(&text), stats::blkio(&text), stats::io_stat(&text));
        let _ = stats::key_values(&text).count();
    }
}
