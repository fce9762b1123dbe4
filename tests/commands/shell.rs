//! `lungs schema`, `lungs completions` and `lungs man`.

use super::support::Workspace;
use std::fs;
use std::process::Command;

#[test]
fn the_schema_is_that_of_the_documents() {
    let printed = Workspace::new().lungs(&["schema"]);
    let stored = include_str!("../../docs/spec.schema.json");
    assert_eq!((printed.code, printed.stdout.as_str()), (0, stored));
}

#[test]
fn bash_completes_commands_options_and_values() {
    let workspace = Workspace::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = workspace.lungs(&["completions", shell]);
        assert!(script.code == 0 && script.stdout.contains("sample-size"), "{shell}");
        workspace.write(&format!("lungs.{shell}"), &script.stdout);
    }
    let complete = |words: &[&str]| {
        let script = format!(
            "source lungs.bash; COMP_WORDS=({}); COMP_CWORD={}; _lungs lungs '{}' '{}'; echo \"${{COMPREPLY[@]}}\"",
            words.join(" "),
            words.len() - 1,
            words[words.len() - 1],
            words[words.len() - 2],
        );
        let mut bash = Command::new("bash");
        let output = bash.args(["-c", &script]).current_dir(workspace.path("")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(complete(&["lungs", "ch"]), "check");
    assert_eq!(complete(&["lungs", "check", "--js"]), "--json");
    assert_eq!(complete(&["lungs", "weights", "sh"]), "show");
    assert_eq!(complete(&["lungs", "completions", "fi"]), "fish");
}

#[test]
fn every_command_has_a_manual_page() {
    fn pages(command: &clap::Command, name: &str, all: &mut Vec<String>) {
        all.push(format!("{name}.1"));
        let visible = command.get_subcommands().filter(|it| !it.is_hide_set());
        for command in visible.filter(|it| it.get_name() != "help") {
            pages(command, &format!("{name}-{}", command.get_name()), all);
        }
    }
    let workspace = Workspace::new();
    let written = workspace.lungs(&["man", "--out", "man1"]);
    assert_eq!(written.code, 0, "{}", written.stderr);
    let mut expected = Vec::new();
    pages(&lungs::cli::command(), "lungs", &mut expected);
    expected.sort();
    let entries = fs::read_dir(workspace.path("man1")).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, expected);
    assert_eq!(written.stdout, format!("{} pages in man1\n", names.len()));
    for name in ["lungs-weights.1", "lungs-run.1"] {
        let page = fs::read_to_string(workspace.path("man1").join(name)).unwrap();
        let title = name.trim_end_matches(".1");
        assert!(page.contains(&format!(".TH {title} 1 ")), "{page}");
        assert!(page.contains(".SH OPTIONS") && page.contains("Example"), "{page}");
    }
    let single = workspace.lungs(&["man"]).stdout;
    let stored = fs::read_to_string(workspace.path("man1/lungs.1")).unwrap();
    assert_eq!(single.trim_end(), stored.trim_end());
}
