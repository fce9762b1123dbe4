//! `lungs new`

use super::output::{Output, bytes, columns};
use super::{CommandResult, Failure};
use crate::new_spec::{NewSpec, NewSpecError, Request};
use crate::pipeline::PipelineError;
use crate::slurm::shell;
use clap::Args;
use lungs_base::files::write_bytes;
use lungs_base::text::counted;
use std::path::{Path, PathBuf};

/// Write a spec for a folder of CT exams.
///
/// Searches the folder, reads the labels, measures the memory, and writes a spec with comments: series,
/// spacings and kernels, the columns of the labels, limits that keep nine tenths of the exams, and a batch
/// that the memory has room for. An existing file is not replaced.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  lungs new mine --data data/mine\n  lungs new mine --data /archive/ct --labels outcomes.csv\n  lungs new mine --data data/mine --out specs/mine.toml"
)]
pub(super) struct New {
    /// Name of the experiment.
    name: String,

    /// Folder that is searched at any depth for DICOM series, NIfTI and MetaImage, or one such file.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,

    /// CSV file of the labels. [default: `labels.csv` in the folder, or its only CSV file with labels]
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,

    /// The spec. [default: `experiments/<NAME>.toml`]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl New {
    pub(super) fn execute(&self, output: &Output) -> CommandResult {
        let default = || Path::new("experiments").join(format!("{}.toml", self.name));
        let path = self.out.clone().unwrap_or_else(default);
        if path.exists() {
            let path = path.display();
            return Err(Failure::request(format!(
                "{path} exists and is not replaced; choose another name or another file with --out, or remove it"
            )));
        }
        let request = Request {
            name: self.name.clone(),
            data: self.data.clone(),
            labels: self.labels.clone(),
        };
        let new = NewSpec::of(request)?;
        write_bytes(&path, new.text(schema_of(&path).as_deref()).as_bytes())
            .map_err(Failure::work)?;
        output.say(summary(&new));
        output.say(format!("\n{}", next_steps(&new, &path)));
        Ok(())
    }
}

impl From<NewSpecError> for Failure {
    fn from(error: NewSpecError) -> Self {
        PipelineError::from(error).into()
    }
}

/// The schema of a spec, as a path from the folder of the spec, if it is there.
fn schema_of(spec: &Path) -> Option<PathBuf> {
    let folder = spec.parent().unwrap_or(Path::new(""));
    // The folder may not exist yet, so `..` is resolved by its name.
    let above = folder.parent().unwrap_or(Path::new(".."));
    let places = [
        (folder.join("spec.schema.json"), "spec.schema.json"),
        (above.join("docs/spec.schema.json"), "../docs/spec.schema.json"),
    ];
    let (_, schema) = places.into_iter().find(|(file, _)| file.is_file())?;
    Some(PathBuf::from(schema))
}

/// What the folder has, and what the spec says about it.
fn summary(new: &NewSpec) -> String {
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let images = &new.images;
    let mut rows = vec![
        row(
            "series",
            format!(
                "{} in {} of {}",
                images.series(),
                counted(images.exams.len(), "exam", "exams"),
                counted(images.patients, "patient", "patients")
            ),
        ),
        row("slice spacing", new.spacings()),
        row("kernels", new.kernels()),
    ];
    if images.damaged_files > 0 {
        rows.push(row("damaged", counted(images.damaged_files, "file", "files")));
    }
    let labels = new.labels_path();
    rows.push(match &new.labels {
        Some(table) => row("labels", format!("{}: {}", labels.display(), table.summary())),
        None => row("labels", format!("{} does not exist yet", labels.display())),
    });
    if let Some(chosen) = new.chosen {
        rows.push(row(
            "chosen",
            format!(
                "{} of {}, {} positive",
                counted(chosen.exams, "exam", "exams"),
                counted(chosen.patients, "patient", "patients"),
                chosen.positive
            ),
        ));
    }
    let resources = &new.resources;
    let free = resources.free_bytes.map(|free| format!(" of {} free", bytes(free)));
    rows.push(row("device", resources.device.clone()));
    rows.push(row(
        "memory",
        format!(
            "about {}{} for a training step of {}{}",
            bytes(resources.step_bytes),
            free.unwrap_or_default(),
            counted(resources.batch.batch_size, "exam", "exams"),
            if resources.batch.gradient_checkpointing {
                ", with gradient checkpointing"
            } else {
                ""
            }
        ),
    ));
    columns(&rows)
}

/// The file, and the command to type next.
fn next_steps(new: &NewSpec, path: &Path) -> String {
    let check = format!("lungs check {}", shell(&path.display().to_string()));
    let spec = path.display();
    match new.labels {
        Some(_) => format!("Wrote {spec}. Next:\n  {check}"),
        None => format!(
            "Wrote {spec}. Next, write {}: a CSV with the columns `label` (1 for cancer, 0 for none)\nand \
             `patient_id`, `exam_id`, `series_uid` or `path` (docs/data.md). Then:\n  {check}",
            new.labels_path().display()
        ),
    }
}
