//! The reference of the command line, `docs/cli.md`, from the definitions of the commands.

use clap::{Arg, Command};
use std::fmt::Write;

const INTRODUCTION: &str = "<!-- Generated from the definitions in src/cli: \
                            LUNGS_UPDATE_DOCS=1 cargo test --test docs -->\n\n\
                            # The command line\n\n\
                            `lungs COMMAND --help` prints the same text.\n";

/// The section of a command, followed by those of its subcommands.
fn section(command: &Command, level: usize) -> String {
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name()).to_owned();
    let mut text = format!("\n{} `{name}`\n\n", "#".repeat(level));
    let about = command.get_long_about().or_else(|| command.get_about());
    text += &about.map(|about| format!("{}\n\n", prose(&about.to_string()))).unwrap_or_default();
    let usage = command.clone().render_usage().to_string();
    let _ = write!(text, "```text\n{}\n```\n", usage.trim_start_matches("Usage: "));
    let own = |arg: &&Arg| !(arg.is_hide_set() || arg.is_global_set() && level > 2);
    let arguments: Vec<&Arg> = command.get_arguments().filter(own).collect();
    let is_builtin = |arg: &&&Arg| ["help", "version"].contains(&arg.get_id().as_str());
    let listed: Vec<&&Arg> = arguments.iter().filter(|arg| !is_builtin(arg)).collect();
    if !listed.is_empty() {
        text += "\n| argument | meaning |\n|---|---|\n";
    }
    let (positionals, options): (Vec<_>, Vec<_>) =
        listed.into_iter().partition(|arg| arg.is_positional());
    for arg in positionals.into_iter().chain(options) {
        let _ = writeln!(text, "| {} | {} |", heading(arg), cell(arg));
    }
    let subcommands: Vec<&Command> = command
        .get_subcommands()
        .filter(|sub| sub.get_name() != "help" && !sub.is_hide_set())
        .collect();
    if !subcommands.is_empty() {
        text += "\n| command | purpose |\n|---|---|\n";
    }
    for sub in &subcommands {
        let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(text, "| `{}` | {} |", sub.get_name(), escape(&about));
    }
    if let Some(help) = command.get_after_help() {
        let _ = write!(text, "\n```text\n{help}\n```\n");
    }
    for sub in subcommands {
        text += &section(sub, (level + 1).min(4));
    }
    text
}

/// `-q, --quiet`, `--set <KEY=VALUE>…`
fn heading(arg: &Arg) -> String {
    let values: Vec<String> = arg
        .get_value_names()
        .filter(|_| arg.get_action().takes_values())
        .into_iter()
        .flatten()
        .map(|name| format!("<{name}>"))
        .collect();
    let names =
        [arg.get_short().map(|c| format!("-{c}")), arg.get_long().map(|l| format!("--{l}"))];
    let names: Vec<String> = names.into_iter().flatten().collect();
    let mut parts = vec![names.join(", ")];
    parts.extend(values);
    format!("`{}`", parts.join(" ").trim().replace('|', "\\|"))
}

/// The help of an argument with its choices and its default.
fn cell(arg: &Arg) -> String {
    let help = arg.get_long_help().or_else(|| arg.get_help());
    let mut text = escape(&help.map(ToString::to_string).unwrap_or_default());
    assert!(!text.is_empty(), "{} has no help", arg.get_id());
    let takes_values = arg.get_action().takes_values() && !arg.is_hide_possible_values_set();
    for choice in arg.get_possible_values().iter().filter(|_| takes_values) {
        let help = choice.get_help().map(|help| format!(": {help}")).unwrap_or_default();
        let _ = write!(text, "<br>`{}`{}", choice.get_name(), escape(&help));
    }
    let defaults: Vec<String> =
        arg.get_default_values().iter().map(|value| format!("`{}`", value.display())).collect();
    if !defaults.is_empty() && arg.get_action().takes_values() {
        let _ = write!(text, "<br>Default: {}.", defaults.join(", "));
    }
    text
}

/// Text for one cell of a table.
fn escape(text: &str) -> String {
    prose(text).replace("\n\n", "<br>").replace('\n', " ").replace('|', "\\|")
}

/// Text outside code, in which `<` is no tag.
fn prose(text: &str) -> String {
    let parts = text.split('`').enumerate();
    let parts = parts.map(|(index, part)| match index % 2 {
        0 => part.replace('<', "\\<"),
        _ => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join("`")
}

#[test]
fn the_reference_of_the_command_line_is_current() {
    let mut command = lungs::cli::command().term_width(100);
    command.build();
    super::assert_is_current("docs/cli.md", &format!("{INTRODUCTION}{}", section(&command, 2)));
}
