//! What a case works with: bundles, the runtime, rows of a table.

use crate::bundle::Bundle;
use crate::case::Case;
use crate::container::Container;
use crate::isolate::Setting;
use crate::manager::Manager;
use crate::outcome::Outcome;
use crate::output::Output;
use crate::runtime::{Call, Runtime};
use crate::{panics, rootfs, sys, traces};
use serde_json::json;
use std::cell::{Cell, RefCell};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind};
use std::path::{Path, PathBuf};

/// The user that runtimes run as in rootless cases when the suite runs as root.
pub const UNPRIVILEGED: u32 = 12345;

/// Panic payload that ends a case as skipped.
#[derive(Debug)]
pub struct SkipCase(pub String);

/// A running case.
#[derive(Debug)]
pub struct Test {
    /// The runtime under test.
    pub runtime: Runtime,
    /// The case's directory.
    pub dir: PathBuf,
    /// The cgroup below which the case's containers are.
    pub cgroup: String,
    rootless: bool,
    bundles: Cell<u32>,
    failed: RefCell<Vec<(String, String)>>,
}

impl Test {
    /// Prepares the case's directory.
    ///
    /// # Panics
    /// When a directory cannot be made.
    #[must_use]
    pub fn new(case: &Case, setting: &Setting) -> Self {
        let dir = setting.work();
        let mut runtime = Runtime::new(&setting.runtime, &dir);
        fs::create_dir_all(&runtime.root).expect("create the state directory");
        if case.rootless && sys::is_root() {
            runtime.user = Some(UNPRIVILEGED);
            rootfs::give(&dir, UNPRIVILEGED, UNPRIVILEGED).expect("give the directory away");
        }
        let (bundles, failed) = (Cell::new(0), RefCell::new(Vec::new()));
        let (cgroup, rootless) = (setting.cgroup.clone(), case.rootless);
        Self {
            runtime,
            dir,
            cgroup,
            rootless,
            bundles,
            failed,
        }
    }

    /// A bundle with the default configuration, an id and a cgroup of its own.
    /// In rootless cases the configuration is what `runc spec --rootless` writes.
    #[must_use]
    pub fn bundle(&self) -> Bundle {
        let number = self.bundles.get() + 1;
        self.bundles.set(number);
        let id = format!("c{number}");
        let bundle = Bundle::new(
            self.dir.join(format!("b{number}")),
            id,
            &self.dir.join("busybox"),
        );
        if self.rootless {
            let bundle = self.rootless(bundle);
            // Another user than the suite's has no cgroup to make others in.
            let delegated = self.runtime.user.is_none() && Manager::under_test().base().is_some();
            return if delegated {
                self.placed(bundle)
            } else {
                bundle
            };
        }
        self.placed(bundle)
    }

    fn placed(&self, bundle: Bundle) -> Bundle {
        let path = Manager::under_test().cgroups_path(&self.cgroup, &bundle.id);
        bundle.set("/linux/cgroupsPath", path)
    }

    fn rootless(&self, bundle: Bundle) -> Bundle {
        let user = self
            .runtime
            .user
            .unwrap_or_else(|| nix::unistd::geteuid().as_raw());
        let group = self
            .runtime
            .user
            .unwrap_or_else(|| nix::unistd::getegid().as_raw());
        if self.runtime.user.is_some() {
            rootfs::give(&bundle.dir, user, group).expect("give the bundle away");
        }
        let map = |id| json!([{"containerID": 0, "hostID": id, "size": 1}]);
        bundle
            .namespace("user", None)
            .without_namespace("network")
            .set("/linux/uidMappings", map(user))
            .set("/linux/gidMappings", map(group))
            .remove("/linux/resources")
            .without_mount("/sys")
            .without_mount("/sys/fs/cgroup")
            .without_mount("/dev/pts")
            .mount(
                "/dev/pts",
                "devpts",
                "devpts",
                &[
                    "nosuid",
                    "noexec",
                    "newinstance",
                    "ptmxmode=0666",
                    "mode=0620",
                ],
            )
            .mount(
                "/sys",
                "none",
                "/sys",
                &["rbind", "nosuid", "noexec", "nodev", "ro"],
            )
    }

    fn cgroup_of(&self, bundle: &Bundle) -> String {
        Manager::under_test().cgroup(&self.cgroup, &bundle.id)
    }

    /// Runs a bundle in the foreground and deletes what may be left of it.
    #[track_caller]
    pub fn run(&self, bundle: &Bundle) -> Output {
        self.run_call(bundle, &[]).run()
    }

    /// `run` with options, to be adjusted before it runs.
    #[must_use]
    pub fn run_call(&self, bundle: &Bundle, options: &[&str]) -> Call {
        self.make_call("run", bundle, options)
    }

    /// `create` with options, to be adjusted before it runs.
    #[must_use]
    pub fn create_call(&self, bundle: &Bundle, options: &[&str]) -> Call {
        self.make_call("create", bundle, options)
    }

    fn make_call(&self, verb: &str, bundle: &Bundle, options: &[&str]) -> Call {
        bundle.write();
        let dir = bundle.dir.to_str().expect("a path in UTF-8");
        let mut args = vec![verb, "--bundle", dir];
        args.extend(options);
        args.push(&bundle.id);
        self.runtime.call(args)
    }

    /// `create`, which must succeed.
    #[track_caller]
    #[must_use]
    pub fn create(&self, bundle: &Bundle) -> Container {
        self.create_with(bundle, &[])
    }

    /// `create` with options, which must succeed.
    #[track_caller]
    #[must_use]
    pub fn create_with(&self, bundle: &Bundle, options: &[&str]) -> Container {
        let output = self.create_call(bundle, options).run().success();
        self.guard(bundle, output)
    }

    /// `create` and `start`, which must succeed.
    #[track_caller]
    #[must_use]
    pub fn start(&self, bundle: &Bundle) -> Container {
        let container = self.create(bundle);
        container.start();
        container
    }

    /// Guards a container that a call has made.
    #[must_use]
    pub fn guard(&self, bundle: &Bundle, output: Output) -> Container {
        let cgroup = self.cgroup_of(bundle);
        Container::new(
            &self.runtime,
            &bundle.id,
            bundle.dir.clone(),
            &cgroup,
            output,
        )
    }

    /// A path in the case's directory.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Makes a directory in the case's directory.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn new_dir(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).expect("create a directory");
        self.give(&path);
        path
    }

    /// Makes a file in the case's directory.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn new_file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).expect("write a file");
        self.give(&path);
        path
    }

    fn give(&self, path: &Path) {
        if let Some(user) = self.runtime.user {
            rootfs::give(path, user, user).expect("change owner");
        }
    }

    /// What exists now that a failed call must not add to.
    #[must_use]
    pub fn traces(&self) -> traces::Traces {
        traces::Traces::take(&self.runtime.root, &self.cgroup)
    }

    /// One row of a table: a failure is noted and the case goes on.
    pub fn row(&self, label: &str, check: impl FnOnce()) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(check)) {
            if payload.is::<SkipCase>() {
                resume_unwind(payload);
            }
            let text = panics::text(payload.as_ref());
            self.failed.borrow_mut().push((label.to_owned(), text));
        }
    }

    /// Ends the case as skipped.
    pub fn skip(&self, reason: &str) -> ! {
        panic_any(SkipCase(reason.to_owned()))
    }

    /// The outcome by the rows so far.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let failed = self.failed.borrow();
        if failed.is_empty() {
            return Outcome::Passed;
        }
        let rows = failed.iter().map(|(label, _)| label.clone()).collect();
        let detail = failed
            .iter()
            .map(|(label, text)| format!("row {label}: {text}\n"))
            .collect();
        Outcome::Failed { rows, detail }
    }
}
