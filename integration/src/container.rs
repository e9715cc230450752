//! A created container that is deleted when its guard goes out of scope.

use crate::output::Output;
use crate::runtime::{Call, Runtime};
use serde_json::Value;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Guard of a container.
#[derive(Debug)]
pub struct Container {
    /// The runtime that made it.
    pub runtime: Runtime,
    /// Its id.
    pub id: String,
    /// Its bundle.
    pub bundle: PathBuf,
    /// What the call that made it has printed; the container's own output follows.
    pub output: Output,
    /// The cgroup path of its configuration.
    pub cgroup: String,
    gone: bool,
}

impl Container {
    /// Guards a container that a call has made.
    #[must_use]
    pub fn new(runtime: &Runtime, id: &str, bundle: PathBuf, cgroup: &str, output: Output) -> Self {
        let (runtime, id, cgroup) = (runtime.clone(), id.to_owned(), cgroup.to_owned());
        Self {
            runtime,
            id,
            bundle,
            output,
            cgroup,
            gone: false,
        }
    }

    /// `start`, which must succeed.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn start(&self) {
        self.runtime.run(["start", &self.id]).ok();
    }

    /// `state`.
    #[track_caller]
    #[must_use]
    pub fn state(&self) -> Value {
        self.runtime.state(&self.id)
    }

    /// The status of `state`.
    ///
    /// # Panics
    /// When the call fails.
    #[track_caller]
    #[must_use]
    pub fn status(&self) -> String {
        self.state()["status"]
            .as_str()
            .expect("a status")
            .to_owned()
    }

    /// The pid of `state`.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    #[must_use]
    pub fn pid(&self) -> u32 {
        let pid = self.state()["pid"].as_u64().expect("a pid");
        u32::try_from(pid).expect("a pid")
    }

    /// `kill` with a signal.
    #[track_caller]
    pub fn kill(&self, signal: &str) -> Output {
        self.runtime.run(["kill", &self.id, signal])
    }

    /// `delete`.
    #[track_caller]
    pub fn delete(&mut self) -> Output {
        let output = self.runtime.run(["delete", &self.id]);
        self.gone = output.succeeded();
        output
    }

    /// `delete --force`.
    #[track_caller]
    pub fn delete_force(&mut self) -> Output {
        let output = self.runtime.run(["delete", "--force", &self.id]);
        self.gone = output.succeeded();
        output
    }

    /// `exec` with the options and program given.
    #[track_caller]
    pub fn exec<S: AsRef<OsStr>>(
        &self,
        options: &[&str],
        args: impl IntoIterator<Item = S>,
    ) -> Output {
        self.exec_call(options, args).run()
    }

    /// `exec` of a shell script.
    #[track_caller]
    pub fn sh(&self, script: &str) -> Output {
        self.exec(&[], ["sh", "-c", script])
    }

    /// `exec`, to be adjusted before it runs.
    #[must_use]
    pub fn exec_call<S: AsRef<OsStr>>(
        &self,
        options: &[&str],
        args: impl IntoIterator<Item = S>,
    ) -> Call {
        let mut words: Vec<std::ffi::OsString> = vec!["exec".into()];
        words.extend(options.iter().map(Into::into));
        words.push(self.id.clone().into());
        words.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self.runtime.call(words)
    }

    /// Waits until the status is `wanted`.
    ///
    /// # Panics
    /// When it is not within ten seconds.
    #[track_caller]
    pub fn wait_for(&self, wanted: &str) {
        wait_until(&format!("{} to be {wanted}", self.id), || {
            self.status() == wanted
        });
    }

    /// Waits until the container's output holds `text`; returns the output.
    ///
    /// # Panics
    /// When it does not within ten seconds.
    #[track_caller]
    pub fn wait_output(&self, text: &str) -> String {
        wait_until(&format!("{text:?} in the output"), || {
            self.output.stdout_now().contains(text)
        });
        self.output.stdout_now()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if !self.gone {
            // Processes and mounts end with the case's namespaces in any case.
            drop(self.runtime.run(["delete", "--force", &self.id]));
        }
    }
}

/// Polls a condition of the runtime's outside for at most ten seconds.
///
/// # Panics
/// When it does not come true.
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < end, "waited ten seconds for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
