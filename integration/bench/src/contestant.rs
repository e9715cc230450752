//! The programs that are compared, and their command lines.

use crate::launch::Words;
use crate::words;
use std::path::{Path, PathBuf};

/// What kind of program it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The program that only makes the kernel's calls; it has a command line of its own.
    Floor,
    /// oxrun's library, called by a long-lived program.
    Library,
    /// A program with runc's command line.
    Runtime,
}

/// The floor's name.
pub const FLOOR: &str = "floor";
/// The library's name.
pub const LIBRARY: &str = "libcontainer";
/// Ours.
pub const OXRUN: &str = "oxrun";
/// What everything is compared with.
pub const CRUN: &str = "crun";

/// One of the programs.
#[derive(Debug, Clone)]
pub struct Contestant {
    /// Its name in tables.
    pub name: String,
    /// Its kind.
    pub kind: Kind,
    /// Its file.
    pub program: PathBuf,
    /// It takes part in every round that this divides: the slow ones less often.
    pub every: u32,
    /// Its state directory.
    pub root: PathBuf,
    /// Global options.
    pub globals: Vec<String>,
    /// For the floor: the layout, and where the hierarchies are.
    pub view: (String, String),
}

/// What a runtime is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Make a container, run its program, take it away.
    Run,
    /// Make a container that waits.
    Create,
    /// Run its program.
    Start,
    /// Take it away after its end.
    Delete,
    /// Run one more program in it.
    Exec,
    /// Show its state.
    State,
    /// Send SIGUSR1, which the program never sees.
    Kill,
    /// Send SIGKILL.
    End,
}

/// A container's bundle and names.
#[derive(Debug, Clone)]
pub struct Place {
    /// The bundle.
    pub bundle: PathBuf,
    /// The root file system.
    pub rootfs: PathBuf,
    /// The id.
    pub id: String,
    /// The cgroup as a path.
    pub cgroup: String,
    /// Its program and arguments.
    pub program: Vec<String>,
    /// Where `create` writes the process number.
    pub pid_file: PathBuf,
}

/// The program in all containers.
pub const PAYLOAD: &str = "/bin/payload";

impl Contestant {
    /// The command line for a verb.
    #[must_use]
    pub fn words(&self, verb: Verb, place: &Place) -> Words {
        match self.kind {
            Kind::Floor => self.floor_words(verb, place),
            _ => self.runtime_words(verb, place),
        }
    }

    fn runtime_words(&self, verb: Verb, place: &Place) -> Words {
        let mut words = words![self.program];
        words.extend(self.globals.iter().map(Into::into));
        words.extend(words!["--root", self.root]);
        let id = &place.id;
        words.extend(match verb {
            Verb::Run => words!["run", "--bundle", place.bundle, id],
            Verb::Create => words![
                "create",
                "--bundle",
                place.bundle,
                "--pid-file",
                place.pid_file,
                id
            ],
            Verb::Start => words!["start", id],
            Verb::Delete => words!["delete", id],
            Verb::Exec => words!["exec", id, PAYLOAD],
            Verb::State => words!["state", id],
            Verb::Kill => words!["kill", id, "USR1"],
            Verb::End => words!["kill", id, "KILL"],
        });
        words
    }

    fn floor_words(&self, verb: Verb, place: &Place) -> Words {
        let name = match verb {
            Verb::Run => "run",
            Verb::Create => "create",
            Verb::Start => "start",
            Verb::Delete => "delete",
            Verb::Exec => "exec",
            Verb::State => "state",
            Verb::Kill | Verb::End => "kill",
        };
        let state = self.root.join(&place.id);
        let (layout, trees) = &self.view;
        let mut words = words![
            self.program,
            name,
            layout,
            trees,
            place.cgroup,
            state,
            place.rootfs,
            place.pid_file
        ];
        match verb {
            Verb::Exec => words.push(PAYLOAD.into()),
            Verb::End => words.push("KILL".into()),
            Verb::Kill => words.push("USR1".into()),
            _ => words.extend(place.program.iter().map(Into::into)),
        }
        words
    }
}

/// The name of a runtime: its file's.
#[must_use]
pub fn name_of(program: &Path) -> String {
    let name = program.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}
