//! Help and errors on the terminal: suggestions, and lines that can be copied.

use super::support::Workspace;

/// Standard output and error of a command on a terminal of this many columns.
fn output_at(workspace: &Workspace, columns: usize, arguments: &[&str]) -> (String, String) {
    let mut command = workspace.command(arguments);
    let output = command.env("COLUMNS", columns.to_string()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn misspelt_commands_options_and_values_have_suggestions() {
    let workspace = Workspace::new();
    for (arguments, expected) in [
        (&["rnu"][..], "a similar subcommand exists: 'run'"),
        (&["-q", "rum"], "a similar subcommand exists: 'run'"),
        (&["trian", "small.toml"], "a similar subcommand exists: 'train'"),
        (&["weights", "shwo"], "a similar subcommand exists: 'show'"),
        (&["sample-size", "acu"], "a similar subcommand exists: 'auc'"),
        (&["run", "small.toml", "--ste", "a=1"], "a similar argument exists: '--set'"),
        (&["sweep", "small.toml", "--onyl", "1"], "a similar argument exists: '--only'"),
        (&["run", "small.toml", "--tiu"], "a similar argument exists: '--tui'"),
        (&["weights", "export", "a", "-o", "b", "--to", "brun"], "a similar value exists: 'burn'"),
    ] {
        let done = workspace.lungs(arguments);
        assert_eq!(done.code, 2, "{}", done.stdout);
        assert!(done.stderr.contains(expected), "{arguments:?}: {}", done.stderr);
        assert_eq!(done.stderr.matches("a similar").count(), 1, "{}", done.stderr);
    }
    let unknown = workspace.lungs(&["xyzzy"]);
    assert_eq!(unknown.code, 2);
    assert!(!unknown.stderr.contains("tip:"), "{}", unknown.stderr);
}

#[test]
fn keys_without_their_section_have_suggestions() {
    let workspace = Workspace::new();
    let set = workspace.lungs(&["run", "small.toml", "--set", "learning_rate=1e-3"]);
    assert_eq!(set.code, 2, "{}", set.stdout);
    assert!(set.stderr.contains("did you mean `train.learning_rate`?"), "{}", set.stderr);
    workspace.write("mine.toml", "extends = \"small.toml\"\nepochs = 3\n");
    let spec = workspace.lungs(&["check", "mine.toml"]);
    assert_eq!(spec.code, 2, "{}", spec.stdout);
    assert!(spec.stderr.contains("did you mean `train.epochs`?"), "{}", spec.stderr);
    workspace.write("sweep.toml", "extends = \"small.toml\"\n[sweep]\nepochs = [1, 2]\n");
    let sweep = workspace.lungs(&["sweep", "sweep.toml", "--dry-run"]);
    assert!(
        sweep.flat().contains("to vary `train.epochs`, list its values in"),
        "{}",
        sweep.stderr
    );
    workspace.write("sweep.toml", "extends = \"small.toml\"\n[sweep.grid]\nepochs = [1, 2]\n");
    let grid = workspace.lungs(&["sweep", "sweep.toml", "--dry-run"]);
    assert!(grid.stderr.contains("did you mean `train.epochs`?"), "{}", grid.stderr);
}

#[test]
fn paths_and_commands_in_errors_are_not_broken() {
    let workspace = Workspace::new();
    let run = "results/a-name-with-hyphens/2026-01-31T10-15-02Z-5f3a9c/and-folders/below-it";
    let check = workspace.lungs(&["check", "small.toml", "--verbose"]);
    let spec = check.stdout.split("spec hash").next().unwrap();
    workspace.write(&format!("{run}/spec.toml"), spec);
    for columns in [60, 80, 100] {
        let (_, error) = output_at(&workspace, columns, &["evaluate", run]);
        let command = format!("`lungs train {run}`");
        assert!(error.lines().any(|line| line.contains(&command)), "{error}");
        assert_eq!(error.matches(run).count(), 2, "{error}");
        let missing = format!("{run}/nowhere-at-all/nothing-here.toml");
        let (_, error) = output_at(&workspace, columns, &["run", &missing]);
        assert!(error.lines().any(|line| line.contains(&missing)), "{error}");
    }
    // Words are wrapped at the width of the terminal.
    let arguments = ["run", "small.toml", "--set", "learning_rate=1e-3"];
    let (_, error) = output_at(&workspace, 60, &arguments);
    let longest = error.lines().map(|line| line.chars().count()).max().unwrap();
    assert!((40..=60).contains(&longest), "{longest}: {error}");
}

/// All commands, as their arguments, with the text below their options.
fn commands_with_examples(command: &clap::Command, path: &[String]) -> Vec<(Vec<String>, String)> {
    let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let mut all = vec![(path.to_vec(), examples)];
    for subcommand in command.get_subcommands().filter(|it| it.get_name() != "help") {
        let path = [path, &[subcommand.get_name().to_owned()]].concat();
        all.extend(commands_with_examples(subcommand, &path));
    }
    all
}

#[test]
fn examples_of_the_help_are_whole_at_80_columns() {
    let workspace = Workspace::new();
    let mut count = 0;
    for (path, examples) in commands_with_examples(&lungs::cli::command(), &[]) {
        let arguments: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
        let (help, error) = output_at(&workspace, 80, &arguments);
        assert_eq!(error, "");
        for line in examples.lines() {
            assert!(help.lines().any(|shown| shown == line), "{arguments:?}, {line:?}: {help}");
            count += usize::from(line.starts_with("  lungs "));
        }
    }
    assert!(count > 30, "{count}");
}

#[test]
fn names_of_values_are_plain_terms() {
    fn check(command: &clap::Command) {
        for argument in command.get_arguments().filter(|it| it.get_action().takes_values()) {
            for name in argument.get_value_names().unwrap_or_default() {
                let id = argument.get_id().as_str().to_uppercase();
                let repeats = name.contains('_') && name.as_str() == id;
                assert!(!repeats, "{}: {name}", command.get_name());
            }
        }
        command.get_subcommands().for_each(check);
    }
    let mut command = lungs::cli::command();
    command.build();
    check(&command);
}
