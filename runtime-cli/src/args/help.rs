//! Texts of `--help` and `--version`, made from the table.

#![forbid(unsafe_code)]

use std::fmt::Write;

use libcontainer::features::OCI_VERSION_MAX;

use super::{COMMANDS, Command, Flag, Kind, flags};

/// Widest line of a help text.
const WIDTH: usize = 80;

/// The name that this program goes by: `runc` where it was put in that one's place, under its name.
/// Callers read it in texts.
pub fn name() -> &'static str {
    let argument = std::env::args_os().next().unwrap_or_default();
    match std::path::Path::new(&argument).file_name() {
        Some(name) if name == "runc" => "runc",
        _ => "oxrun",
    }
}

/// Three lines, the form that engines parse: go-runc takes name and version from the first one and
/// wants all three, Docker's daemon looks for `version` and `commit:`.
pub fn version() -> String {
    let name = name();
    format!("{name} version {VERSION}\ncommit: {COMMIT}\nspec: {OCI_VERSION_MAX}\n")
}

/// The version of this program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit that it was built from, where the build says so.
pub const COMMIT: &str = match option_env!("OXRUN_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};

/// Help for the program.
pub fn program() -> String {
    let name = name();
    let mut text = format!(
        "NAME:\n   {name} - Open Container Initiative runtime\n\n\
         USAGE:\n   {name} [global options] command [options] [arguments]\n\nCOMMANDS:\n",
    );
    let names = COMMANDS.iter().map(|command| command.name.len());
    let width = names.max().unwrap_or(0);
    for command in COMMANDS {
        let _ = writeln!(text, "   {:width$}  {}", command.name, command.summary);
    }
    let _ = writeln!(
        text,
        "   {:width$}  print help for the program or a command",
        "help"
    );
    text.push_str("\nGLOBAL OPTIONS:\n");
    options(&mut text, flags::GLOBAL);
    text
}

/// Help for a command.
pub fn command(command: &Command) -> String {
    let name = format!("{} {}", name(), command.name);
    let mut text = format!(
        "NAME:\n   {name} - {}\n\nUSAGE:\n   {name}",
        command.summary
    );
    for part in ["[options]", command.usage] {
        if !part.is_empty() {
            text.push(' ');
            text.push_str(part);
        }
    }
    text.push('\n');
    if !command.description.is_empty() {
        text.push_str("\nDESCRIPTION:\n");
        wrap(&mut text, command.description, 3);
    }
    text.push_str("\nOPTIONS:\n");
    options(&mut text, command.flags);
    text
}

fn options(text: &mut String, flags: &[&Flag]) {
    for flag in flags.iter().filter(|flag| !flag.hidden) {
        let short = flag
            .short
            .map_or_else(String::new, |letter| format!("-{letter}, "));
        let _ = write!(text, "   {short}--{}", flag.long);
        if flag.kind != Kind::Switch {
            let _ = write!(text, " {}", flag.kind.placeholder());
        }
        text.push('\n');
        let mut help = flag.help.to_owned();
        if flag.repeatable {
            help.push_str("; may be repeated");
        }
        if let Some(default) = flag.default {
            let _ = write!(help, " (default: {default})");
        }
        wrap(text, &help, 10);
    }
}

/// Breaks a text into indented lines.
fn wrap(text: &mut String, words: &str, indent: usize) {
    let mut column = 0;
    for word in words.split_ascii_whitespace() {
        if column > 0 && column + 1 + word.len() > WIDTH {
            text.push('\n');
            column = 0;
        }
        let gap = if column == 0 { indent } else { 1 };
        text.extend(std::iter::repeat_n(' ', gap));
        text.push_str(word);
        column += gap + word.len();
    }
    text.push('\n');
}
