//! The shapes of command line that engines send, and the table against what callers know.

#![forbid(unsafe_code)]

use std::ffi::OsString;

use super::*;

fn read(line: &str) -> Invocation {
    let arguments: Vec<OsString> = line.split_ascii_whitespace().map(OsString::from).collect();
    parse(&arguments)
}

fn command(line: &str) -> (Matches, &'static str, Matches) {
    let invocation = read(line);
    match invocation.request {
        Ok(Request::Command(command, matches)) => (invocation.global, command.name, matches),
        other => panic!("{line}: {other:?}"),
    }
}

fn error(line: &str) -> String {
    match read(line).request {
        Err(error) => error.to_string(),
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn global_options_of_go_runc_come_before_the_command() {
    let (global, name, matches) = command(
        "--root /run/r --debug --log /l --log-format json --systemd-cgroup --rootless=true state c",
    );
    assert_eq!(name, "state");
    assert_eq!(global.text(&flags::ROOT).as_deref(), Some("/run/r"));
    assert!(global.is_set(&flags::DEBUG) && global.is_set(&flags::SYSTEMD_CGROUP));
    assert_eq!(global.text(&flags::LOG).as_deref(), Some("/l"));
    assert_eq!(global.text(&flags::LOG_FORMAT).as_deref(), Some("json"));
    assert_eq!(
        global.rootless(&flags::ROOTLESS),
        Ok(Some(value::Rootless::Yes))
    );
    assert_eq!(matches.operand(0).as_deref(), Some("c"));
}

#[test]
fn create_of_go_runc() {
    let (_, name, matches) = command(
        "create --bundle /b --pid-file /p --console-socket /s --pidfd-socket /f --no-pivot --no-new-keyring \
         --preserve-fds 3 c",
    );
    assert_eq!(name, "create");
    for (flag, value) in [
        (&flags::BUNDLE, "/b"),
        (&flags::PID_FILE, "/p"),
        (&flags::CONSOLE_SOCKET, "/s"),
        (&flags::PIDFD_SOCKET, "/f"),
        (&flags::PRESERVE_FDS, "3"),
    ] {
        assert_eq!(
            matches.text(flag).as_deref(),
            Some(value),
            "--{}",
            flag.long
        );
    }
    assert!(matches.is_set(&flags::NO_PIVOT) && matches.is_set(&flags::NO_NEW_KEYRING));
    assert_eq!(matches.count(&flags::PRESERVE_FDS), Ok(Some(3)));
    assert_eq!(matches.operands(), ["c"]);
}

#[test]
fn lines_of_conmon() {
    let (global, _, _) = command(
        "--cgroup-manager disabled --systemd-cgroup --log /l --log-format=json create --bundle /b --pid-file /p c",
    );
    assert_eq!(
        global.text(&flags::CGROUP_MANAGER).as_deref(),
        Some("disabled")
    );
    let (_, name, matches) =
        command("exec --pid-file /p --process /j --detach --console-socket /s c");
    assert_eq!(name, "exec");
    assert!(matches.is_set(&flags::DETACH));
    assert_eq!(matches.text(&flags::PROCESS).as_deref(), Some("/j"));
}

#[test]
fn the_other_lines_of_engines() {
    for line in [
        "run --bundle /b --detach c",
        "exec --process /j --console-socket /s --pidfd-socket /f --detach --pid-file /p c",
        "start c",
        "state c",
        "delete c",
        "delete --force c",
        "kill c 9",
        "kill --all c 15",
        "list --format=json",
        "ps --format json c",
        "ps --format table c -o pid,comm",
        "pause c",
        "resume c",
        "update --resources=- c",
        "update --resources=/r c",
        "--rootless=false --criu /usr/sbin/criu list",
    ] {
        command(line);
    }
    assert!(matches!(read("--version").request, Ok(Request::Version)));
    assert!(matches!(read("-v").request, Ok(Request::Version)));
    assert!(matches!(read("").request, Ok(Request::Help(None))));
    assert!(matches!(read("help").request, Ok(Request::Help(None))));
    for line in [
        "help run",
        "h run",
        "run --help",
        "run -h",
        "run x y z --help",
    ] {
        let request = read(line).request;
        assert!(
            matches!(request, Ok(Request::Help(Some(c))) if c.name == "run"),
            "{line}"
        );
    }
}

#[test]
fn every_spelling_of_an_option() {
    for line in [
        "run --bundle /b c",
        "run --bundle=/b c",
        "run -bundle /b c",
        "run -bundle=/b c",
        "run -b /b c",
        "run -b=/b c",
        "run -b/b c",
        "run c -b /b",
        "run -b /a -b /b c",
        "run -db /b c",
        "run -b /b -- c",
    ] {
        let (_, _, matches) = command(line);
        assert_eq!(
            matches.text(&flags::BUNDLE).as_deref(),
            Some("/b"),
            "{line}"
        );
        assert_eq!(matches.operands(), ["c"], "{line}");
    }
    for (line, set) in [
        ("run --detach c", true),
        ("run -detach c", true),
        ("run -d c", true),
        ("run --detach=true c", true),
        ("run -d=1 c", true),
        ("run --detach=false c", false),
        ("run -d --detach=false c", false),
        ("run -d=F c", false),
        ("run c", false),
    ] {
        assert_eq!(command(line).2.is_set(&flags::DETACH), set, "{line}");
    }
    assert_eq!(
        command("update c --memory -1").2.size(&flags::MEMORY),
        Ok(Some(-1))
    );
    assert_eq!(
        command("-root /r -debug=false list")
            .0
            .text(&flags::ROOT)
            .as_deref(),
        Some("/r")
    );
}

#[test]
fn the_command_of_exec_is_left_alone() {
    let (_, _, matches) = command("exec -t -e A=1 --env B=2 -u 1:2 c ls -t --user x -- -b");
    assert_eq!(
        matches.operands(),
        ["c", "ls", "-t", "--user", "x", "--", "-b"]
    );
    assert_eq!(matches.texts(&flags::ENV), ["A=1", "B=2"]);
    assert_eq!(matches.user(&flags::USER), Ok(Some((1, Some(2)))));
    let (_, _, matches) = command("ps c -o pid,args --format json");
    assert!(!matches.is_given(&flags::FORMAT));
    let (_, _, matches) = command("exec -- c -x");
    assert_eq!(matches.operands(), ["c", "-x"]);
}

#[test]
fn mistakes_are_named() {
    for (line, words) in [
        ("nonsense", "No help topic for 'nonsense'"),
        ("create", "\"create\" requires exactly 1 argument(s)"),
        ("kill", "\"kill\" requires a minimum of 1 argument(s)"),
        ("kill a b c", "\"kill\" requires a maximum of 2 argument(s)"),
        ("create --nope c", "oxrun create: unknown option --nope"),
        ("create -z c", "oxrun create: unknown option -z"),
        ("--nope create c", "oxrun: unknown option --nope"),
        ("state --root /r c", "oxrun state: unknown option --root"),
        ("create c --bundle", "--bundle needs a value"),
        (
            "run --preserve-fds x c",
            "invalid value \"x\" for --preserve-fds: allowed is a whole number",
        ),
        (
            "run --detach=maybe c",
            "invalid value \"maybe\" for --detach: allowed is true or false",
        ),
        (
            "list -f xml",
            "invalid value \"xml\" for --format: allowed is table or json",
        ),
        (
            "--log-format xml list",
            "invalid value \"xml\" for --log-format: allowed is text or json",
        ),
        (
            "exec -u root c ls",
            "invalid value \"root\" for --user: allowed is UID or UID:GID",
        ),
        ("kill c -9", "unknown option -9"),
    ] {
        let text = error(line);
        assert!(text.contains(words), "{line}: {text}");
        assert!(!text.contains('\n'), "{line}: {text}");
    }
}

#[test]
fn bytes_that_are_no_text_are_paths_but_not_values() {
    use std::os::unix::ffi::OsStringExt;
    let line = |flag: &str| {
        let bytes = OsString::from_vec(b"/\xff".to_vec());
        parse(&["exec".into(), flag.into(), bytes, "c".into(), "ls".into()]).request
    };
    assert!(matches!(line("--pid-file"), Ok(Request::Command(..))));
    assert!(matches!(
        line("--env"),
        Err(UsageError::Value { flag: "env", .. })
    ));
}

#[test]
fn global_options_are_kept_when_the_rest_is_wrong() {
    let invocation = read("--log /l --log-format json create");
    assert!(invocation.request.is_err());
    assert_eq!(invocation.global.text(&flags::LOG).as_deref(), Some("/l"));
}

#[test]
fn the_table_is_sound() {
    let mut names: Vec<&str> = COMMANDS.iter().map(|command| command.name).collect();
    names.sort_unstable();
    let unique = names.len();
    names.dedup();
    assert_eq!(names.len(), unique);
    let tables = COMMANDS.iter().map(|command| command.flags);
    for table in tables.chain([flags::GLOBAL]) {
        for (index, flag) in table.iter().enumerate() {
            for other in &table[..index] {
                assert_ne!(flag.long, other.long);
                assert!(
                    flag.short.is_none() || flag.short != other.short,
                    "-{:?}",
                    flag.short
                );
            }
            assert!(!flag.help.ends_with('.'), "--{}", flag.long);
        }
        assert!(table.iter().any(|flag| flag.long == "help"));
    }
}

/// The flags of each command that callers of runc know: those of Debian's 1.1.5 and of later versions.
const OF_RUNC: &[(&str, &str)] = &[
    (
        "create",
        "bundle console-socket pid-file no-pivot preserve-fds pidfd-socket no-new-keyring",
    ),
    (
        "run",
        "bundle console-socket pid-file no-pivot preserve-fds pidfd-socket no-new-keyring detach keep no-subreaper",
    ),
    (
        "exec",
        "cwd env tty user process detach pid-file no-new-privs cap preserve-fds cgroup console-socket \
         pidfd-socket additional-gids process-label apparmor ignore-paused",
    ),
    ("kill", "all"),
    ("delete", "force"),
    ("list", "format quiet"),
    ("ps", "format"),
    ("spec", "bundle rootless"),
    (
        "update",
        "resources memory memory-swap memory-reservation cpu-period cpu-quota cpu-burst cpu-share cpu-rt-period \
         cpu-rt-runtime cpuset-cpus cpuset-mems cpu-idle pids-limit blkio-weight kernel-memory kernel-memory-tcp \
         l3-cache-schema mem-bw-schema",
    ),
    ("start", ""),
    ("state", ""),
    ("pause", ""),
    ("resume", ""),
];

#[test]
fn nothing_of_runc_is_missing() {
    for (name, wanted) in OF_RUNC {
        let command = COMMANDS
            .iter()
            .find(|command| command.name == *name)
            .unwrap();
        let mut given: Vec<&str> = command
            .flags
            .iter()
            .filter(|flag| flag.origin == Origin::Runc)
            .map(|flag| flag.long)
            .collect();
        let mut wanted: Vec<&str> = wanted.split_ascii_whitespace().chain(["help"]).collect();
        given.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(given, wanted, "{name}");
    }
}

/// Where Debian's runc is installed, its own help is the list.
#[test]
fn the_installed_runc_has_no_flag_that_is_missing() {
    for command in COMMANDS {
        let Ok(output) = std::process::Command::new("runc")
            .args([command.name, "--help"])
            .output()
        else {
            return;
        };
        let help = String::from_utf8(output.stdout).unwrap();
        for line in help.lines().filter_map(|line| line.strip_prefix("   --")) {
            let names = line.split_once("  ").map_or(line, |(names, _)| names);
            for name in names.split(", ") {
                let name = name.split_ascii_whitespace().next().unwrap();
                let known = command.flags.iter().any(|flag| {
                    flag.long == name
                        || name
                            .strip_prefix('-')
                            .is_some_and(|n| n.chars().next() == flag.short)
                });
                assert!(known, "{} --{name}", command.name);
            }
        }
    }
}

#[test]
fn help_is_as_it_was() {
    let mut text = help::program();
    for command in COMMANDS {
        text.push_str("\n----\n");
        text.push_str(&help::command(command));
    }
    assert!(text.lines().all(|line| line.len() <= 80));
    insta::assert_snapshot!(text);
}

#[test]
fn the_version_has_the_lines_that_engines_parse() {
    let text = help::version();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "go-runc wants three lines");
    assert!(lines[0].starts_with("oxrun version "));
    assert!(lines[1].starts_with("commit: "));
    assert!(lines[2].starts_with("spec: 1."));
    assert!(lines.iter().all(|line| line.split(": ").count() <= 2));
}
