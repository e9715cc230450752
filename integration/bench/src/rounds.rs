//! Measures everything, interleaved round by round.

use crate::arena::Arena;
use crate::bundles::Config;
use crate::contestant::{Contestant, Kind};
use crate::launch::Failure;
use crate::operation::Operation;
use crate::sample::{Sample, Series};
use std::collections::BTreeSet;

/// How many times the rounds there are of two operations whose difference is told.
const PAIR_ROUNDS: u32 = 4;

/// Collects the samples.
#[derive(Debug)]
pub struct Rounds<'a> {
    arena: &'a mut Arena,
    operations: Vec<Operation>,
    series: Vec<Series>,
    failures: Vec<Failure>,
    /// Operations that a runtime has failed at: not tried again.
    given_up: BTreeSet<(String, &'static str)>,
}

impl<'a> Rounds<'a> {
    /// Starts the containers that the operations need.
    #[must_use]
    pub fn new(arena: &'a mut Arena, operations: &[Operation]) -> Self {
        let mut rounds = Self {
            arena,
            operations: operations.to_vec(),
            series: Vec::new(),
            failures: Vec::new(),
            given_up: BTreeSet::new(),
        };
        rounds.each_waiting(Arena::start_waiting);
        rounds
    }

    fn each_waiting(
        &mut self,
        call: impl Fn(&Arena, &Contestant, crate::bundles::Config) -> Result<(), Failure>,
    ) {
        let configs: BTreeSet<_> = self.operations.iter().filter_map(|op| op.needs()).collect();
        for contestant in self.arena.contestants.clone() {
            for &config in &configs {
                let operation = Operation::State(config);
                if !Arena::can(&contestant, operation, false) {
                    continue;
                }
                if let Err(failure) = call(self.arena, &contestant, config) {
                    for operation in self.operations.clone() {
                        if operation.needs() == Some(config) {
                            self.give_up(&contestant, operation, &failure);
                        }
                    }
                }
            }
        }
    }

    fn give_up(&mut self, contestant: &Contestant, operation: Operation, failure: &str) {
        let name = operation.name();
        if self.given_up.insert((contestant.name.clone(), name)) {
            eprintln!("bench: {} fails at {name}: {failure}", contestant.name);
            self.failures
                .push(format!("{}: {name}: {failure}", contestant.name));
        }
    }

    /// Runs all rounds after one that is not counted, and then more of those operations whose
    /// difference is told: it is small beside what each of them varies by.
    pub fn run(&mut self, count: u32) {
        let operations = self.operations.clone();
        for round in 0..=count {
            eprintln!("bench: round {round} of {count}");
            self.tour(&operations, round, false);
            if round > 0 {
                self.tour(&operations, round, true);
            }
        }
        let pair = [Operation::Run(Config::Default), Operation::Crowded];
        if pair.iter().all(|operation| operations.contains(operation)) {
            for round in count + 1..=count * PAIR_ROUNDS {
                self.tour(&pair, round, false);
            }
        }
    }

    /// Every operation once for everybody whose turn it is.
    fn tour(&mut self, operations: &[Operation], round: u32, paused: bool) {
        for &operation in operations {
            if paused && !operation.has_pauses() || due(round, operation.every()).is_none() {
                continue;
            }
            // Nobody is always the first.
            let mut order = self.arena.contestants.clone();
            let turn = round as usize % order.len();
            order.rotate_left(turn);
            for contestant in order {
                if due(round, contestant.every).is_some() {
                    self.one(&contestant, operation, paused, round);
                }
            }
        }
    }

    fn one(&mut self, contestant: &Contestant, operation: Operation, paused: bool, round: u32) {
        let skipped = (contestant.name.clone(), operation.name());
        if !Arena::can(contestant, operation, paused) || self.given_up.contains(&skipped) {
            return;
        }
        let cost = match self.arena.measure(contestant, operation, paused) {
            Ok(cost) => cost,
            Err(failure) => return self.give_up(contestant, operation, &failure),
        };
        if round == 0 {
            return;
        }
        let sample = Sample {
            round,
            wall_us: cost.wall.as_secs_f64() * 1e6,
            usage: cost.usage,
        };
        let key = |series: &&mut Series| {
            series.operation == operation.name()
                && series.paused == paused
                && series.runtime == contestant.name
        };
        if let Some(series) = self.series.iter_mut().find(key) {
            series.samples.push(sample);
        } else {
            self.series.push(Series {
                operation: operation.name().to_owned(),
                paused,
                runtime: contestant.name.clone(),
                samples: vec![sample],
            });
        }
    }

    /// Takes the waiting containers away; the samples, and what failed.
    #[must_use]
    pub fn finish(mut self) -> (Vec<Series>, Vec<Failure>) {
        self.each_waiting(Arena::end_waiting);
        (self.series, self.failures)
    }
}

/// Whether something that happens every so many rounds happens in this one: the
/// first counted one, and the one before it that warms everything up.
fn due(round: u32, every: u32) -> Option<()> {
    (round == 0 || (round - 1).is_multiple_of(every)).then_some(())
}

/// Those whose command line is runc's.
pub fn runtimes(contestants: &[Contestant]) -> impl Iterator<Item = &Contestant> {
    contestants
        .iter()
        .filter(|contestant| contestant.kind == Kind::Runtime)
}
