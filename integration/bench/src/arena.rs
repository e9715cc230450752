//! Runs single operations of single contestants.

use crate::bundles::{Config, Maker};
use crate::contestant::{Contestant, Kind, PAYLOAD, Place, Verb};
use crate::crowd::Crowd;
use crate::inprocess::InProcess;
use crate::launch::{Cost, Failure, Launcher};
use crate::operation::Operation;
use std::collections::HashMap;
use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Between commands, where there are pauses.
const PAUSE: Duration = Duration::from_millis(60);
/// Containers of the parallel operation, and who asks for them.
const CONTAINERS: u32 = 100;
const CALLERS: usize = 8;

/// The places of one contestant.
#[derive(Debug)]
struct Places {
    /// Of the container that comes and goes.
    brief: HashMap<&'static str, Place>,
    /// Of the container that waits.
    waiting: HashMap<&'static str, Place>,
    /// Of the parallel callers.
    callers: Vec<Place>,
}

/// Everything that operations need.
#[derive(Debug)]
pub struct Arena {
    /// Those that take part.
    pub contestants: Vec<Contestant>,
    /// Starts commands.
    pub launcher: Launcher,
    places: HashMap<String, Places>,
    crowd: Option<Crowd>,
    library: Option<InProcess>,
}

fn key(config: Config) -> &'static str {
    match config {
        Config::Default => "default",
        Config::Docker => "docker",
    }
}

fn pause(paused: bool) {
    if paused {
        #[allow(clippy::disallowed_methods)] // the pause is what is wanted
        std::thread::sleep(PAUSE);
    }
}

impl Arena {
    /// Makes the bundles of all contestants.
    #[must_use]
    pub fn new(contestants: Vec<Contestant>, launcher: Launcher, maker: &Maker) -> Self {
        let places = contestants.iter().map(|contestant| {
            let name = &contestant.name;
            let pair = |suffix: &str, program: &[&str]| {
                let make = |config| {
                    let name = format!("{name}-{}-{suffix}", key(config));
                    (
                        key(config),
                        maker.make(&name, config, program, |bundle| bundle),
                    )
                };
                [Config::Default, Config::Docker]
                    .map(make)
                    .into_iter()
                    .collect()
            };
            let caller = |index| {
                maker.make(
                    &format!("{name}-{index}"),
                    Config::Default,
                    &[PAYLOAD],
                    |bundle| bundle,
                )
            };
            let places = Places {
                brief: pair("brief", &[PAYLOAD]),
                waiting: pair("waiting", &[PAYLOAD, "pause"]),
                callers: (0..CALLERS).map(caller).collect(),
            };
            (name.clone(), places)
        });
        Self {
            places: places.collect(),
            contestants,
            launcher,
            crowd: None,
            library: None,
        }
    }

    /// The contestant's bundle for a container that comes and goes.
    #[must_use]
    pub fn brief(&self, contestant: &Contestant, config: Config) -> &Place {
        &self.places[&contestant.name].brief[key(config)]
    }

    /// The contestant's bundle for a container that waits.
    #[must_use]
    pub fn waiting(&self, contestant: &Contestant, config: Config) -> &Place {
        &self.places[&contestant.name].waiting[key(config)]
    }

    /// Has commands of [`Operation::Crowded`] started by this one.
    pub fn set_crowd(&mut self, crowd: Crowd) {
        self.crowd = Some(crowd);
    }

    /// Whether the contestant can do it.
    #[must_use]
    pub fn can(contestant: &Contestant, operation: Operation, paused: bool) -> bool {
        match contestant.kind {
            Kind::Runtime => true,
            Kind::Floor => operation.config() == Config::Default,
            Kind::Library => operation == Operation::Cycle(Config::Default) && !paused,
        }
    }

    /// Does an operation once.
    ///
    /// # Errors
    /// When a command fails.
    pub fn measure(
        &mut self,
        contestant: &Contestant,
        operation: Operation,
        paused: bool,
    ) -> Result<Cost, Failure> {
        if contestant.kind == Kind::Library {
            return self.in_process(contestant);
        }
        let config = operation.config();
        let single = |verb, place| {
            pause(paused);
            self.launcher.run(&contestant.words(verb, place))
        };
        match operation {
            Operation::Run(_) => single(Verb::Run, self.brief(contestant, config)),
            Operation::Cycle(_) => self.cycle(contestant, self.brief(contestant, config), paused),
            Operation::Exec(_) => single(Verb::Exec, self.waiting(contestant, config)),
            Operation::State(_) => single(Verb::State, self.waiting(contestant, config)),
            Operation::Kill => single(Verb::Kill, self.waiting(contestant, config)),
            Operation::Crowded => {
                let words = contestant.words(Verb::Run, self.brief(contestant, config));
                self.crowd.as_ref().ok_or("no crowd")?.run(words)
            }
            Operation::Parallel => self.parallel(contestant),
        }
    }

    fn cycle(&self, contestant: &Contestant, place: &Place, paused: bool) -> Result<Cost, Failure> {
        let run = |verb| self.launcher.run(&contestant.words(verb, place));
        pause(paused);
        let mut cost = run(Verb::Create)?;
        let init = read_pid(place)?;
        pause(paused);
        cost += run(Verb::Start)?;
        cost += Launcher::wait(init)?;
        pause(paused);
        cost += run(Verb::Delete)?;
        Ok(cost)
    }

    fn parallel(&self, contestant: &Contestant) -> Result<Cost, Failure> {
        let left = AtomicU32::new(CONTAINERS);
        let places = &self.places[&contestant.name].callers;
        let launcher = &self.launcher;
        let caller = |(index, place): (usize, &Place)| {
            let launcher = launcher.beside(&index.to_string());
            let words = contestant.words(Verb::Run, place);
            let mut cost = Cost::default();
            let take = |n: u32| n.checked_sub(1);
            while left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
                .is_ok()
            {
                cost += launcher.run(&words)?;
            }
            Ok(cost)
        };
        let since = Instant::now();
        let costs: Vec<Result<Cost, Failure>> = std::thread::scope(|scope| {
            let caller = &caller;
            let threads: Vec<_> = places
                .iter()
                .enumerate()
                .map(|each| scope.spawn(move || caller(each)))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().expect("a caller"))
                .collect()
        });
        let wall = since.elapsed();
        let mut total = Cost::default();
        for cost in costs {
            total += cost?;
        }
        Ok(Cost { wall, ..total })
    }

    fn in_process(&mut self, contestant: &Contestant) -> Result<Cost, Failure> {
        if self.library.is_none() {
            let place = self.brief(contestant, Config::Default);
            self.library = Some(InProcess::start(
                &contestant.program,
                &contestant.root,
                place,
            )?);
        }
        self.library.as_mut().expect("started above").cycle()
    }

    /// Starts the contestant's waiting containers.
    ///
    /// # Errors
    /// When a command fails.
    pub fn start_waiting(&self, contestant: &Contestant, config: Config) -> Result<(), Failure> {
        let place = self.waiting(contestant, config);
        for verb in [Verb::Create, Verb::Start] {
            self.launcher.run(&contestant.words(verb, place))?;
        }
        Ok(())
    }

    /// Ends and deletes one.
    ///
    /// # Errors
    /// When a command fails.
    pub fn end_waiting(&self, contestant: &Contestant, config: Config) -> Result<(), Failure> {
        let place = self.waiting(contestant, config);
        self.launcher.run(&contestant.words(Verb::End, place))?;
        Launcher::wait(read_pid(place)?)?;
        self.launcher.run(&contestant.words(Verb::Delete, place))?;
        Ok(())
    }
}

/// The number that `create` has written.
///
/// # Errors
/// When there is none.
pub fn read_pid(place: &Place) -> Result<i32, Failure> {
    let text = fs::read_to_string(&place.pid_file).map_err(|err| format!("pid file: {err}"))?;
    text.trim()
        .parse()
        .map_err(|err| format!("pid file: {err}"))
}
