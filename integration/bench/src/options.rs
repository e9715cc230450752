//! The command line.

use crate::view::Layout;
use lexopt::prelude::*;
use std::path::PathBuf;

/// Options of `bench measure`.
#[derive(Debug, Clone)]
pub struct Measure {
    /// Name of the place in tables.
    pub name: String,
    /// What the runtimes see.
    pub layout: Layout,
    /// Whether systemd manages cgroups.
    pub systemd: bool,
    /// Where floor, launch, payload and inprocess are.
    pub tools: PathBuf,
    /// The runtimes' programs.
    pub runtimes: Vec<PathBuf>,
    /// Rounds.
    pub rounds: u32,
    /// Operations; none for all.
    pub only: Vec<String>,
    /// Leaves out counts and memory.
    pub only_times: bool,
    /// Leaves out everything but memory.
    pub only_memory: bool,
    /// Leaves out memory: User Mode Linux dies of a program that has too little.
    pub no_memory: bool,
    /// The day, for the results.
    pub date: String,
    /// The results.
    pub out: PathBuf,
    /// The working directory: given to the process inside the namespaces.
    pub inside: Option<PathBuf>,
}

impl Default for Measure {
    fn default() -> Self {
        Self {
            name: "here".to_owned(),
            layout: Self::host_layout(),
            systemd: false,
            tools: PathBuf::new(),
            runtimes: Vec::new(),
            rounds: 10,
            only: Vec::new(),
            only_times: false,
            only_memory: false,
            no_memory: false,
            date: String::new(),
            out: PathBuf::from("results.json"),
            inside: None,
        }
    }
}

/// Options of `bench report`.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The results of all places.
    pub results: Vec<PathBuf>,
    /// Where the merged JSON, the table and the picture go.
    pub out: PathBuf,
    /// The file whose table is replaced.
    pub readme: Option<PathBuf>,
    /// The picture that it shows.
    pub picture: Option<PathBuf>,
}

/// Options of `bench budget`.
#[derive(Debug, Clone, Default)]
pub struct Budget {
    /// What to measure with.
    pub measure: Measure,
    /// The checked-in file.
    pub file: PathBuf,
    /// Writes lower budgets where the counts are lower.
    pub lower: bool,
}

/// Options of `bench order`.
#[derive(Debug, Clone, Default)]
pub struct Order {
    /// What to run, and where.
    pub measure: Measure,
    /// The map that the linker wrote with the program.
    pub map: PathBuf,
}

impl Measure {
    /// Takes one option; false when it is not one of these.
    fn take(&mut self, name: &str, parser: &mut lexopt::Parser) -> Result<bool, lexopt::Error> {
        match name {
            "name" => self.name = parser.value()?.string()?,
            "layout" => {
                let value = parser.value()?.string()?;
                let layout = Layout::of_name(&value);
                self.layout =
                    layout.ok_or_else(|| format!("--layout {value}: allowed are v1 and v2"))?;
            }
            "systemd" => self.systemd = true,
            "tools" => self.tools = parser.value()?.into(),
            "runtime" => self.runtimes.push(parser.value()?.into()),
            "rounds" => self.rounds = parser.value()?.parse()?,
            "only" => self.only.push(parser.value()?.string()?),
            "only-times" => self.only_times = true,
            "only-memory" => self.only_memory = true,
            "no-memory" => self.no_memory = true,
            "date" => self.date = parser.value()?.string()?,
            "out" => self.out = parser.value()?.into(),
            "inside" => self.inside = Some(parser.value()?.into()),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// Parses the options of a command that takes those of `measure` and some more.
fn parse(
    measure: &mut Measure,
    arguments: &[String],
    mut more: impl FnMut(&str, &mut lexopt::Parser) -> Result<bool, lexopt::Error>,
) -> Result<(), lexopt::Error> {
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        let Long(name) = argument else {
            return Err(argument.unexpected());
        };
        let name = name.to_owned();
        if !more(&name, &mut parser)? && !measure.take(&name, &mut parser)? {
            return Err(format!("unknown option --{name}").into());
        }
    }
    Ok(())
}

/// Parses `bench measure`.
///
/// # Errors
/// When an option is unknown or its value is wrong.
pub fn measure(arguments: &[String]) -> Result<Measure, lexopt::Error> {
    let mut options = Measure::default();
    parse(&mut options, arguments, |_, _| Ok(false))?;
    Ok(options)
}

/// Parses `bench budget`.
///
/// # Errors
/// When an option is unknown or its value is wrong.
pub fn budget(arguments: &[String]) -> Result<Budget, lexopt::Error> {
    let mut options = Budget::default();
    let (file, lower) = (&mut options.file, &mut options.lower);
    parse(&mut options.measure, arguments, |name, parser| {
        match name {
            "budget" => *file = parser.value()?.into(),
            "lower" => *lower = true,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(options)
}

/// Parses `bench order`.
///
/// # Errors
/// When an option is unknown or its value is wrong.
pub fn order(arguments: &[String]) -> Result<Order, lexopt::Error> {
    let mut options = Order::default();
    let map = &mut options.map;
    parse(&mut options.measure, arguments, |name, parser| {
        let is_map = name == "map";
        if is_map {
            *map = parser.value()?.into();
        }
        Ok(is_map)
    })?;
    Ok(options)
}

/// Parses `bench report`.
///
/// # Errors
/// When an option is unknown or its value is wrong.
pub fn report(arguments: &[String]) -> Result<Report, lexopt::Error> {
    let mut options = Report::default();
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("out") => options.out = parser.value()?.into(),
            Long("readme") => options.readme = Some(parser.value()?.into()),
            Long("picture") => options.picture = Some(parser.value()?.into()),
            Value(file) => options.results.push(file.into()),
            _ => return Err(argument.unexpected()),
        }
    }
    Ok(options)
}
