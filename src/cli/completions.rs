//! `lungs completions`

use super::CommandResult;
use super::output::Output;
use clap::Args;
use clap_complete::Shell;

/// Print the completions of a shell: commands, options and their values.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  lungs completions bash > ~/.local/share/bash-completion/completions/lungs\n  lungs completions zsh > ~/.zfunc/_lungs          # a folder in fpath\n  lungs completions fish > ~/.config/fish/completions/lungs.fish"
)]
pub(super) struct Completions {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(super) fn execute(&self, output: &Output) -> CommandResult {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut super::command(), "lungs", &mut script);
        output.answer(String::from_utf8_lossy(&script).trim_end());
        Ok(())
    }
}
