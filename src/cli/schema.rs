//! `lungs schema`

use super::CommandResult;
use super::output::Output;
use clap::Args;

/// The schema, which a test generates from the types of the spec.
const SCHEMA: &str = include_str!("../../docs/spec.schema.json");

/// Print the JSON Schema of a spec, for editors.
///
/// With the schema, a TOML language server completes keys and values, describes them, and marks unknown
/// keys, wrong types and values out of range. The comment `#:schema spec.schema.json` in the first line of a
/// spec names the file; the path starts at the folder of the spec. `lungs check SPEC` also checks combinations
/// of keys, and the data.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  lungs schema > spec.schema.json\n  lungs schema | jq .properties.train.properties.schedule"
)]
pub(super) struct Schema {}

impl Schema {
    #[expect(clippy::unused_self, reason = "commands have the same form")]
    pub(super) fn execute(&self, output: &Output) -> CommandResult {
        output.answer(SCHEMA.trim_end());
        Ok(())
    }
}
