//! `bench report`: what the results say.

use crate::goals::goals;
use crate::options::Report;
use crate::results::Results;
use crate::{picture, table};
use std::fs;
use std::path::Path;
use std::process::ExitCode;

const BEGIN: &str = "<!-- bench: begin; made by integration/bench/run -->";
const END: &str = "<!-- bench: end -->";

/// Writes the merged results, the long table and the picture, replaces the table in
/// README, and prints the goals.
///
/// # Errors
/// When a file cannot be read or written.
pub fn report(options: &Report) -> Result<ExitCode, String> {
    let read = |file: &std::path::PathBuf| -> Result<Results, String> {
        let text = fs::read_to_string(file).map_err(|err| format!("{}: {err}", file.display()))?;
        serde_json::from_str(&text).map_err(|err| format!("{}: {err}", file.display()))
    };
    let all: Vec<Results> = options.results.iter().map(read).collect::<Result<_, _>>()?;
    let merged = serde_json::to_string_pretty(&all).map_err(|err| err.to_string())?;
    write(&options.out.join("results.json"), &merged)?;
    write(&options.out.join("table.md"), &table::long(&all))?;
    if let (Some(picture), Some(first)) = (&options.picture, all.first()) {
        write(picture, &picture::draw(first))?;
    }
    if let Some(readme) = &options.readme {
        let text =
            fs::read_to_string(readme).map_err(|err| format!("{}: {err}", readme.display()))?;
        write(readme, &replace(&text, &section(&all))?)?;
    }
    for goal in all.iter().flat_map(goals) {
        println!("{goal}");
    }
    let failed = all.iter().any(|results| !results.failures.is_empty());
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn write(file: &Path, text: &str) -> Result<(), String> {
    fs::write(file, text).map_err(|err| format!("{}: {err}", file.display()))
}

fn section(all: &[Results]) -> String {
    format!(
        "\n![Times of oxrun, crun and runc](docs/bench.svg)\n\n{}\n{}\n{}\n",
        table::short(all).trim_end(),
        format_args!("\n{}", table::memory(all).trim_end()),
        format_args!("\n{}", table::caption(all).trim_end()),
    )
}

/// Puts a section between the markers.
fn replace(text: &str, section: &str) -> Result<String, String> {
    let missing = || format!("README has no {BEGIN} before {END}");
    let (before, rest) = text.split_once(BEGIN).ok_or_else(missing)?;
    let (_, after) = rest.split_once(END).ok_or_else(missing)?;
    Ok(format!("{before}{BEGIN}\n{section}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_section_changes() {
        let text = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        let new = replace(&text, "new").expect("markers");
        assert_eq!(new, format!("a\n{BEGIN}\nnew\n{END}\nb\n"));
        assert!(replace("a", "new").is_err());
    }
}
