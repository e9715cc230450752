//! The hooks that run in the runtime's namespaces: prestart, createRuntime, poststart and poststop
//! (config.md, "POSIX-platform Hooks").

#![forbid(unsafe_code)]

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use super::subprocess::{self, Failure, Program, c_strings};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::Hook;

/// Runs the hooks one after the other, each with the state on its standard input, in the directory
/// `cwd` (the bundle), with its own environment alone. The first that fails ends it.
///
/// `kind` is the hooks' name in the configuration, for messages.
pub(crate) fn run(hooks: &[Hook], kind: &str, state_json: &[u8], cwd: &Path) -> Result<()> {
    hooks
        .iter()
        .enumerate()
        .try_for_each(|(index, hook)| run_one(hook, kind, index, state_json, cwd))
}

/// As [`run`], but goes on after a failure and returns all of them (runtime.md: a failing poststop
/// hook is a warning).
pub(crate) fn run_all_warn(
    hooks: &[Hook],
    kind: &str,
    state_json: &[u8],
    cwd: &Path,
) -> Vec<Error> {
    hooks
        .iter()
        .enumerate()
        .filter_map(|(index, hook)| run_one(hook, kind, index, state_json, cwd).err())
        .collect()
}

fn run_one(hook: &Hook, kind: &str, index: usize, state_json: &[u8], cwd: &Path) -> Result<()> {
    let name = name(hook, kind, index);
    let failed =
        |what: String| Error::new(ErrorKind::System, format!("error running {name}: {what}"));
    let zero = |part: &str| Error::config(&format!("{}.{part}", hook.field), "holds a zero byte");
    let path = c_path(&hook.path).ok_or_else(|| zero("path"))?;
    let directory = c_path(cwd).ok_or_else(|| zero("bundle"))?;
    let program_name = hook.path.to_string_lossy();
    let args = match hook.args.is_empty() {
        true => c_strings([&*program_name]),
        false => c_strings(hook.args.iter().map(String::as_str)),
    };
    let program = Program {
        path: &path,
        argv: &args.map_err(|at| zero(&format!("args[{at}]")))?,
        envp: &c_strings(hook.env.iter().map(String::as_str))
            .map_err(|at| zero(&format!("env[{at}]")))?,
        cwd: Some(&directory),
        input: state_json,
        timeout: hook.timeout.map(Duration::from_secs),
    };
    match subprocess::run(&program) {
        Ok(outcome) if outcome.status == 0 => Ok(()),
        Ok(outcome) => Err(failed(format!(
            "{}, stdout: {}, stderr: {}",
            outcome.describe(),
            outcome.stdout,
            outcome.stderr
        ))),
        Err(Failure::TimedOut) => Err(failed(format!(
            "hook ran past specified timeout of {}.0s",
            hook.timeout.unwrap_or_default()
        ))),
        Err(Failure::Call(call, errno)) => Err(failed(format!(
            "{program_name}: {call}: {}",
            cgroups::reason(errno)
        ))
        .with_errno(errno as i32)),
    }
}

/// `createRuntime hook #0`. Lists of several kinds may come joined, so the field decides.
fn name(hook: &Hook, kind: &str, index: usize) -> String {
    let of_field = || {
        let (kind, rest) = hook.field.strip_prefix("hooks.")?.split_once('[')?;
        Some(format!("{kind} hook #{}", rest.strip_suffix(']')?))
    };
    of_field().unwrap_or_else(|| format!("{kind} hook #{index}"))
}

fn c_path(path: &Path) -> Option<CString> {
    CString::new(path.as_os_str().as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Instant;

    use super::*;
    use crate::sys::testing::{in_child, refuse};

    fn shell(script: &str) -> Hook {
        Hook {
            path: PathBuf::from("/bin/sh"),
            args: ["hook-name", "-c", script].map(str::to_owned).to_vec(),
            env: Vec::new(),
            timeout: Some(20),
            field: "hooks.createRuntime[0]".to_owned(),
        }
    }

    fn error(hook: Hook) -> Error {
        run(&[hook], "createRuntime", b"{}", Path::new("/")).unwrap_err()
    }

    #[test]
    fn a_hook_gets_state_directory_arguments_and_its_own_environment_only() {
        let dir = tempfile::tempdir().unwrap();
        let mut hook = shell(
            "cat > state; pwd -P > cwd; echo \"$0\" > name; tr '\\0' '\\n' < /proc/$$/environ > env",
        );
        hook.env = vec![
            "B=2".to_owned(),
            "A=1".to_owned(),
            "PATH=/bin:/usr/bin".to_owned(),
        ];
        run(&[hook], "createRuntime", b"{\"id\":\"c\"}", dir.path()).unwrap();
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(read("state"), "{\"id\":\"c\"}");
        let real = dir.path().canonicalize().unwrap();
        assert_eq!(read("cwd").trim_end(), real.to_str().unwrap());
        assert_eq!(read("name"), "hook-name\n");
        assert_eq!(read("env"), "B=2\nA=1\nPATH=/bin:/usr/bin\n");
    }

    #[test]
    fn a_failure_is_told_in_runcs_words_with_both_outputs() {
        let hook = shell("echo to out; echo to err >&2; exit 3");
        assert_eq!(
            error(hook).to_string(),
            "error running createRuntime hook #0: exit status 3, stdout: to out, stderr: to err"
        );
        assert_eq!(
            error(shell("kill -9 $$")).to_string(),
            "error running createRuntime hook #0: killed by signal 9 (killed), stdout: , stderr: "
        );
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let hook = Hook {
            path: PathBuf::from("/nowhere/hook"),
            ..shell("")
        };
        let error = error(hook);
        assert_eq!(
            error.to_string(),
            "error running createRuntime hook #0: /nowhere/hook: execve: no such file or directory"
        );
        assert_eq!(error.errno(), Some(nix::libc::ENOENT));
    }

    #[test]
    fn a_hook_that_stays_too_long_is_killed() {
        let hook = Hook {
            timeout: Some(1),
            ..shell("exec sleep 60")
        };
        let start = Instant::now();
        assert_eq!(
            error(hook).to_string(),
            "error running createRuntime hook #0: hook ran past specified timeout of 1.0s"
        );
        assert!(start.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn much_output_and_unread_input_block_nobody() {
        let hook = shell("head -c 3000000 /dev/zero | tr '\\0' x; exit 1");
        let message = run(&[hook], "x", &vec![b' '; 3_000_000], Path::new("/"))
            .unwrap_err()
            .to_string();
        assert!(
            (60_000..70_000).contains(&message.len()),
            "{}",
            message.len()
        );
    }

    #[test]
    fn what_a_hook_leaves_running_is_not_waited_for() {
        let start = Instant::now();
        run(
            &[shell("sleep 15 & exit 0")],
            "poststart",
            b"",
            Path::new("/"),
        )
        .unwrap();
        assert!(start.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn the_callers_descriptors_are_not_passed_on() {
        let leaked = tempfile::tempfile().unwrap();
        // dup(2) gives a descriptor without close-on-exec.
        let leaked = nix::unistd::dup(&leaked).unwrap();
        let message = error(shell("ls /proc/self/fd | tr '\\n' ' '; exit 1")).to_string();
        drop(leaked);
        // 3 is the directory that ls reads.
        assert!(message.contains("stdout: 0 1 2 3,"), "{message}");
    }

    #[test]
    fn descriptors_stay_behind_without_close_range_too() {
        in_child(0, || {
            let leaked = nix::unistd::dup(tempfile::tempfile().unwrap()).unwrap();
            refuse(&[nix::libc::SYS_close_range], nix::libc::ENOSYS);
            let message = error(shell("ls /proc/self/fd | tr '\\n' ' '; exit 1")).to_string();
            drop(leaked);
            message.contains("stdout: 0 1 2 3,")
        });
    }

    #[test]
    fn the_first_failure_ends_run_and_not_run_all_warn() {
        let dir = tempfile::tempdir().unwrap();
        let hooks = [
            shell("exit 1"),
            Hook {
                field: "hooks.poststop[1]".into(),
                ..shell("echo x >> ran; exit 2")
            },
        ];
        assert!(run(&hooks, "poststop", b"", dir.path()).is_err());
        assert!(!dir.path().join("ran").exists());
        let errors = run_all_warn(&hooks, "poststop", b"", dir.path());
        assert_eq!(errors.len(), 2);
        assert!(
            errors[1]
                .to_string()
                .starts_with("error running poststop hook #1: exit status 2")
        );
    }

    #[test]
    fn a_zero_byte_names_its_field() {
        let mut hook = shell("");
        hook.args.push("a\0b".to_owned());
        assert_eq!(
            error(hook).to_string(),
            "hooks.createRuntime[0].args[3]: holds a zero byte"
        );
    }
}
