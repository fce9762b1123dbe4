//! The arguments of this process, with suggestions for misspelt commands and options that clap does not find similar.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory, Error, Parser};
use lungs_base::suggest::nearest;

/// The parsed arguments of this process. Prints help and errors, and ends the process then.
pub(super) fn parse<A: Parser + CommandFactory>() -> A {
    A::try_parse().unwrap_or_else(|mut error| {
        let arguments = std::env::args_os().skip(1);
        let arguments: Vec<String> = arguments.filter_map(|it| it.into_string().ok()).collect();
        add_suggestion(&mut error, A::command(), &arguments);
        error.exit()
    })
}

/// Adds the nearest command, option or value to an error without a suggestion.
fn add_suggestion(error: &mut Error, mut command: Command, arguments: &[String]) {
    let (unknown, suggested) = match error.kind() {
        ErrorKind::InvalidSubcommand => {
            (ContextKind::InvalidSubcommand, ContextKind::SuggestedSubcommand)
        }
        ErrorKind::UnknownArgument => (ContextKind::InvalidArg, ContextKind::SuggestedArg),
        ErrorKind::InvalidValue => (ContextKind::InvalidValue, ContextKind::SuggestedValue),
        _ => return,
    };
    let Some(ContextValue::String(unknown)) = error.get(unknown) else { return };
    // Commands that start with the same letters are more similar to clap than a swap of two letters.
    if error.get(suggested).is_some() && suggested != ContextKind::SuggestedSubcommand {
        return;
    }
    command.build();
    let command = chosen_command(&command, arguments);
    let near = match suggested {
        ContextKind::SuggestedSubcommand => {
            let names =
                command.get_subcommands().filter(|it| !it.is_hide_set()).map(Command::get_name);
            nearest(unknown, names).map(str::to_owned)
        }
        ContextKind::SuggestedArg => {
            let options = command.get_arguments().filter_map(clap::Arg::get_long);
            let name = unknown.strip_prefix("--").and_then(|name| nearest(name, options));
            name.map(|name| format!("--{name}"))
        }
        _ => match error.get(ContextKind::ValidValue) {
            Some(ContextValue::Strings(valid)) => {
                nearest(unknown, valid.iter().map(String::as_str)).map(str::to_owned)
            }
            _ => None,
        },
    };
    let Some(near) = near else { return };
    let value = if suggested == ContextKind::SuggestedSubcommand {
        ContextValue::Strings(vec![near])
    } else {
        ContextValue::String(near)
    };
    error.insert(suggested, value);
}

/// The command that the arguments name, such as `weights import`, up to the first unknown name.
fn chosen_command<'a>(root: &'a Command, arguments: &[String]) -> &'a Command {
    let names = arguments.iter().filter(|argument| !argument.starts_with('-'));
    let mut command = root;
    for name in names {
        match command.find_subcommand(name) {
            Some(subcommand) => command = subcommand,
            None => break,
        }
    }
    command
}
