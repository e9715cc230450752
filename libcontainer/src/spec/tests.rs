//! What loads, with which warnings, and which field an error names.

use super::*;

fn error(config: &str) -> String {
    load(config.as_bytes()).expect_err(config).to_string()
}

fn with_process(process: &str) -> String {
    format!(
        r#"{{"ociVersion":"1.0.2","process":{{"cwd":"/","user":{{"uid":0,"gid":0}},{process}}}}}"#
    )
}

#[test]
fn errors_name_the_field_the_value_and_what_is_allowed() {
    let cases = [
        (
            with_process(
                r#""rlimits":[{"type":"RLIMIT_CORE","soft":0,"hard":0},{"type":"RLIMIT_FOO","soft":1,"hard":1}]"#,
            ),
            "process.rlimits[1].type: unknown variant `RLIMIT_FOO`, expected one of `RLIMIT_CPU`",
        ),
        (
            with_process(r#""args":["a",7]"#),
            "process.args[1]: invalid type: integer `7`, expected a string",
        ),
        (
            with_process(r#""oomScoreAdj":99999999999"#),
            "process.oomScoreAdj: invalid value: integer `99999999999`, expected i32",
        ),
        (
            r#"{"ociVersion":"1.0.2","process":{"cwd":"/","user":{"uid":4294967296,"gid":0}}}"#
                .into(),
            "process.user.uid: invalid value: integer `4294967296`, expected u32",
        ),
        (
            r#"{"ociVersion":"1.0.2","process":{"user":{}}}"#.into(),
            "process.cwd: is required",
        ),
        (
            r#"{"ociVersion":"1.0.2","mounts":[{"destination":"/a"},{"type":"proc"}]}"#.into(),
            "mounts[1].destination: is required",
        ),
        (
            r#"{"ociVersion":"1.0.2","linux":{"namespaces":[{"type":"pid"},{"type":"galaxy"}]}}"#
                .into(),
            "linux.namespaces[1].type: unknown variant `galaxy`, expected one of `mount`",
        ),
        (
            r#"{"ociVersion":"1.0.2","linux":{"seccomp":{"defaultAction":"SCMP_ACT_MAYBE"}}}"#
                .into(),
            "linux.seccomp.defaultAction: unknown variant `SCMP_ACT_MAYBE`",
        ),
        (
            r#"{"ociVersion":"1.0.2","root":"rootfs"}"#.into(),
            "root: invalid type: string",
        ),
        (r#"7"#.into(), "config.json: invalid type: integer `7`"),
        (
            r#"{"ociVersion":"#.into(),
            "config.json: is no JSON: EOF while parsing",
        ),
    ];
    for (config, expected) in cases {
        let error = error(&config);
        assert!(error.starts_with(expected), "{error}\nexpected {expected}");
    }
}

#[test]
fn the_path_is_right_behind_line_breaks_and_quotes() {
    let config = "{\n \"ociVersion\": \"1.0.2\",\n \"annotations\": {\"a\\\"}]\": \"{[\"},\n \"hooks\": {\n  \"poststop\": [ { \"path\": \"/a\" },\n { \"path\": 3 } ] } }";
    assert!(
        error(config).starts_with("hooks.poststop[1].path: "),
        "{}",
        error(config)
    );
}

#[test]
fn unknown_capabilities_are_left_out_with_a_warning() {
    let config =
        with_process(r#""capabilities":{"bounding":["CAP_KILL","CAP_UNKNOWN"],"effective":[]}"#);
    let (spec, warnings) = load(config.as_bytes()).expect("tolerated");
    let process = spec.process().as_ref().expect("a process");
    let bounding = process
        .capabilities()
        .as_ref()
        .and_then(|c| c.bounding().clone());
    assert_eq!(bounding.map(|set| set.len()), Some(1));
    assert_eq!(
        warnings,
        [
            "process.capabilities.bounding: ignoring unknown or unavailable capability \"CAP_UNKNOWN\""
        ]
    );
}

#[test]
fn what_says_nothing_is_taken_for_nothing() {
    for process in [
        r#""scheduler":{"policy":"SCHED_DEADLINE","flags":["SCHED_FLAG_DL_OVERRUN"]}"#,
        r#""execCPUAffinity":{"initial":"","final":"0-3, 5"}"#,
        r#""rlimits":null,"capabilities":{"bounding":null}"#,
    ] {
        let (_, warnings) = load(with_process(process).as_bytes()).expect(process);
        assert!(warnings.is_empty(), "{warnings:?}");
    }
    for config in [
        r#"{"ociVersion":"1.0.2","process":{"cwd":"/","args":["a"]}}"#,
        r#"{"ociVersion":"1.0.2","windows":{"layerFolders":7}}"#,
        r#"{"ociVersion":"1.0.2","linux":{"resources":{"devices":[{"allow":false,"type":"","access":"rwm"}]}}}"#,
        r#"{"ociVersion":"1.0.2","ociVersion":"1.0.3"}"#,
        r#"{"ociVersion":"1.0.2","unknown":{"property":1}}"#,
    ] {
        load(config.as_bytes()).expect(config);
    }
}

#[test]
fn a_process_file_has_paths_below_process() {
    let error = load_process(br#"{"cwd":"/","user":{"uid":-1}}"#).expect_err("negative");
    assert!(
        error.to_string().starts_with("process.user.uid: "),
        "{error}"
    );
}

#[test]
#[allow(clippy::disallowed_methods)] // nothing tells that the reader waits again
fn a_file_that_gives_less_than_was_asked_for_is_read_on() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("config.json");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("a FIFO");
    let reader = std::thread::spawn({
        let path = path.clone();
        move || read(&path).expect("the text")
    });
    let mut writer = std::fs::File::create(&path).expect("the FIFO");
    let pieces = [&b"{\"a\": {"[..], b"\"b\": 1", b"}}\n"];
    for piece in pieces {
        std::io::Write::write_all(&mut writer, piece).expect("written");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(reader.join().expect("a reader"), pieces.concat());
}
