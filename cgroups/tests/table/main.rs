//! The tables from resources to writes (`recorded/cases.json`): a row for each field and
//! each conversion, against what Debian's runc left in the control files for the same
//! configuration. `cgroups/tests/record` records again.

mod fields;
mod kernel;

use std::collections::BTreeMap;

use cgroups::devices::rules::AccessList;
use cgroups::limits::{self, Present, Refused, Write};
use oci_spec::runtime::LinuxResources;
use serde::Deserialize;
use serde_json::Value;

/// A row: a configuration, or a change of one, and what is written for it.
#[derive(Deserialize)]
struct Row {
    field: String,
    resources: Value,
    /// What an update changes; the writes are the update's.
    update: Option<Value>,
    /// What an update finds.
    #[serde(default)]
    present: Found,
    /// The writes; none where the field is an error.
    v1: Option<Vec<String>>,
    v2: Option<Vec<String>>,
    /// Where a runc does something else.
    #[serde(default)]
    differs: Vec<Difference>,
    /// Files that no machine of ours has, and why.
    #[serde(default)]
    unrecorded: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Found {
    cpu_quota: Option<String>,
    memory_max: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Difference {
    /// The beginnings of the versions of runc.
    runc: Vec<String>,
    /// Of the cgroups of one version only.
    on: Option<String>,
    file: Option<String>,
    /// What the file shows, or the end of the error.
    shows: Option<String>,
    error: Option<String>,
    because: String,
}

/// What one runc did on one machine.
#[derive(Deserialize)]
struct Recording {
    runc: String,
    kernel: String,
    cases: Vec<Case>,
    /// The rows of block devices with BFQ as their scheduler.
    #[serde(default)]
    bfq: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    field: String,
    files: BTreeMap<String, String>,
    #[serde(default)]
    absent: BTreeMap<String, String>,
    error: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

use Version::{V1, V2};

fn rows() -> Vec<Row> {
    let text = include_str!("../recorded/cases.json");
    serde_json::from_str(text).expect("cases.json")
}

fn recordings() -> Vec<(&'static str, Version, Recording)> {
    [
        ("v1", V1, include_str!("../recorded/v1.json")),
        ("v1-vm", V1, include_str!("../recorded/v1-vm.json")),
        ("v2", V2, include_str!("../recorded/v2.json")),
        ("v2-sid", V2, include_str!("../recorded/v2-sid.json")),
    ]
    .into_iter()
    .map(|(name, version, text)| {
        let recording =
            serde_json::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, version, recording)
    })
    .collect()
}

/// Every case of every recording, with its row and what says where it is from.
fn recorded_cases(rows: &[Row]) -> Vec<(String, Version, String, &Row, Case)> {
    let mut found = Vec::new();
    for (name, version, recording) in recordings() {
        let place = format!(
            "{name} (runc {}, Linux {})",
            recording.runc, recording.kernel
        );
        for case in recording.cases.into_iter().chain(recording.bfq) {
            let row = rows.iter().find(|row| row.field == case.field);
            let row = row.unwrap_or_else(|| panic!("{place}: no row {:?}", case.field));
            found.push((place.clone(), version, recording.runc.clone(), row, case));
        }
    }
    found
}

impl Row {
    /// `8:0` is the block device of the table.
    fn resources(&self, value: &Value) -> LinuxResources {
        let text = value.to_string();
        let text = text.replace("\"MAJOR\"", "8").replace("\"MINOR\"", "0");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", self.field))
    }

    fn writes(&self, version: Version) -> Option<Vec<Write>> {
        let present = Present::Used {
            cpu_quota: self.present.cpu_quota.clone(),
            memory_max: self.present.memory_max,
        };
        match &self.update {
            None => writes(&self.resources(&self.resources), &Present::Fresh, version),
            Some(update) => writes(&self.resources(update), &present, version),
        }
    }

    /// What a file shows before an update.
    fn before(
        &self,
        version: Version,
        file: &str,
        absent: &BTreeMap<String, String>,
    ) -> Option<String> {
        self.update.as_ref()?;
        let writes = writes(&self.resources(&self.resources), &Present::Fresh, version)?;
        Some(kernel::shows(file, None, &values(&writes, file, absent)))
    }

    /// What this runc is known to do otherwise, with a file or as a whole.
    fn difference(&self, file: Option<&str>, version: Version, runc: &str) -> Option<&Difference> {
        let on = if version == V1 { "v1" } else { "v2" };
        self.differs.iter().find(|difference| {
            difference.file.as_deref() == file
                && difference.on.as_deref().is_none_or(|known| known == on)
                && difference.runc.iter().any(|known| runc.starts_with(known))
        })
    }

    fn expected(&self, version: Version) -> Option<&[String]> {
        match version {
            V1 => self.v1.as_deref(),
            V2 => self.v2.as_deref(),
        }
    }
}

fn writes(resources: &LinuxResources, present: &Present, version: Version) -> Option<Vec<Write>> {
    match version {
        V1 => limits::v1(resources, present),
        V2 => limits::v2(resources, present),
    }
    .ok()
}

/// Everything that is written to a file, in order, on a machine without the files `absent`.
fn values<'a>(writes: &'a [Write], file: &str, absent: &BTreeMap<String, String>) -> Vec<&'a str> {
    let target = |write: &'a Write| {
        let missing = absent.contains_key(&*write.file);
        targets(write).into_iter().nth(usize::from(missing))
    };
    let all = writes.iter().filter_map(target);
    all.filter(|(name, _)| *name == file)
        .map(|(_, value)| value)
        .collect()
}

fn text(write: &Write) -> String {
    match &write.refused {
        Refused::Instead { file, value } => format!("{write} or {file} <- {value}"),
        Refused::SkipIfAbsent => format!("{write}, if it is there"),
        _ => write.to_string(),
    }
}

/// The files that a write may go to, with what it writes there.
fn targets(write: &Write) -> Vec<(&str, &str)> {
    let mut targets = vec![(&*write.file, &*write.value)];
    if let Refused::Instead { file, value } = &write.refused {
        targets.push((file, value));
    }
    targets
}

#[test]
fn rows_give_their_writes() {
    for row in rows() {
        for version in [V1, V2] {
            let writes = row.writes(version);
            let writes: Option<Vec<_>> = writes.map(|writes| writes.iter().map(text).collect());
            assert_eq!(writes.as_deref(), row.expected(version), "{}", row.field);
        }
    }
}

#[test]
fn runc_left_what_is_written() {
    let rows = rows();
    let (mut compared, mut wrong) = (0, Vec::<String>::new());
    let mut seen: Vec<&str> = Vec::new();
    for (place, version, runc, row, case) in recorded_cases(&rows) {
        let at = format!("{place}: {}", row.field);
        let expected = row
            .difference(None, version, &runc)
            .and_then(|difference| difference.error.as_deref());
        let error = case.error.as_deref();
        // What needs a file that is not there fails in runc as it does here.
        let no_file = case.files.is_empty() && !case.absent.is_empty();
        let same = match (error, expected) {
            (Some(error), Some(end)) => error.ends_with(end),
            (Some(_), None) => no_file,
            (None, expected) => expected.is_none(),
        };
        if !same {
            wrong.push(format!(
                "{at}: runc's error: {error:?}, expected: {expected:?}"
            ));
        }
        let Some(writes) = row.writes(version) else {
            panic!("{at}: an error")
        };
        for (file, shown) in &case.files {
            compared += 1;
            let at = format!("{at}: {file}");
            if file == "devices.list" {
                same_devices(row, shown, &at);
                continue;
            }
            let before = row.before(version, file, &case.absent);
            let values = values(&writes, file, &case.absent);
            let ours = kernel::shows(file, before.as_deref(), &values);
            let same = ours == kernel::plain(file, shown);
            match row.difference(Some(file), version, &runc) {
                None if same => {}
                Some(known) if known.shows.as_ref() == Some(shown) => {
                    seen.extend((!same).then_some(known.because.as_str()));
                }
                known => {
                    let known = known.map(|known| known.because.as_str());
                    wrong.push(format!("{at}: {shown:?}, ours {ours:?}, known: {known:?}"));
                }
            }
        }
    }
    let differences = rows.iter().flat_map(|row| &row.differs);
    for known in differences.filter(|known| known.file.is_some()) {
        if !seen.contains(&known.because.as_str()) {
            wrong.push(format!("no difference any more: {}", known.because));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(compared > 150, "only {compared} values are recorded");
}

fn same_devices(row: &Row, shown: &str, at: &str) {
    let resources = row.resources(&row.resources);
    let rules = resources.devices().as_deref().expect("rules");
    let mut ours = AccessList::from_spec(rules).expect("rules");
    // runc leaves out the console, which crun allows.
    ours.exceptions
        .retain(|devices, _| devices.to_string() != "c 5:1");
    assert_eq!(Some(ours), AccessList::parse_v1(shown), "{at}");
}

/// Every file that a row writes was recorded somewhere, or the row says why it cannot be.
#[test]
fn every_write_was_recorded_or_says_why_not() {
    let rows = rows();
    let cases = recorded_cases(&rows);
    for row in &rows {
        for version in [V1, V2] {
            for write in row.writes(version).unwrap_or_default() {
                for (file, _) in targets(&write) {
                    let of_row = || {
                        cases
                            .iter()
                            .filter(|(_, v, _, r, _)| *v == version && r.field == row.field)
                    };
                    let seen = of_row().any(|(.., case)| case.files.contains_key(file));
                    let known = row.unrecorded.get(file);
                    match (seen, known) {
                        (true, None) => {}
                        (true, Some(_)) => panic!("{}: {file} is recorded after all", row.field),
                        (false, Some(reason)) => assert!(!reason.is_empty()),
                        (false, None) => {
                            let why: Vec<_> = of_row()
                                .map(|(place, .., case)| {
                                    (place, case.absent.get(file), &case.error)
                                })
                                .collect();
                            panic!("{}: {file} is not recorded: {why:?}", row.field);
                        }
                    }
                }
            }
        }
    }
}
