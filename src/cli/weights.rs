//! `lungs weights`

use super::output::{Output, columns};
use super::{CommandResult, Failure};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand, ValueEnum};
use lungs_base::text::counted;
use lungs_net::model::{self, Architecture, Pool, Variable};
use lungs_net::weights::{
    self, ArraySummary, ExportError, Head, LoadError, LoadedNetwork, Target, head_compatibility,
    unused_by_kind,
};
use lungs_spec::results::{ResultsError, RunFolder};
use lungs_spec::spec::{Compat, Contract, Preprocess, load_preparation};
use lungs_train as training;
use std::path::{Path, PathBuf};

/// Import, inflate, export and inspect weights.
///
/// Reads TensorFlow checkpoints (`lungs` 0.1.5, kinetics-i3d, TF-slim), PyTorch .pt, .pth and .ckpt files (also of
/// Lightning), and safetensors. No code in these files is executed.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  lungs weights show model.ckpt-1234\n  lungs weights import model.ckpt-1234 -o weights/lungs-0.1.5.safetensors \\\n      --spec experiments/original-code.toml\n  lungs weights inflate inception_v1.ckpt -o weights/imagenet.safetensors\n  lungs weights export results/demo --to pytorch-safetensors \\\n      -o demo-pytorch.safetensors"
)]
pub(super) struct Weights {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    Import(Import),
    Inflate(Inflate),
    Export(Export),
    Show(Show),
}

/// Convert the checkpoint of a three-dimensional network to .safetensors.
///
/// Checks every array and lists missing and mismatched arrays with their expected and actual shapes. I3D
/// has no learned scale of batch normalisation here (PyTorch's bn.weight): the import multiplies the scale
/// into the kernels, which leaves the output of the network unchanged. Residual networks keep it.
#[derive(Args)]
struct Import {
    #[command(flatten)]
    source: Source,

    #[command(flatten)]
    destination: Destination,

    /// Import without the classifier (required if the checkpoint has none).
    #[arg(long)]
    without_head: bool,
}

/// Inflate a two-dimensional Inception-v1 to three dimensions and write it as .safetensors.
///
/// Repeats each kernel along the depth and divides it by its depth, so that a volume of identical slices
/// gives the same output as one slice in two dimensions (Carreira & Zisserman 2017). Drops the classifier:
/// train a new one with model.init_head = "new".
#[derive(Args)]
struct Inflate {
    #[command(flatten)]
    source: Source,

    #[command(flatten)]
    destination: Destination,
}

/// Write weights for PyTorch or Burn.
#[derive(Args)]
struct Export {
    #[command(flatten)]
    source: Source,

    /// Target format.
    #[arg(long, value_enum, value_name = "FORMAT")]
    to: ExportFormat,

    /// Output file.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    /// Input channels, all with the same image: 1 or 3. [default: as in the weights]
    #[arg(long, value_name = "COUNT", value_parser = one_or_three())]
    channels: Option<usize>,
}

/// Show the arrays of a file or a run (names, shapes, counts, norms) and the network they load into.
#[derive(Args)]
struct Show {
    #[command(flatten)]
    source: Source,

    /// List all arrays, not only kernels.
    #[arg(long)]
    arrays: bool,
}

#[derive(Args)]
struct Source {
    /// A checkpoint (model.ckpt-123, a .pt, .pth, .ckpt or .safetensors file), or the folder of a run.
    file: PathBuf,

    /// Prefix of the array names of the network to load, for files with several networks.
    #[arg(long)]
    prefix: Option<String>,
}

#[derive(Args)]
struct Destination {
    /// Output file (.safetensors).
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    /// Input channels, all with the same image: 1 or 3. [default: as in the checkpoint]
    #[arg(long, value_name = "COUNT", value_parser = one_or_three())]
    channels: Option<usize>,

    /// Spec with the [preprocess] settings of the training. They are stored in the metadata of the output,
    /// so that `lungs predict` needs no --spec.
    #[arg(long, value_name = "SPEC")]
    spec: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum ExportFormat {
    /// Safetensors with the array names of the common public PyTorch I3D.
    PytorchSafetensors,
    /// Burnpack file of this program's network.
    Burn,
}

fn one_or_three() -> impl TypedValueParser<Value = usize> {
    PossibleValuesParser::new(["1", "3"]).map(|text| if text == "1" { 1 } else { 3 })
}

impl Weights {
    pub(super) fn execute(&self, output: &Output) -> CommandResult {
        match &self.action {
            Action::Import(import) => import.execute(output),
            Action::Inflate(inflate) => inflate.execute(output),
            Action::Export(export) => export.execute(output),
            Action::Show(show) => show.execute(output),
        }
    }
}

impl Source {
    /// The file itself, or the weights of the selected epoch of a run.
    fn path(&self) -> Result<PathBuf, Failure> {
        weights_file(&self.file)
    }

    fn load(&self, head: Head) -> Result<LoadedNetwork, Failure> {
        Ok(weights::load(&self.path()?, self.prefix.as_deref(), head)?)
    }
}

/// The weights file for a path: the path itself, or the weights of the selected epoch of a run.
pub(super) fn weights_file(path: &Path) -> Result<PathBuf, Failure> {
    match RunFolder::find(path) {
        Ok(run) => {
            let weights = training::selected_weights(&run);
            Ok(weights.map_err(crate::pipeline::PipelineError::from)?)
        }
        Err(error @ (ResultsError::IsSweep { .. } | ResultsError::NoFinishedRun { .. })) => {
            Err(error.into())
        }
        Err(_) => Ok(path.to_owned()),
    }
}

impl Import {
    fn execute(&self, output: &Output) -> CommandResult {
        let head = if self.without_head { Head::New } else { Head::Load };
        let loaded = self.source.load(head)?;
        if loaded.layout.is_two_dimensional() {
            return Err(Failure::request(format!(
                "{} is a {}, expected a three-dimensional network. To inflate it:\n  lungs weights inflate {} -o {}",
                loaded.path.display(),
                loaded.layout,
                self.source.file.display(),
                self.destination.output.display()
            )));
        }
        if head == Head::Load && !loaded.has_head() {
            return Err(Failure::request(format!(
                "{} has no classifier: {} are missing. To import it without a classifier, add --without-head",
                loaded.path.display(),
                model::head_names().join(" and ")
            )));
        }
        self.destination.write(loaded, output)
    }
}

impl Inflate {
    fn execute(&self, output: &Output) -> CommandResult {
        let loaded = self.source.load(Head::New)?;
        if !loaded.layout.is_two_dimensional() {
            return Err(Failure::request(format!(
                "{} is already three-dimensional ({}). To import it:\n  lungs weights import {} -o {}",
                loaded.path.display(),
                loaded.layout,
                self.source.file.display(),
                self.destination.output.display()
            )));
        }
        self.destination.write(loaded, output)
    }
}

impl Destination {
    fn write(&self, loaded: LoadedNetwork, output: &Output) -> CommandResult {
        let loaded = match self.channels {
            Some(channels) => loaded.with_channels(channels),
            None => loaded,
        };
        let mut metadata = loaded.metadata.clone();
        let contract = match &self.spec {
            Some(spec) => Some(Contract::of(&load_preparation(spec, &[])?)),
            None => training::contract_of(&loaded).map_err(Failure::request)?,
        };
        metadata.extend(contract.iter().flat_map(Contract::to_metadata));
        metadata.insert("lungs.source".to_owned(), source_of(&loaded));
        let written = model::save_variables(&loaded.variables, &self.output, &metadata);
        written.map_err(Failure::work)?;
        output.say(heading(&loaded));
        for line in ignored_lines(&loaded) {
            output.say(line);
        }
        for entry in &loaded.unused_entries {
            output.detail(format!("  {}: {}", entry.name, entry.description));
        }
        output.answer(format!(
            "{}, {} values in {}",
            counted(loaded.variables.len(), "array", "arrays"),
            grouped(loaded.count()),
            self.output.display()
        ));
        if !loaded.has_head() {
            output.say("The file has no classifier: train one with model.init_head = \"new\".");
        }
        if !metadata.contains_key("lungs.preprocess") {
            output.say(
                "The file has no preprocessing metadata: pass --spec to this command or to `lungs predict`.",
            );
        }
        Ok(())
    }
}

/// File name, file type and layout of the source of the weights.
fn source_of(loaded: &LoadedNetwork) -> String {
    let name = loaded.path.file_name().unwrap_or_default().to_string_lossy();
    format!("{name} ({}, {})", loaded.kind, loaded.layout)
}

impl Export {
    fn execute(&self, output: &Output) -> CommandResult {
        let loaded = self.source.load(Head::Load)?;
        let loaded = match self.channels {
            Some(channels) => loaded.with_channels(channels),
            None => loaded,
        };
        let target = match self.to {
            ExportFormat::PytorchSafetensors => Target::PyTorchSafetensors,
            ExportFormat::Burn => Target::Burn,
        };
        weights::export(&loaded, target, &self.output)?;
        output.say(heading(&loaded));
        output.answer(format!("written: {}", self.output.display()));
        output.say("Loading instructions: docs/weights.md");
        Ok(())
    }
}

impl Show {
    fn execute(&self, output: &Output) -> CommandResult {
        let path = self.source.path()?;
        let loaded = match weights::load(&path, self.source.prefix.as_deref(), Head::Load) {
            Ok(loaded) => loaded,
            Err(error @ (LoadError::NoNetwork { .. } | LoadError::Mismatch { .. })) => {
                // List the arrays of the file next to the error.
                let (kind, archive) = weights::read_archive(&path)?;
                output.answer(format!(
                    "{}: {kind}, {}",
                    path.display(),
                    counted(archive.arrays.len(), "array", "arrays")
                ));
                output.answer(array_table(&archive.arrays, true));
                return Err(error.into());
            }
            Err(error) => return Err(error.into()),
        };
        output.answer(heading(&loaded));
        output.answer(array_table(&loaded.variables, self.arrays));
        output.answer("");
        for line in compatibility(&loaded) {
            output.answer(line);
        }
        Ok(())
    }
}

fn heading(loaded: &LoadedNetwork) -> String {
    let prefix = match loaded.prefix.as_str() {
        "" => String::new(),
        prefix => format!(", names under {prefix}"),
    };
    format!("{}: {}, {}{prefix}", loaded.path.display(), loaded.kind, loaded.layout)
}

fn ignored_lines(loaded: &LoadedNetwork) -> Vec<String> {
    let kinds = unused_by_kind(&loaded.unused_entries).into_iter();
    kinds.map(|(kind, count)| format!("ignored: {count} × {kind}")).collect()
}

/// The network that the weights load into, and the arrays that it does not use.
fn compatibility(loaded: &LoadedNetwork) -> Vec<String> {
    let config = loaded.config;
    let mut lines = vec![
        format!(
            "{} values in {}",
            grouped(loaded.count()),
            counted(loaded.variables.len(), "array", "arrays")
        ),
        format!(
            "loads into {}model.width = {}, model.channels = {}",
            match (config.architecture, config.pool) {
                (Architecture::I3d, _) => String::new(),
                (residual, Pool::Average) => format!("model.name = \"{residual}\", "),
                (residual, Pool::Sybil) => {
                    format!("model.name = \"{residual}\", model.pool = \"sybil\", ")
                }
            },
            config.width_multiplier,
            match config.in_channels {
                1 => "1 (or 3)".to_owned(),
                3 => "3, or 1 with the same output".to_owned(),
                other => format!("1, summed over its {other} input channels"),
            }
        ),
        format!("classifier: {}", head_compatibility(loaded)),
    ];
    lines.extend(ignored_lines(loaded));
    lines.push(match training::contract_of(loaded) {
        Ok(Some(contract)) => {
            let Preprocess { spacing_mm, compat, window, .. } = contract.preprocess;
            let [depth, height, width] = contract.preprocess.size;
            let values = match compat {
                Compat::Sybil => "the values of Sybil".to_owned(),
                _ => format!("{} to {} HU", window.lower_hu, window.upper_hu),
            };
            let spacing = match compat {
                Compat::Sybil => String::new(),
                _ => format!("{spacing_mm} mm, "),
            };
            format!(
                "prepared for: {spacing}{depth}×{height}×{width} voxels, {} slices as input, {values}",
                contract.model.slices,
            )
        }
        Ok(None) => "prepared for: unknown (to add it: lungs weights import --spec)".to_owned(),
        Err(error) => format!("prepared for: {error}"),
    });
    if let Some(source) = loaded.metadata.get("lungs.source") {
        lines.push(format!("from: {source}"));
    }
    lines
}

/// Names, shapes, counts, norms and ranges of all arrays, or of kernels only.
fn array_table(arrays: &[Variable], all: bool) -> String {
    let header = ["array", "shape", "values", "norm", "min", "max"].map(str::to_owned);
    let mut rows = vec![header.to_vec()];
    let shown = arrays.iter().filter(|array| all || array.shape.len() > 1);
    rows.extend(shown.map(|array| {
        let ArraySummary { name, shape, count, norm, range } = ArraySummary::of(array);
        let sides: Vec<String> = shape.iter().map(usize::to_string).collect();
        let [min, max] = range.map_or(["–", "–"].map(str::to_owned), |range| {
            range.map(|value| format!("{value:.4}"))
        });
        vec![name, sides.join("×"), grouped(count), format!("{norm:.4}"), min, max]
    }));
    columns(&rows)
}

/// `12,282,034`
fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).unwrap_or_default())
        .collect();
    groups.join(",")
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        Self::request(error)
    }
}

impl From<ExportError> for Failure {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::NoHead { .. } => Self::request(error),
            error => Self::work(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(1_000), "1,000");
        assert_eq!(grouped(12_282_034), "12,282,034");
    }
}
