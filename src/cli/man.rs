//! `lungs man`

use super::output::Output;
use super::{CommandResult, Failure};
use clap::{Args, Command};
use clap_mangen::Man as Page;
use lungs_base::files::write_bytes;
use lungs_base::text::counted;
use std::path::PathBuf;

/// Print the manual page, or write those of all commands.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  lungs man | man -l -\n  lungs man --out ~/.local/share/man/man1     # then: man lungs-run"
)]
pub(super) struct Man {
    /// Folder for the pages of all commands, as lungs-run.1. Existing pages are replaced.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl Man {
    pub(super) fn execute(&self, output: &Output) -> CommandResult {
        let mut command = super::command().disable_help_subcommand(true);
        command.build();
        let Some(folder) = &self.out else {
            output.answer(String::from_utf8_lossy(&page(&command)?.1).trim_end());
            return Ok(());
        };
        let pages = pages(&command)?;
        for (name, text) in &pages {
            write_bytes(&folder.join(name), text).map_err(Failure::work)?;
        }
        output.say(format!("{} in {}", counted(pages.len(), "page", "pages"), folder.display()));
        Ok(())
    }
}

/// File name and text of the page of a command.
fn page(command: &Command) -> Result<(String, Vec<u8>), Failure> {
    let source = format!("lungs {}", crate::program::PROGRAM.version);
    let page = Page::new(command.clone()).source(source).manual("lungs");
    let mut text = Vec::new();
    page.render(&mut text).map_err(Failure::work)?;
    Ok((page.get_filename(), text))
}

/// The pages of a command and of all commands below it.
fn pages(command: &Command) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let mut all = vec![page(command)?];
    for subcommand in command.get_subcommands().filter(|it| !it.is_hide_set()) {
        all.extend(pages(subcommand)?);
    }
    Ok(all)
}
