//! A thread in a mount namespace of its own, with many more mounts.

use crate::launch::{Cost, Failure, Launcher, Words};
use crate::view;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};

/// Starts commands in the crowded namespace.
#[derive(Debug)]
pub struct Crowd {
    commands: Sender<Words>,
    results: Receiver<Result<Cost, Failure>>,
}

impl Crowd {
    /// Starts the thread, which makes `count` mounts.
    ///
    /// # Errors
    /// When a mount fails.
    pub fn new(dir: &Path, launcher: &Launcher, count: usize) -> Result<Self, Failure> {
        let (commands, receive) = channel::<Words>();
        let (send, results) = channel();
        let (dir, launcher) = (dir.to_owned(), launcher.beside("crowd"));
        std::thread::spawn(move || {
            let entered = view::enter_crowded(&dir, count);
            // The receiver is gone only when the benchmark has failed elsewhere.
            let _ = send.send(entered.map(|()| Cost::default()));
            for words in receive {
                let _ = send.send(launcher.run(&words));
            }
        });
        let crowd = Self { commands, results };
        crowd.result()?;
        Ok(crowd)
    }

    /// Runs a command there.
    ///
    /// # Errors
    /// As [`Launcher::run`].
    pub fn run(&self, words: Words) -> Result<Cost, Failure> {
        self.commands.send(words).map_err(|err| err.to_string())?;
        self.result()
    }

    fn result(&self) -> Result<Cost, Failure> {
        self.results.recv().map_err(|err| err.to_string())?
    }
}
