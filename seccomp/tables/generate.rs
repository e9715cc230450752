//! Writes `src/syscalls/table.rs` from the recorded sources in this directory.
//!
//! It stands alone, as the crate does not compile without the table. From the crate's directory:
//!
//! ```sh
//! rustc --edition 2024 -o ../target/generate tables/generate.rs && ../target/generate
//! ```
//!
//! makes the table again from `syscalls.csv` and `newer.csv`. With the path of libseccomp's own
//! `src/syscalls.csv` as argument it first takes the names and numbers of that file over into
//! `syscalls.csv`.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

/// A number that the architecture does not have.
const ABSENT: &str = "-";
/// The first of ARM's private system calls (`__ARM_NR_BASE`).
const ARM_PRIVATE: u32 = 0x000f_0000;
/// Marks an ARM private call in the 16 bits of the table.
const PRIVATE_MARK: u32 = 0x8000;

/// The function codes of `socketcall(2)` (`<linux/net.h>`), counted from 1.
const SOCKETCALL: [&str; 20] = [
    "socket", "bind", "connect", "listen", "accept", "getsockname", "getpeername", "socketpair",
    "send", "recv", "sendto", "recvfrom", "shutdown", "setsockopt", "getsockopt", "sendmsg",
    "recvmsg", "accept4", "recvmmsg", "sendmmsg",
];
/// The function codes of `ipc(2)` (`<linux/ipc.h>`).
const IPC: [(&str, u32); 12] = [
    ("semop", 1), ("semget", 2), ("semctl", 3), ("semtimedop", 4), ("msgsnd", 11), ("msgrcv", 12),
    ("msgget", 13), ("msgctl", 14), ("shmat", 21), ("shmdt", 22), ("shmget", 23), ("shmctl", 24),
];
/// Tells the codes of `ipc(2)` from those of `socketcall(2)`.
const IPC_MARK: u32 = 0x80;

type Rows = BTreeMap<String, Vec<Option<u32>>>;

fn main() -> Result<(), Box<dyn Error>> {
    let crate_dir = Path::new(".");
    let recorded = crate_dir.join("tables/syscalls.csv");
    if let Some(source) = env::args_os().nth(1) {
        fs::write(&recorded, import(&fs::read_to_string(source)?)?)?;
    }
    let (header, mut rows) = parse(&fs::read_to_string(&recorded)?)?;
    let newer = fs::read_to_string(crate_dir.join("tables/newer.csv"))?;
    add_newer(&newer, &header, &mut rows)?;
    fs::write(crate_dir.join("src/syscalls/table.rs"), render(&header, &rows)?)?;
    println!("{} names, {} columns", rows.len(), header.len());
    Ok(())
}

/// Reduces libseccomp's table (`name,number,since,number,since,…`) to the numbers.
fn import(source: &str) -> Result<String, Box<dyn Error>> {
    let mut lines = source.lines();
    let header = lines.next().ok_or("the source is empty")?;
    let version = header.split(['(', ')']).nth(1).ok_or("no kernel version in the header")?;
    let mut sorted: Vec<String> = lines.map(|line| every_second(line, "PNR")).collect();
    sorted.sort();
    let columns = every_second(header, "").split_once(',').ok_or("no columns")?.1.to_owned();
    Ok(format!("# kernel {version}\nname,{columns}\n{}\n", sorted.join("\n")))
}

fn every_second(line: &str, absent: &str) -> String {
    let fields = line.split(',').enumerate();
    let kept = fields.filter(|(index, _)| *index == 0 || index % 2 == 1);
    let kept = kept.map(|(_, field)| if field == absent { ABSENT } else { field });
    kept.collect::<Vec<_>>().join(",")
}

fn parse(recorded: &str) -> Result<(Vec<String>, Rows), Box<dyn Error>> {
    let mut lines = recorded.lines().filter(|line| !line.starts_with('#'));
    let header = lines.next().ok_or("the table is empty")?;
    let header: Vec<String> = header.split(',').skip(1).map(str::to_owned).collect();
    let mut rows = Rows::new();
    for line in lines {
        let (name, numbers) = line.split_once(',').ok_or_else(|| line.to_owned())?;
        let numbers: Result<Vec<_>, _> = numbers
            .split(',')
            .map(|field| if field == ABSENT { Ok(None) } else { field.parse().map(Some) })
            .collect();
        rows.insert(name.to_owned(), numbers?);
    }
    Ok((header, rows))
}

/// Adds `name,number,column|all` lines.
fn add_newer(newer: &str, header: &[String], rows: &mut Rows) -> Result<(), Box<dyn Error>> {
    for line in newer.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split(',').collect();
        let [name, number, column] = fields[..] else { return Err(line.into()) };
        let number: u32 = number.parse()?;
        let numbers = header
            .iter()
            .map(|known| (column == "all" || column == known).then_some(number))
            .collect();
        if rows.insert(name.to_owned(), numbers).is_some() {
            return Err(format!("{name} is in both tables").into());
        }
    }
    Ok(())
}

fn render(header: &[String], rows: &Rows) -> Result<String, Box<dyn Error>> {
    let mut out = String::from(
        "// Written by tables/generate.rs from tables/syscalls.csv and tables/newer.csv.\n\n",
    );
    writeln!(out, "/// Every known name, sorted.")?;
    writeln!(out, "pub(super) static NAMES: [&str; {}] = [", rows.len())?;
    for name in rows.keys() {
        writeln!(out, "    {name:?},")?;
    }
    writeln!(out, "];\n")?;
    writeln!(out, "/// The function code of the multiplexed calls: `socketcall(2)`'s as it is,")?;
    writeln!(out, "/// `ipc(2)`'s with the top bit set, 0 for the others.")?;
    writeln!(out, "#[rustfmt::skip]")?;
    write!(out, "pub(super) static MULTIPLEXED: [u8; {}] = [", rows.len())?;
    for (row, name) in rows.keys().enumerate() {
        write!(out, "{}{},", separator(row), multiplexed(name)?)?;
    }
    writeln!(out, "\n];\n")?;
    for host in ["socketcall", "ipc"] {
        let index = rows.keys().position(|name| name == host).ok_or(host)?;
        writeln!(out, "/// The index of `{host}` in [`NAMES`].")?;
        writeln!(out, "pub(super) const {}: usize = {index};\n", host.to_uppercase())?;
    }
    let public = |&number: &u32| number < PRIVATE_MARK;
    let newest = rows.values().flatten().flatten().copied().filter(public).max();
    writeln!(out, "/// One more than the highest number, ARM's private calls left out.")?;
    writeln!(out, "pub(super) const LIMIT: u16 = {};\n", newest.unwrap_or(0) + 1)?;
    writeln!(out, "/// One column for each table; the index in a column is the index of the name.")?;
    writeln!(out, "#[rustfmt::skip]")?;
    writeln!(out, "pub(super) static NUMBERS: [[u16; {}]; {}] = [", rows.len(), header.len())?;
    for (index, column) in header.iter().enumerate() {
        writeln!(out, "    // {column}")?;
        write!(out, "    [")?;
        for (row, numbers) in rows.values().enumerate() {
            write!(out, "{}{},", separator(row), encode(numbers[index])?)?;
        }
        writeln!(out, "\n    ],")?;
    }
    writeln!(out, "];")?;
    Ok(out)
}

fn separator(row: usize) -> &'static str {
    if row % 16 == 0 { "\n        " } else { " " }
}

fn multiplexed(name: &str) -> Result<u32, Box<dyn Error>> {
    if let Some(index) = SOCKETCALL.iter().position(|known| *known == name) {
        return Ok(u32::try_from(index + 1)?);
    }
    let code = IPC.iter().find(|(known, _)| *known == name);
    Ok(code.map_or(0, |(_, code)| code | IPC_MARK))
}

fn encode(number: Option<u32>) -> Result<u32, Box<dyn Error>> {
    match number {
        None => Ok(0xffff),
        Some(number) if number < PRIVATE_MARK => Ok(number),
        Some(number) if (ARM_PRIVATE..ARM_PRIVATE + 0x7000).contains(&number) => {
            Ok((number - ARM_PRIVATE) | PRIVATE_MARK)
        }
        Some(number) => Err(format!("{number} does not fit the table").into()),
    }
}
