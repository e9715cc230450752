//! Completions for shells, made from the table.

#![forbid(unsafe_code)]

use std::fmt::Write;

use super::{COMMANDS, Command, Flag, Kind, flags};

/// A shell that completes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    /// bash(1)
    Bash,
    /// zsh(1)
    Zsh,
    /// fish(1)
    Fish,
}

/// The script that the shell reads.
pub fn script(shell: Shell) -> String {
    match shell {
        Shell::Bash => bash(),
        Shell::Zsh => zsh(),
        Shell::Fish => fish(),
    }
}

/// The flags that are shown.
fn shown(flags: &[&'static Flag]) -> impl Iterator<Item = &'static Flag> {
    flags.iter().copied().filter(|flag| !flag.hidden)
}

fn takes_value(flag: &Flag) -> bool {
    flag.kind != Kind::Switch
}

/// `--name` and `-n`.
fn spellings(flag: &Flag) -> Vec<String> {
    let short = flag.short.map(|letter| format!("-{letter}"));
    short
        .into_iter()
        .chain([format!("--{}", flag.long)])
        .collect()
}

/// Words that a value can be, where it is one of a few.
fn choices(kind: Kind) -> Option<String> {
    match kind {
        Kind::Choice(words) => Some(words.join(" ")),
        Kind::Rootless => Some("true false auto".to_owned()),
        _ => None,
    }
}

fn takes_id(command: &Command) -> bool {
    command.usage.starts_with("<container-id>")
}

fn bash() -> String {
    let with_value: Vec<String> = shown(flags::GLOBAL)
        .filter(|flag| takes_value(flag))
        .flat_map(spellings)
        .collect();
    let names: Vec<&str> = COMMANDS.iter().map(|command| command.name).collect();
    let mut text = format!(
        "_oxrun() {{\n\
         \x20   local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}} command= i\n\
         \x20   for ((i = 1; i < COMP_CWORD; i++)); do\n\
         \x20       case ${{COMP_WORDS[i]}} in\n\
         \x20       {}) ((i++)) ;;\n\
         \x20       -*) ;;\n\
         \x20       *) command=${{COMP_WORDS[i]}}; break ;;\n\
         \x20       esac\n\
         \x20   done\n\
         \x20   case $command:$prev in\n",
        with_value.join("|")
    );
    bash_values(&mut text, "", flags::GLOBAL);
    for command in COMMANDS {
        bash_values(&mut text, command.name, command.flags);
    }
    text.push_str("    esac\n    local words=\n    case $command in\n");
    bash_words(&mut text, "''", &names.join(" "), flags::GLOBAL);
    for command in COMMANDS {
        let operands = match command.name {
            "completion" => "bash zsh fish",
            _ if takes_id(command) => "$(oxrun list -q 2>/dev/null)",
            _ => "",
        };
        bash_words(&mut text, command.name, operands, command.flags);
    }
    text.push_str(
        "    esac\n    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n}\n\
         complete -F _oxrun oxrun\n",
    );
    text
}

/// What follows a flag that takes a value.
fn bash_values(text: &mut String, command: &str, flags: &[&'static Flag]) {
    for flag in shown(flags).filter(|flag| takes_value(flag)) {
        let spellings = spellings(flag);
        let patterns: Vec<String> = spellings
            .iter()
            .map(|spelling| format!("{command}:{spelling}"))
            .collect();
        let action = match (flag.kind, choices(flag.kind)) {
            (_, Some(words)) => format!("-W '{words}'"),
            (Kind::File, _) => "-f".to_owned(),
            (Kind::Directory, _) => "-d".to_owned(),
            _ => "-W ''".to_owned(),
        };
        let _ = writeln!(
            text,
            "    {}) mapfile -t COMPREPLY < <(compgen {action} -- \"$cur\"); return ;;",
            patterns.join("|")
        );
    }
}

fn bash_words(text: &mut String, command: &str, operands: &str, flags: &[&'static Flag]) {
    let flags: Vec<String> = shown(flags).flat_map(spellings).collect();
    let _ = writeln!(
        text,
        "    {command}) if [[ $cur == -* ]]; then words='{}'; else words=\"{operands}\"; fi ;;",
        flags.join(" ")
    );
}

fn zsh() -> String {
    let mut text = String::from(
        "#compdef oxrun\n\n_oxrun_ids() {\n    local -a ids\n    ids=(${(f)\"$(oxrun list -q 2>/dev/null)\"})\n    \
         compadd -a ids\n}\n\n_oxrun() {\n    local curcontext=$curcontext state line\n    _arguments -C \\\n",
    );
    zsh_arguments(&mut text, flags::GLOBAL, "        ");
    text.push_str(
        "        '1:command:->command' \\\n        '*::argument:->argument'\n    case $state in\n    command)\n        \
         local -a commands\n        commands=(\n",
    );
    for command in COMMANDS {
        let _ = writeln!(
            text,
            "            '{}:{}'",
            command.name,
            zsh_quoted(command.summary)
        );
    }
    text.push_str("        )\n        _describe command commands ;;\n    argument)\n        case $line[1] in\n");
    for command in COMMANDS {
        let _ = writeln!(text, "        {})\n            _arguments \\", command.name);
        zsh_arguments(&mut text, command.flags, "                ");
        let operand = match command.name {
            "completion" => "'1:shell:(bash zsh fish)'",
            _ if takes_id(command) => "'1:container:_oxrun_ids' '*:argument:_default'",
            _ => "'*:argument:_default'",
        };
        let _ = writeln!(text, "                {operand} ;;");
    }
    text.push_str("        esac ;;\n    esac\n}\n\nif [[ $funcstack[1] == _oxrun ]]; then _oxrun \"$@\"; else compdef _oxrun oxrun; fi\n");
    text
}

fn zsh_arguments(text: &mut String, flags: &[&'static Flag], indent: &str) {
    for flag in shown(flags) {
        let help = zsh_quoted(flag.help)
            .replace('[', "\\[")
            .replace(']', "\\]");
        let repeat = if flag.repeatable { "*" } else { "" };
        let action = match (flag.kind, choices(flag.kind)) {
            (Kind::Switch, _) => String::new(),
            (kind, Some(words)) => format!(":{}:({words})", zsh_quoted(kind.placeholder())),
            (Kind::File, _) => ":file:_files".to_owned(),
            (Kind::Directory, _) => ":directory:_directories".to_owned(),
            (kind, _) => format!(":{}: ", zsh_quoted(kind.placeholder())),
        };
        for spelling in spellings(flag) {
            let _ = writeln!(text, "{indent}'{repeat}{spelling}[{help}]{action}' \\");
        }
    }
}

/// As it can stand in single quotes, where a colon separates fields.
fn zsh_quoted(text: &str) -> String {
    text.replace('\'', "'\\''").replace(':', "\\:")
}

fn fish() -> String {
    let mut text = String::from(
        "function __oxrun_ids\n    oxrun list -q 2>/dev/null\nend\n\
         complete -c oxrun -f\n",
    );
    fish_flags(&mut text, "__fish_use_subcommand", flags::GLOBAL);
    for command in COMMANDS {
        let _ = writeln!(
            text,
            "complete -c oxrun -n __fish_use_subcommand -a {} -d '{}'",
            command.name,
            fish_quoted(command.summary)
        );
        let condition = format!("__fish_seen_subcommand_from {}", command.name);
        fish_flags(&mut text, &condition, command.flags);
        let operands = match command.name {
            "completion" => "bash zsh fish",
            _ if takes_id(command) => "(__oxrun_ids)",
            _ => continue,
        };
        let _ = writeln!(text, "complete -c oxrun -n '{condition}' -a '{operands}'");
    }
    text
}

fn fish_flags(text: &mut String, condition: &str, flags: &[&'static Flag]) {
    for flag in shown(flags) {
        let _ = write!(text, "complete -c oxrun -n '{condition}' -l {}", flag.long);
        if let Some(short) = flag.short {
            let _ = write!(text, " -s {short}");
        }
        match (flag.kind, choices(flag.kind)) {
            (Kind::Switch, _) => {}
            (_, Some(words)) => drop(write!(text, " -x -a '{words}'")),
            (Kind::File, _) => text.push_str(" -r -F"),
            (Kind::Directory, _) => text.push_str(" -x -a '(__fish_complete_directories)'"),
            _ => text.push_str(" -x"),
        }
        let _ = writeln!(text, " -d '{}'", fish_quoted(flag.help));
    }
}

fn fish_quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'")
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;

    /// Whether a shell takes a script; nothing where the shell is not installed.
    fn parses(shell: &str, script: &str) -> Option<bool> {
        let child = Command::new(shell).arg("-n").stdin(Stdio::piped()).spawn();
        let mut child = child.ok()?;
        child.stdin.take()?.write_all(script.as_bytes()).ok()?;
        child.wait().ok().map(|status| status.success())
    }

    #[test]
    fn shells_take_their_scripts() {
        assert_eq!(parses("bash", &script(Shell::Bash)), Some(true));
        assert_ne!(parses("zsh", &script(Shell::Zsh)), Some(false));
        assert_ne!(parses("fish", &script(Shell::Fish)), Some(false));
    }

    /// What bash offers for a line whose last word is being written.
    fn offered(line: &str) -> Vec<String> {
        let words: Vec<String> = line.split(' ').map(|word| format!("'{word}'")).collect();
        let program = format!(
            "{}\nCOMP_WORDS=({}); COMP_CWORD={}; _oxrun; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            script(Shell::Bash),
            words.join(" "),
            words.len() - 1
        );
        let output = Command::new("bash")
            .arg("-c")
            .arg(program)
            .output()
            .unwrap();
        assert!(output.stderr.is_empty(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.split_ascii_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn bash_completes() {
        assert_eq!(offered("oxrun st"), ["start", "state"]);
        assert_eq!(offered("oxrun --log /l sta"), ["start", "state"]);
        assert_eq!(offered("oxrun --log-format "), ["text", "json"]);
        assert_eq!(offered("oxrun run --pidf"), ["--pidfd-socket"]);
        assert_eq!(offered("oxrun list --format j"), ["json"]);
        assert_eq!(offered("oxrun completion z"), ["zsh"]);
        assert_eq!(
            offered("oxrun --root /r --systemd-cgroup exec --ign"),
            ["--ignore-paused"]
        );
        assert!(offered("oxrun --cri").is_empty(), "hidden");
    }
}
