//! `lungs weights`

use super::output::{Output, columns};
use super::{Done, Failure};
use crate::model::{self, Variable};
use crate::results::{ResultsError, RunFolder};
use crate::spec::{Contract, load_preparation};
use crate::training;
use crate::weights::{
    self, ArraySummary, ExportError, Head, LoadError, LoadedNetwork, Target, head_compatibility,
    unused_by_kind,
};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand, ValueEnum};
use std::path::{Path, PathBuf};

/// Weights from elsewhere and for elsewhere: import, inflate, export, show.
///
/// Reads TensorFlow checkpoints (`lungs` 0.1.5, kinetics-i3d, TF-slim), PyTorch .pt and .pth files
/// and safetensors. Nothing in them is executed.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  lungs weights show model.ckpt-1234\n  lungs weights import model.ckpt-1234 -o weights/lungs-0.1.5.safetensors --spec experiments/original.toml\n  lungs weights inflate inception_v1.ckpt -o weights/imagenet.safetensors\n  lungs weights export results/demo --to pytorch-safetensors -o demo-pytorch.safetensors"
)]
pub(super) struct Weights {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Import(Import),
    Inflate(Inflate),
    Export(Export),
    Show(Show),
}

/// Make a .safetensors file of a three-dimensional network's checkpoint.
///
/// Every array is checked; what is missing or wrong is listed with what was expected and found. A
/// learned scale of batch normalisation (PyTorch's bn.weight), which this network does not have, is
/// folded into the kernels: the network stays the same function.
#[derive(Args)]
struct Import {
    #[command(flatten)]
    source: Source,

    #[command(flatten)]
    target: Safetensors,

    /// The checkpoint has no classifier, or it is to be left out.
    #[arg(long)]
    without_head: bool,
}

/// Make a .safetensors file of a two-dimensional Inception-v1, inflated to three dimensions.
///
/// Each kernel is repeated along the depth and divided by its side, so that a volume of equal slices
/// gives what a slice gave (Carreira & Zisserman 2017). The classifier is left out: train a new one,
/// with model.init_head = "new".
#[derive(Args)]
struct Inflate {
    #[command(flatten)]
    source: Source,

    #[command(flatten)]
    target: Safetensors,
}

/// Write weights for other programs.
#[derive(Args)]
struct Export {
    #[command(flatten)]
    source: Source,

    /// Target format.
    #[arg(long, value_enum)]
    to: Reader,

    /// The file to write.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    /// Input channels that see the same image: 1 or 3; default: as they are.
    #[arg(long, value_parser = one_or_three())]
    channels: Option<usize>,
}

/// Show what a file or a run holds: names, shapes, counts, norms; what it would load into, and what
/// would stay random.
#[derive(Args)]
struct Show {
    #[command(flatten)]
    source: Source,

    /// List every array, not only kernels.
    #[arg(long)]
    arrays: bool,
}

#[derive(Args)]
struct Source {
    /// A checkpoint (model.ckpt-123, a .pt, .pth or .safetensors file), or the folder of a run.
    file: PathBuf,

    /// What stands before the names of the network that is meant, where a file holds several.
    #[arg(long)]
    prefix: Option<String>,
}

#[derive(Args)]
struct Safetensors {
    /// The .safetensors file to write.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    /// Input channels that see the same image: 1 or 3; default: as in the checkpoint.
    #[arg(long, value_parser = one_or_three())]
    channels: Option<usize>,

    /// Spec whose [preprocess] the weights were trained with; they then carry it, and `predict`
    /// needs nothing else.
    #[arg(long, value_name = "SPEC")]
    spec: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Reader {
    /// PyTorch: the names of the common public I3D.
    PytorchSafetensors,
    /// Burn: a burnpack file of this program's network.
    Burn,
}

fn one_or_three() -> impl TypedValueParser<Value = usize> {
    PossibleValuesParser::new(["1", "3"]).map(|text| if text == "1" { 1 } else { 3 })
}

impl Weights {
    pub fn execute(&self, output: &Output) -> Done {
        match &self.verb {
            Verb::Import(import) => import.execute(output),
            Verb::Inflate(inflate) => inflate.execute(output),
            Verb::Export(export) => export.execute(output),
            Verb::Show(show) => show.execute(output),
        }
    }
}

impl Source {
    /// The file itself, or the weights of a run's selected epoch.
    fn path(&self) -> Result<PathBuf, Failure> {
        weights_file(&self.file)
    }

    fn load(&self, head: Head) -> Result<LoadedNetwork, Failure> {
        Ok(weights::load(&self.path()?, self.prefix.as_deref(), head)?)
    }
}

/// The weights file that a path stands for: itself, or that of a run's selected epoch.
pub(super) fn weights_file(path: &Path) -> Result<PathBuf, Failure> {
    match RunFolder::find(path) {
        Ok(run) => {
            let weights = training::selected_weights(&run);
            Ok(weights.map_err(crate::pipeline::PipelineError::from)?)
        }
        Err(error @ ResultsError::IsSweep { .. }) => Err(error.into()),
        Err(_) => Ok(path.to_owned()),
    }
}

impl Import {
    fn execute(&self, output: &Output) -> Done {
        let head = if self.without_head { Head::Drop } else { Head::Keep };
        let loaded = self.source.load(head)?;
        if loaded.layout.is_two_dimensional() {
            return Err(Failure::request(format!(
                "{} is a {}; to make a three-dimensional network of it:\n  lungs weights inflate {} -o {}",
                loaded.path.display(),
                loaded.layout,
                self.source.file.display(),
                self.target.output.display()
            )));
        }
        if head == Head::Keep && !loaded.has_head() {
            return Err(Failure::request(format!(
                "{} has no classifier: {} are missing; to import it all the same, give --without-head",
                loaded.path.display(),
                model::head_names().join(" and ")
            )));
        }
        self.target.write(loaded, output)
    }
}

impl Inflate {
    fn execute(&self, output: &Output) -> Done {
        let loaded = self.source.load(Head::Drop)?;
        if !loaded.layout.is_two_dimensional() {
            return Err(Failure::request(format!(
                "{} is three-dimensional already ({}); to take it as it is:\n  lungs weights import {} -o {}",
                loaded.path.display(),
                loaded.layout,
                self.source.file.display(),
                self.target.output.display()
            )));
        }
        self.target.write(loaded, output)
    }
}

impl Safetensors {
    fn write(&self, loaded: LoadedNetwork, output: &Output) -> Done {
        let loaded = match self.channels {
            Some(channels) => loaded.with_channels(channels),
            None => loaded,
        };
        let mut metadata = loaded.metadata.clone();
        if let Some(spec) = &self.spec {
            metadata.extend(Contract::of(&load_preparation(spec, &[])?).to_metadata());
        }
        metadata.insert("lungs.source".to_owned(), source_of(&loaded));
        let written = model::save_variables(&loaded.variables, &self.output, &metadata);
        written.map_err(Failure::work)?;
        output.say(heading(&loaded));
        for line in left_out_lines(&loaded) {
            output.say(line);
        }
        for entry in &loaded.unused_entries {
            output.detail(format!("  {}: {}", entry.name, entry.description));
        }
        output.answer(format!(
            "{} arrays, {} numbers in {}",
            loaded.variables.len(),
            grouped(loaded.count()),
            self.output.display()
        ));
        if !loaded.has_head() {
            output.say("It has no classifier: train one, with model.init_head = \"new\".");
        }
        if !metadata.contains_key("lungs.preprocess") {
            output.say(
                "It does not say how series were prepared for it: give --spec here, or to `lungs predict`.",
            );
        }
        Ok(())
    }
}

/// The name of the file that weights come from, and what it is.
fn source_of(loaded: &LoadedNetwork) -> String {
    let name = loaded.path.file_name().unwrap_or_default().to_string_lossy();
    format!("{name} ({}, {})", loaded.kind, loaded.layout)
}

impl Export {
    fn execute(&self, output: &Output) -> Done {
        let loaded = self.source.load(Head::Keep)?;
        let loaded = match self.channels {
            Some(channels) => loaded.with_channels(channels),
            None => loaded,
        };
        let target = match self.to {
            Reader::PytorchSafetensors => Target::PyTorchSafetensors,
            Reader::Burn => Target::Burn,
        };
        weights::export(&loaded, target, &self.output)?;
        output.say(heading(&loaded));
        output.answer(format!("written: {}", self.output.display()));
        output.say("How to load it: docs/weights.md");
        Ok(())
    }
}

impl Show {
    fn execute(&self, output: &Output) -> Done {
        let path = self.source.path()?;
        let loaded = match weights::load(&path, self.source.prefix.as_deref(), Head::Keep) {
            Ok(loaded) => loaded,
            Err(error @ (LoadError::NoNetwork { .. } | LoadError::Mismatch { .. })) => {
                // What is there is what the user needs to see.
                let (kind, archive) = weights::read_archive(&path)?;
                output.answer(format!(
                    "{}: {kind}, {} arrays",
                    path.display(),
                    archive.arrays.len()
                ));
                output.answer(array_table(&archive.arrays, true));
                return Err(error.into());
            }
            Err(error) => return Err(error.into()),
        };
        output.answer(heading(&loaded));
        output.answer(array_table(&loaded.variables, self.arrays));
        output.answer("");
        for line in verdict(&loaded) {
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

fn left_out_lines(loaded: &LoadedNetwork) -> Vec<String> {
    let kinds = unused_by_kind(&loaded.unused_entries).into_iter();
    kinds.map(|(what, count)| format!("left out: {count} × {what}")).collect()
}

/// What the weights would load into, and what not.
fn verdict(loaded: &LoadedNetwork) -> Vec<String> {
    let config = loaded.config;
    let mut lines = vec![
        format!("{} numbers in {} arrays", grouped(loaded.count()), loaded.variables.len()),
        format!(
            "loads into model.width = {}, model.channels = {}",
            config.width_multiplier,
            match config.in_channels {
                1 => "1 (or 3)".to_owned(),
                3 => "3, or 1 with the same output".to_owned(),
                other => format!("1, summed over its {other} inputs"),
            }
        ),
        format!("classifier: {}", head_compatibility(loaded)),
    ];
    lines.extend(left_out_lines(loaded));
    lines.push(match Contract::from_metadata(&loaded.metadata) {
        Ok(Some(contract)) => {
            let window = contract.preprocess.window;
            let [depth, height, width] = contract.preprocess.size;
            format!(
                "prepared for: {} mm, {depth}×{height}×{width} voxels, {} slices seen, {} to {} HU",
                contract.preprocess.spacing_mm,
                contract.model.slices,
                window.lower_hu,
                window.upper_hu
            )
        }
        Ok(None) => "prepared for: not said (to say it: lungs weights import --spec)".to_owned(),
        Err(error) => format!("prepared for: {error}"),
    });
    if let Some(source) = loaded.metadata.get("lungs.source") {
        lines.push(format!("from: {source}"));
    }
    lines
}

/// Names, shapes, counts, norms and ranges; of kernels alone unless `all`.
fn array_table(arrays: &[Variable], all: bool) -> String {
    let header = ["array", "shape", "numbers", "norm", "least", "greatest"].map(str::to_owned);
    let mut rows = vec![header.to_vec()];
    let shown = arrays.iter().filter(|array| all || array.shape.len() > 1);
    rows.extend(shown.map(|array| {
        let ArraySummary { name, shape, count, norm, range } = ArraySummary::of(array);
        let sides: Vec<String> = shape.iter().map(usize::to_string).collect();
        let [least, greatest] = range.map_or(["–", "–"].map(str::to_owned), |range| {
            range.map(|value| format!("{value:.4}"))
        });
        vec![name, sides.join("×"), grouped(count), format!("{norm:.4}"), least, greatest]
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
