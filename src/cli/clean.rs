//! `lungs clean`

use super::output::{Output, bytes, columns};
use super::{CommandResult, Failure};
use crate::cleaning::{Cleaning, Scope};
use clap::Args;
use lungs_base::text::counted;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Remove checkpoints and prepared volumes that are no longer needed.
///
/// Of finished runs, removes all checkpoints but those of the selected epoch, of the last epoch and of every
/// `train.keep_every`-th; with `train.keep_checkpoints = "all"`, only incomplete and damaged ones. Of the caches
/// of these runs and of the specs, removes volumes with settings that none of them has. Keeps everything of runs
/// that are not finished, and of runs and caches that a process works with. Prints the list, and asks first.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  lungs clean --dry-run\n  lungs clean --yes\n  lungs clean results /shared/results --specs experiments --specs /shared/specs"
)]
pub(super) struct Clean {
    /// Results folders.
    #[arg(value_name = "DIR", default_value = "results")]
    results: Vec<PathBuf>,

    /// A spec, or a folder of specs, whose prepared volumes are needed. Repeatable. Name those of all projects
    /// that share a cache. [default: experiments]
    #[arg(long, value_name = "PATH")]
    specs: Vec<PathBuf>,

    /// Remove without asking.
    #[arg(long, conflicts_with = "dry_run")]
    yes: bool,

    /// Print the list, and remove nothing.
    #[arg(long)]
    dry_run: bool,
}

impl Clean {
    pub(super) fn execute(&self, output: &Output) -> CommandResult {
        let mut cleaning = Cleaning::of(&self.scope()?)?;
        for kept in &cleaning.kept {
            output.say(format!("kept  {kept}"));
        }
        if cleaning.is_empty() {
            output.answer("Nothing to remove.");
            return Ok(());
        }
        let total = bytes(cleaning.bytes() as f64);
        output.answer(columns(&rows(&cleaning)));
        for path in paths(&cleaning) {
            output.detail(format!("  {}", path.display()));
        }
        if self.dry_run {
            output.say(format!("\n{total} can be removed."));
            return Ok(());
        }
        if !self.yes && !confirm(&total)? {
            output.say("Nothing is removed.");
            return Ok(());
        }
        let removed = cleaning.remove().map_err(Failure::work)?;
        for kept in &cleaning.kept {
            output.say(format!("kept  {kept}"));
        }
        output.say(format!("\nRemoved {}.", bytes(removed as f64)));
        Ok(())
    }

    fn scope(&self) -> Result<Scope, Failure> {
        let usual = Path::new("experiments");
        let specs = if !self.specs.is_empty() {
            self.specs.clone()
        } else if usual.is_dir() {
            vec![usual.to_owned()]
        } else {
            Vec::new()
        };
        if let Some(missing) = specs.iter().find(|path| !path.exists()) {
            return Err(Failure::request(format!(
                "--specs: {} does not exist; give a spec or a folder of specs",
                missing.display()
            )));
        }
        Ok(Scope { results: self.results.clone(), specs })
    }
}

fn rows(cleaning: &Cleaning) -> Vec<Vec<String>> {
    let checkpoints = cleaning.checkpoints.iter().map(|old| {
        let count = counted(old.folders.len(), "checkpoint", "checkpoints");
        vec![bytes(old.bytes as f64), count, old.run.root().display().to_string()]
    });
    let volumes = cleaning.volumes.iter().map(|old| {
        let entries = counted(old.entries, "prepared series", "prepared series");
        let settings = counted(old.settings, "former setting", "former settings");
        vec![
            bytes(old.bytes as f64),
            format!("{entries} of {settings}"),
            old.cache.display().to_string(),
        ]
    });
    checkpoints.chain(volumes).collect()
}

fn paths(cleaning: &Cleaning) -> impl Iterator<Item = &PathBuf> {
    let checkpoints = cleaning.checkpoints.iter().flat_map(|old| &old.folders);
    checkpoints.chain(cleaning.volumes.iter().flat_map(|old| &old.files))
}

/// Asks on the terminal.
fn confirm(total: &str) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::request(
            "standard input is no terminal to ask on; add --yes to remove these files, or --dry-run to list them",
        ));
    }
    print!("\nRemove {total}? [y/N] ");
    std::io::stdout().flush().map_err(Failure::work)?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).map_err(Failure::work)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
