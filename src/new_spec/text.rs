//! The text of a new spec.

use super::{NewSpec, years};
use crate::program;
use lungs_base::text::counted;
use lungs_study::cohort::Sharpness;
use std::fmt::Write;
use std::path::Path;

/// Largest number of spacings or kernels in a comment.
const MAX_LISTED: usize = 6;
/// Patients below which the spec recommends a cross-validation.
const FEW_PATIENTS: usize = 200;
/// Columns that usually define subgroups.
const GROUPS: [&str; 5] = ["sex", "race", "smoking", "scanner", "site"];

/// The text of a new spec; `schema` is the path of its JSON Schema from the folder of the spec, if it exists.
pub(super) fn text(new: &NewSpec, schema: Option<&Path>) -> String {
    let mut text = String::new();
    if let Some(schema) = schema {
        let _ = writeln!(text, "#:schema {}", schema.display());
    }
    text += &heading(new);
    let _ = write!(text, "\n[experiment]\nname = {}\nseed = 37\n", quoted(&new.request.name));
    text += &data(new);
    text += "\n[preprocess]\n\
             spacing_mm = 1.5                  # isotropic\n\
             size = [224, 224, 224]            # depth, height, width, centred on the lungs\n";
    text += &split(new);
    text += &outcome(new);
    text += "\n[model]\n\
             name = \"i3d\"                      # \"r3d-18\", \"i3resnet-152\"\n\
             slices = 220                      # the central ones of the 224\n\
             init = \"random\"                   # or weights: docs/weights.md\n";
    text += &train(new);
    text += &evaluate(new);
    let device = &new.resources.device;
    let _ = write!(text, "\n[runtime]\ndevice = \"auto\"                   # here: {device}\n");
    text
}

/// What is in the folder, and the next commands.
fn heading(new: &NewSpec) -> String {
    let images = &new.images;
    let kinds = images.kinds.iter().map(|(kind, count)| format!("{count} {kind}"));
    let mut text = format!(
        "# {} on {}, by `lungs new` {}. docs/spec.md describes every key; keys that are not\n\
         # set have their defaults. Paths start at the working directory.\n#\n",
        new.request.name,
        in_one_line(&new.request.data.display().to_string()),
        program::PROGRAM.version
    );
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "#   {name:<14}{value}");
    };
    line("series", format!("{} ({})", images.series(), kinds.collect::<Vec<_>>().join(", ")));
    line(
        "exams",
        format!(
            "{} of {}",
            counted(images.exams.len(), "exam", "exams"),
            counted(images.patients, "patient", "patients")
        ),
    );
    line("slice spacing", spacings(new));
    line("kernels", kernels(new));
    if images.without_volume > 0 {
        let series = counted(images.without_volume, "series", "series");
        line("no volume", format!("{series}, such as scout views; `lungs check` has the reasons"));
    }
    if images.kinds.contains_key("prepared") {
        line(
            "prepared",
            "[preprocess] must be that of the spec that prepared these volumes".to_owned(),
        );
    }
    if images.damaged_files > 0 {
        line("damaged", counted(images.damaged_files, "file", "files"));
    }
    text
}

/// `1 mm (12 series), 2.5 mm (3)`
pub(super) fn spacings(new: &NewSpec) -> String {
    let mut spacings: Vec<(u64, usize)> =
        new.images.spacings.iter().map(|(tenths, count)| (*tenths, *count)).collect();
    spacings.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let items = spacings
        .iter()
        .map(|(tenths, count)| format!("{} mm ({count})", *tenths as f64 / 10.0))
        .collect();
    listed(items)
}

/// `soft: STANDARD (12); sharp: LUNG (12); unknown: none (2)`
pub(super) fn kernels(new: &NewSpec) -> String {
    let groups =
        [("soft", Some(Sharpness::Soft)), ("sharp", Some(Sharpness::Sharp)), ("unknown", None)];
    let groups = groups.into_iter().filter_map(|(name, sharpness)| {
        let kernels = new.images.kernels.iter().filter(|kernel| kernel.sharpness == sharpness);
        let items: Vec<String> = kernels
            .map(|kernel| {
                let name = if kernel.name.is_empty() { "not in the header" } else { &kernel.name };
                format!("{name} ({})", kernel.series)
            })
            .collect();
        (!items.is_empty()).then(|| format!("{name}: {}", listed(items)))
    });
    groups.collect::<Vec<_>>().join("; ")
}

fn listed(mut items: Vec<String>) -> String {
    let rest = items.len().saturating_sub(MAX_LISTED);
    items.truncate(MAX_LISTED);
    if rest > 0 {
        items.push(format!("and {rest} more"));
    }
    in_one_line(&items.join(", "))
}

/// Text of a header, of a table or of a path, as part of a comment.
fn in_one_line(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

fn data(new: &NewSpec) -> String {
    let path = |path: &Path| quoted(&path.display().to_string());
    let mut text = format!("\n[data]\nroot   = {}\n", path(&new.request.data));
    match &new.labels {
        Some(labels) => {
            let _ = writeln!(text, "labels = {}", path(&new.labels_path()));
            let _ = writeln!(text, "# {}", labels.summary());
            if !labels.other_columns.is_empty() {
                let columns = listed(labels.other_columns.clone());
                let _ = writeln!(text, "# other columns: {columns}");
            }
        }
        None => {
            let _ = writeln!(
                text,
                "# This file does not exist yet: a CSV with the columns `label` (1 for cancer, 0 for none) and\n\
                 # `patient_id`, `exam_id` (StudyInstanceUID), `series_uid` or `path`: docs/data.md\n\
                 labels = {}",
                path(&new.labels_path())
            );
        }
    }
    let limits = &new.limits;
    let exams = new.images.exams.len();
    let _ = write!(
        text,
        "\n[data.select]                     # one series per exam; cohort.csv has the reason of each exclusion\n\
         max_slice_spacing_mm = {:<10?} # {} of {} a series within these limits\n\
         min_slices = {}\n\
         prefer = [\"soft-kernel\", \"most-slices\"]\n",
        limits.max_slice_spacing_mm,
        limits.exams,
        if exams == 1 { "1 exam has".to_owned() } else { format!("{exams} exams have") },
        limits.min_slices
    );
    text
}

fn split(new: &NewSpec) -> String {
    let mut text = "\n[split]                           # no patient is in two splits\n\
                    train = 0.7\n\
                    valid = 0.3                       # selects the epoch\n\
                    test = 0.0                        # set to 0.2, and train to 0.5, to keep patients for a final test\n"
        .to_owned();
    if new.images.patients < FEW_PATIENTS {
        text += "# folds = 5                       # few patients: a cross-validation tests each of them once\n";
    }
    text
}

fn outcome(new: &NewSpec) -> String {
    let horizons = new.labels.as_ref().and_then(|labels| labels.horizons_years);
    let Some(horizons) = horizons else { return String::new() };
    format!(
        "\n[outcome]                         # the labels have follow-up: docs/survival.md\n\
         name = \"survival\"\n\
         horizons_years = {:?}\n",
        years(horizons)
    )
}

fn train(new: &NewSpec) -> String {
    let resources = &new.resources;
    let gigabytes = |bytes: f64| format!("{:.1} GB", bytes / 1e9);
    let free = resources.free_bytes.map(|free| format!("; {} are free", gigabytes(free)));
    let batch = &resources.batch;
    format!(
        "\n[train]\n\
         learning_rate = 5e-5\n\
         batch_size = {:<20} # a step takes about {}{}\n\
         accumulate = {:<20} # batches of a step\n\
         gradient_checkpointing = {:<8} # true: less memory, 1.6 times the time\n\
         epochs = 37\n\
         early_stopping = {{ patience = 10 }}\n\
         # augment = {{ flip_width = true, shift_voxels = 4 }}\n",
        batch.batch_size,
        gigabytes(resources.step_bytes),
        free.unwrap_or_default(),
        batch.accumulate,
        batch.gradient_checkpointing,
    )
}

/// Subgroups by a column of the labels, as a comment.
fn evaluate(new: &NewSpec) -> String {
    let columns = new.labels.iter().flat_map(|labels| &labels.other_columns);
    let groups: Vec<String> =
        columns.filter(|name| GROUPS.contains(&name.as_str())).map(|name| quoted(name)).collect();
    if groups.is_empty() {
        return String::new();
    }
    format!(
        "\n# [evaluate]                      # metrics by group\n# subgroups = [{}]\n",
        groups.join(", ")
    )
}

/// Text in the syntax of TOML.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
