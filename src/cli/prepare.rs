//! `lungs prepare`

use super::interrupt::Interrupt;
use super::output::{Output, columns};
use super::progress::Progress;
use super::run::use_threads;
use super::slurm::{After, Call, Submission};
use super::{Done, Failure};
use crate::cohort::{CohortRow, group_reasons, unlabelled_rows};
use crate::images::Image;
use crate::pipeline;
use crate::prepare::{self, Row, Shard, Status};
use crate::report::preparation::write_preparation;
use crate::results::write_csv;
use crate::spec::{Overrides, Spec, load, load_data};
use clap::Args;
use std::path::{Path, PathBuf};

/// Prepare CT series alone: resample, find the lungs, crop.
///
/// Given a spec, prepares what a run of it would use, into the spec's cache. Given a folder or a
/// file, prepares every CT image in it (DICOM series, NIfTI, MetaImage, prepared .npz) into
/// `--out`. Each prepared series is a `.npz` that NumPy reads (`data`, int16 Hounsfield units) with
/// a preview picture beside it. `report.html` beside them shows what was refused and why, how the
/// figures are spread, and every picture.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  lungs prepare experiments/baseline.toml\n  lungs prepare data/ct --out prepared\n  lungs prepare data/ct --out prepared --set preprocess.spacing_mm=2 --set 'preprocess.size=[160,160,160]'\n  lungs prepare experiments/baseline.toml --shard 3/20   a part of it, as a task of a job array"
)]
pub(super) struct Prepare {
    /// A spec (.toml), or a folder with CT images, or one such file.
    input: PathBuf,

    /// Output folder; required for a folder or an image, not for a spec.
    #[arg(long)]
    out: Option<PathBuf>,

    /// Override a key of the spec, as preprocess.spacing_mm=2. Can be given many times.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,

    /// Prepare one part of several, as 3/20, by the hash of the series' UIDs. All parts together are
    /// the whole; the same command without it then finds everything done, and writes tables and page.
    #[arg(long, value_name = "PART", conflicts_with = "slurm")]
    shard: Option<Shard>,

    #[command(flatten)]
    submission: Submission,
}

impl Prepare {
    pub fn execute(&self, output: &Output) -> Done {
        if self.submission.slurm {
            return self.submit(output);
        }
        let interrupt = Interrupt::listen();
        let progress = Progress::new(output.is_quiet(), &interrupt);
        let (rows, page) =
            if self.is_data() { self.folder(&progress, output)? } else { self.spec(&progress)? };
        let refused: Vec<&Row> = rows.iter().filter(|row| row.status == Status::Refused).collect();
        let reasons: Vec<(&str, String)> = refused
            .iter()
            .map(|row| (row.series_uid.as_str(), format!("{}: {}", row.code, row.reason)))
            .collect();
        tell_by_reason("refused", &reasons, output);
        output.detail(table(&rows));
        if self.shard.is_some() {
            output.say(format!("table         {}", page.display()));
            return Ok(());
        }
        output.say(format!("quality page  {}", page.display()));
        match refused.len() {
            refused if refused == rows.len() => {
                Err(Failure::work(format!("none of the {refused} series could be prepared")))
            }
            _ => Ok(()),
        }
    }

    /// A folder, or a file that is not a spec.
    fn is_data(&self) -> bool {
        let named_spec = self.input.extension().is_some_and(|extension| extension == "toml");
        self.input.is_dir() || self.input.is_file() && !named_spec
    }

    fn load_spec(&self) -> Result<Spec, Failure> {
        let mut set = self.set.clone();
        set.extend(self.out.iter().map(|out| format!("data.cache={}", out.display())));
        Ok(load(&self.input, &Overrides::from_process(&set))?)
    }

    fn spec(&self, progress: &Progress) -> Result<(Vec<Row>, PathBuf), Failure> {
        let spec = self.load_spec()?;
        use_threads(&spec);
        if let Some(shard) = self.shard {
            let rows = pipeline::prepare_shard(&spec, shard, progress)?;
            return keep_table_of(shard, rows, &pipeline::cache_folder(&spec));
        }
        pipeline::make_phantom(&spec, progress)?;
        let mut cohort = pipeline::gather(&spec, progress)?;
        let rows = pipeline::prepare_chosen(&spec, &mut cohort, progress)?;
        keep(rows, &cohort.rows, &pipeline::cache_folder(&spec), &spec.experiment.name)
    }

    /// Where images without a spec are prepared into.
    fn out_folder(&self) -> Result<&Path, Failure> {
        self.out.as_deref().ok_or_else(|| {
            Failure::request("images are prepared into another folder: give it with --out FOLDER")
        })
    }

    /// Gives the work to Slurm: every part a task of an array, then the tables and the page.
    fn submit(&self, output: &Output) -> Done {
        let (spec, cache) = if self.is_data() {
            let out = self.out_folder()?.to_owned();
            (spec_for_folder(&self.input, &self.set)?, out)
        } else {
            let spec = self.load_spec()?;
            let cache = pipeline::cache_folder(&spec);
            (spec, cache)
        };
        let mut command = vec!["prepare".to_owned(), self.input.display().to_string()];
        command.extend(self.out.iter().flat_map(|out| ["--out".into(), out.display().to_string()]));
        command.extend(self.set.iter().flat_map(|set| ["--set".into(), set.clone()]));
        let call = Call { spec: &spec, folder: &cache, submission: &self.submission };
        let parts = call.preparation(command.clone())?;
        let tables = call.job("tables", "Tables and page of the preparation.", command)?;
        call.submit(&[(parts, None), (tables, Some(After::Success))], output)
    }

    fn folder(&self, progress: &Progress, output: &Output) -> Result<(Vec<Row>, PathBuf), Failure> {
        let out = self.out_folder()?;
        if std::fs::canonicalize(out)
            .is_ok_and(|out| std::fs::canonicalize(&self.input).ok() == Some(out))
        {
            return Err(Failure::request(format!(
                "{} is the data itself: prepared series among it would be taken for images the next \
                 time; give another folder with --out",
                out.display()
            )));
        }
        let spec = spec_for_folder(&self.input, &self.set)?;
        use_threads(&spec);
        let index_lock = self.shard.and_then(|_| prepare::lock_task(out, "index"));
        let found = pipeline::images_of(&spec, std::slice::from_ref(&self.input), Some(out))?;
        drop(index_lock);
        if let Some(shard) = self.shard {
            let images = found.images.iter().filter(|image| shard.has(&image.series_uid));
            let images: Vec<&Image> = images.collect();
            let rows = pipeline::prepare_images(&spec, &images, out, progress)?;
            return keep_table_of(shard, rows, out);
        }
        let left_out: Vec<(&str, String)> =
            found.excluded.iter().map(|(path, reason)| (path.as_str(), reason.clone())).collect();
        tell_by_reason("left out", &left_out, output);
        pipeline::report_passed_over(&found.passed_over, progress);
        let images: Vec<&Image> = found.images.iter().collect();
        let rows = pipeline::prepare_images(&spec, &images, out, progress)?;
        let mut seen = unlabelled_rows(&found.images, &found.excluded, &found.passed_over);
        for (seen, row) in seen.iter_mut().zip(&rows) {
            if row.status == Status::Refused {
                seen.chosen = false;
                seen.reason = format!("{}: {}", row.code, row.reason);
            }
        }
        keep(rows, &seen, out, &self.input.display().to_string())
    }
}

/// Says what is not prepared: a line for each reason, and with `--verbose` one for each series or file.
fn tell_by_reason(heading: &str, left_out: &[(&str, String)], output: &Output) {
    for group in group_reasons(left_out.iter().map(|(_, reason)| reason.as_str())) {
        let of_group = |(_, reason): &&(&str, String)| {
            reason.split_once(": ") == Some((group.code.as_str(), group.sentence.as_str()))
        };
        let first = left_out.iter().find(of_group).map_or("", |(name, _)| name);
        match group.count {
            1 => output.say(format!("{heading:<12} {first}  {}: {}", group.code, group.sentence)),
            _ => output
                .say(format!("{heading:<12} {group}; the first is {first}, --verbose lists all")),
        }
    }
    for (name, reason) in left_out {
        output.detail(format!("  {heading}  {name}  {reason}"));
    }
}

/// Writes the table of one part, and names it. The page is that of the whole.
fn keep_table_of(
    shard: Shard,
    rows: Vec<Row>,
    folder: &Path,
) -> Result<(Vec<Row>, PathBuf), Failure> {
    let table = folder.join("shards").join(shard.table_name());
    write_csv(&table, &rows)?;
    Ok((rows, table))
}

/// Writes the tables and their page, and names the page.
fn keep(
    rows: Vec<Row>,
    seen: &[CohortRow],
    folder: &Path,
    name: &str,
) -> Result<(Vec<Row>, PathBuf), Failure> {
    write_csv(&folder.join("preparation.csv"), &rows)?;
    write_csv(&folder.join("cohort.csv"), seen)?;
    let page = folder.join("report.html");
    write_preparation(&page, name, &rows, seen, folder).map_err(Failure::work)?;
    Ok((rows, page))
}

/// Default preprocessing for series that no spec speaks of.
pub(super) fn spec_for_folder(folder: &Path, set: &[String]) -> Result<Spec, Failure> {
    Ok(load_data(folder, set)?)
}

fn table(rows: &[Row]) -> String {
    let told = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.0}"));
    let mut lines = vec![
        ["series", "slices", "left lung ml", "right lung ml", "flags", "file"]
            .map(str::to_owned)
            .to_vec(),
    ];
    lines.extend(rows.iter().map(|row| {
        vec![
            row.series_uid.clone(),
            row.slices.map_or("–".into(), |slices| slices.to_string()),
            told(row.lung_left_ml),
            told(row.lung_right_ml),
            row.flags.clone(),
            row.cache_file.clone(),
        ]
    }));
    columns(&lines)
}
