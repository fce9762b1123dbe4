//! `lungs prepare`

use super::interrupt::Interrupt;
use super::output::{Output, columns};
use super::progress::Progress;
use super::run::use_threads;
use super::slurm::{Dependency, Submission, Submitter};
use super::{CommandResult, Failure};
use crate::pipeline;
use clap::Args;
use lungs_image::codes::{Exclusion, joined_flags};
use lungs_image::images::Image;
use lungs_report::preparation::write_preparation;
use lungs_spec::results::write_csv;
use lungs_spec::spec::{Overrides, Spec, load, load_data};
use lungs_study::cohort::{CohortRow, group_reasons, unlabelled_rows};
use lungs_study::prepare::{self, Row, Shard, Status};
use lungs_train::Observer;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Prepare CT series without training: resample, segment the lungs, crop.
///
/// With a spec, prepares the series that a run would use and writes them to the cache of the spec. With a
/// folder or a file, prepares every CT image in it (DICOM series, NIfTI, MetaImage, prepared .npz) and
/// writes to `--out`. Each prepared series is a NumPy file `.npz` (array `data`, int16, Hounsfield units)
/// with a preview image. `report.html` in the same folder shows the excluded series with reasons, the
/// distributions of the measurements, and all previews.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  lungs prepare experiments/baseline.toml\n  lungs prepare data/ct --out prepared\n  lungs prepare data/ct --out prepared --set preprocess.spacing_mm=2 \\\n      --set 'preprocess.size=[160,160,160]'\n  lungs prepare experiments/baseline.toml --shard 3/20   one of 20 shards"
)]
pub(super) struct Prepare {
    /// A spec (.toml), or a folder or file with CT images.
    #[arg(value_name = "SPEC|PATH")]
    input: PathBuf,

    /// Output folder; required unless the input is a spec.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,

    /// Override a key of the spec, e.g. preprocess.spacing_mm=2. Repeatable.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,

    /// Prepare only one shard, e.g. 3/20 for the third of 20. Series are assigned to shards by the hash of
    /// their UID. After all shards, the same command without --shard writes the tables and the report.
    #[arg(long, value_name = "INDEX/COUNT", conflicts_with = "slurm")]
    shard: Option<Shard>,

    #[command(flatten)]
    submission: Submission,
}

impl Prepare {
    pub(super) fn execute(&self, output: &Output) -> CommandResult {
        if self.submission.slurm {
            return self.submit(output);
        }
        let interrupt = Interrupt::listen();
        let progress = Progress::new(output.is_quiet(), &interrupt);
        let (rows, page) = if self.is_data() {
            self.prepare_folder(&progress.observer(), output)?
        } else {
            self.prepare_spec(&progress.observer(), output)?
        };
        let excluded: Vec<&Row> = rows.iter().filter(|row| row.status == Status::Refused).collect();
        let reasons: Vec<(&str, Exclusion)> = excluded
            .iter()
            .filter_map(|row| Some((row.series_uid.as_str(), row.exclusion()?)))
            .collect();
        print_excluded(&reasons, output);
        output.detail(table(&rows));
        if self.shard.is_some() {
            output.say(format!("table         {}", page.display()));
            return Ok(());
        }
        output.say(format!("quality page  {}", page.display()));
        if excluded.len() == rows.len() {
            let mut counts = BTreeMap::<String, usize>::new();
            for (_, exclusion) in &reasons {
                *counts.entry(exclusion.code.to_string()).or_default() += 1;
            }
            let counts: Vec<String> =
                counts.iter().map(|(code, count)| format!("{code} ({count})")).collect();
            return Err(Failure::work(format!(
                "no series could be prepared, {} excluded: {}. Each has its reason in {}",
                rows.len(),
                counts.join(", "),
                page.display()
            )));
        }
        Ok(())
    }

    /// A folder, or a file that is not a spec.
    fn is_data(&self) -> bool {
        let is_spec = self.input.extension().is_some_and(|extension| extension == "toml");
        self.input.is_dir() || self.input.is_file() && !is_spec
    }

    fn load_spec(&self, output: &Output) -> Result<Spec, Failure> {
        if !self.input.exists() {
            return Err(Failure::request(format!(
                "{} does not exist; expected a spec (.toml), or a folder or file with CT images",
                self.input.display()
            )));
        }
        let mut set = self.set.clone();
        set.extend(self.out.iter().map(|out| format!("data.cache={}", out.display())));
        let spec = load(&self.input, &Overrides::from_process(&set))?;
        output.report_renamed_keys(&spec);
        Ok(spec)
    }

    fn prepare_spec(
        &self,
        observe: &Observer,
        output: &Output,
    ) -> Result<(Vec<Row>, PathBuf), Failure> {
        let spec = self.load_spec(output)?;
        use_threads(&spec);
        if let Some(shard) = self.shard {
            let rows = pipeline::prepare_shard(&spec, shard, observe)?;
            return write_shard_table(shard, rows, &pipeline::cache_folder(&spec));
        }
        pipeline::make_phantom(&spec, observe)?;
        let mut cohort = pipeline::gather(&spec, observe)?;
        let rows = pipeline::prepare_chosen(&spec, &mut cohort, observe)?;
        write_report(rows, &cohort.rows, &pipeline::cache_folder(&spec), &spec.experiment.name)
    }

    /// The output folder for images without a spec.
    fn out_folder(&self) -> Result<&Path, Failure> {
        self.out.as_deref().ok_or_else(|| {
            Failure::request("--out is required to prepare a folder or a file: add --out FOLDER")
        })
    }

    /// Submits the preparation to Slurm: an array with a task per shard, then a job for tables and report.
    fn submit(&self, output: &Output) -> CommandResult {
        let (spec, cache) = if self.is_data() {
            let out = self.out_folder()?.to_owned();
            (spec_for_folder(&self.input, &self.set)?, out)
        } else {
            let spec = self.load_spec(output)?;
            let cache = pipeline::cache_folder(&spec);
            (spec, cache)
        };
        let mut command = vec!["prepare".to_owned(), self.input.display().to_string()];
        command.extend(self.out.iter().flat_map(|out| ["--out".into(), out.display().to_string()]));
        command.extend(self.set.iter().flat_map(|set| ["--set".into(), set.clone()]));
        let submitter = Submitter { spec: &spec, folder: &cache, submission: &self.submission };
        let shards = submitter.preparation(command.clone())?;
        let tables = submitter.job("tables", "Tables and report of the preparation.", command)?;
        submitter.submit(&[(shards, None), (tables, Some(Dependency::Success))], output)
    }

    fn prepare_folder(
        &self,
        observe: &Observer,
        output: &Output,
    ) -> Result<(Vec<Row>, PathBuf), Failure> {
        let out = self.out_folder()?;
        if std::fs::canonicalize(out)
            .is_ok_and(|out| std::fs::canonicalize(&self.input).ok() == Some(out))
        {
            return Err(Failure::request(format!(
                "--out {}: found the input folder, expected another folder; prepared series there would be \
                 read as CT images in the next call",
                out.display()
            )));
        }
        let spec = spec_for_folder(&self.input, &self.set)?;
        use_threads(&spec);
        let index_lock = self.shard.and_then(|_| prepare::lock_task(out, "index"));
        let scan = pipeline::images_of(&spec, std::slice::from_ref(&self.input), Some(out))?;
        drop(index_lock);
        if let Some(shard) = self.shard {
            let images = scan.images.iter().filter(|image| shard.has(&image.series_uid));
            let images: Vec<&Image> = images.collect();
            let rows = pipeline::prepare_images(&spec, &images, out, observe)?;
            return write_shard_table(shard, rows, out);
        }
        let excluded: Vec<(&str, Exclusion)> =
            scan.excluded.iter().map(|(path, it)| (path.as_str(), it.clone())).collect();
        print_excluded(&excluded, output);
        pipeline::report_skipped_files(&scan.skipped_files, observe);
        let images: Vec<&Image> = scan.images.iter().collect();
        let rows = pipeline::prepare_images(&spec, &images, out, observe)?;
        let mut cohort = unlabelled_rows(&scan.images, &scan.excluded, &scan.skipped_files);
        for (cohort_row, row) in cohort.iter_mut().zip(&rows) {
            if let Some(exclusion) = row.exclusion() {
                cohort_row.exclude(exclusion);
            }
        }
        write_report(rows, &cohort, out, &self.input.display().to_string())
    }
}

/// Prints the excluded series and files: a line per reason, and with `--verbose` a line per series or file.
fn print_excluded(excluded: &[(&str, Exclusion)], output: &Output) {
    for group in group_reasons(excluded.iter().map(|(_, exclusion)| exclusion.clone())) {
        let is_first = |(_, exclusion): &&(&str, Exclusion)| *exclusion == group.first;
        let first = excluded.iter().find(is_first).map_or("", |(name, _)| name);
        match group.count {
            1 => output.say(format!("excluded     {first}  {}", group.first)),
            _ => output.say(format!("excluded     {group}; e.g. {first}; --verbose lists all")),
        }
    }
    for (name, exclusion) in excluded {
        output.detail(format!("  excluded  {name}  {exclusion}"));
    }
}

/// Writes the table of one shard, and returns its path. Only the complete preparation has a report.
fn write_shard_table(
    shard: Shard,
    rows: Vec<Row>,
    folder: &Path,
) -> Result<(Vec<Row>, PathBuf), Failure> {
    let table = folder.join("shards").join(shard.table_name());
    write_csv(&table, &rows)?;
    Ok((rows, table))
}

/// Writes the tables and the report, and returns the path of the report.
fn write_report(
    rows: Vec<Row>,
    cohort: &[CohortRow],
    folder: &Path,
    name: &str,
) -> Result<(Vec<Row>, PathBuf), Failure> {
    write_csv(&folder.join("preparation.csv"), &rows)?;
    write_csv(&folder.join("cohort.csv"), cohort)?;
    let page = folder.join("report.html");
    write_preparation(&page, name, &rows, cohort, folder).map_err(Failure::work)?;
    Ok((rows, page))
}

/// The spec with default preprocessing for a folder or a file.
pub(super) fn spec_for_folder(folder: &Path, set: &[String]) -> Result<Spec, Failure> {
    Ok(load_data(folder, set)?)
}

fn table(rows: &[Row]) -> String {
    let cell = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.0}"));
    let mut lines = vec![
        ["series", "slices", "left lung ml", "right lung ml", "flags", "file"]
            .map(str::to_owned)
            .to_vec(),
    ];
    lines.extend(rows.iter().map(|row| {
        vec![
            row.series_uid.clone(),
            row.slices.map_or("–".into(), |slices| slices.to_string()),
            cell(row.lung_left_ml),
            cell(row.lung_right_ml),
            joined_flags::join(&row.flags),
            row.cache_file.clone(),
        ]
    }));
    columns(&lines)
}
