//! `lungs cohort`

mod tables;

use super::output::{Output, bytes, columns};
use super::{CommandResult, Failure};
use crate::nlst::{
    self, FollowUp, LabelledOutcome, LaterCancers, Rules, Sample, SeriesChoice, SeveralExams,
};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use lungs_base::text::counted;
use lungs_image::images::Scanner;
use serde::de::DeserializeOwned;
use std::path::PathBuf;

/// Build the labels file of a public study from its clinical tables.
#[derive(Args)]
pub(super) struct Cohort {
    #[command(subcommand)]
    study: Study,
}

#[derive(Subcommand)]
enum Study {
    Nlst(Nlst),
}

impl Cohort {
    pub(super) fn execute(&self, output: &Output) -> CommandResult {
        match &self.study {
            Study::Nlst(nlst) => nlst.execute(output),
        }
    }
}

/// Build the labels of the National Lung Screening Trial (NLST).
///
/// Writes these files into the output folder and replaces existing ones: labels.csv with one row per exam,
/// for data.labels; labels.json with the rules, the counts and the hashes of all inputs; exclusions.csv with
/// every excluded exam and series and its reason; flow.svg with the counts as a flow diagram; and, with an
/// index, series.csv and manifest.txt with the series to fetch.
///
/// An exam is positive if lung cancer is diagnosed within the horizon: 0 <= candx_days − scr_days <
/// horizon, the days of the diagnosis and of the screening. Exams after the diagnosis are excluded.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  lungs cohort nlst --tables nlst --fetch-tables --out data/nlst\n  lungs cohort nlst --tables nlst --out sample --positives 10 --negatives 10\n  lungs cohort nlst --tables nlst --index my-index.csv --out data/nlst\n  lungs cohort nlst --tables nlst --data data/nlst --out data/nlst\n  lungs cohort nlst --tables nlst --outcome survival --out data/nlst-survival"
)]
struct Nlst {
    /// Folder with the table nlst_prsn and optionally nlst_canc, nlst_screen and nlst_ctab. Each is a .csv
    /// file, a .parquet file, or a folder of such files.
    #[arg(long, value_name = "FOLDER")]
    tables: PathBuf,

    /// First download missing tables and the index from the Imaging Data Commons into --tables (about 80 MB,
    /// no account needed).
    #[arg(long)]
    fetch_tables: bool,

    /// Release of the Imaging Data Commons to fetch the tables and the index from.
    #[arg(long, value_name = "RELEASE", requires = "fetch_tables", default_value = nlst::RELEASE)]
    idc_release: String,

    /// Fetch the tables from another S3 server: https://HOST or http://HOST:PORT.
    #[arg(long, value_name = "URL", requires = "fetch_tables")]
    endpoint: Option<String>,

    /// Index of series (.csv, .csv.gz, .parquet). Required columns: PatientID, StudyInstanceUID,
    /// SeriesInstanceUID. Optional columns: StudyDate, SeriesDescription, Modality, Manufacturer,
    /// collection_id, instanceCount, series_size_MB, crdc_series_uuid, series_aws_url. [default: idc_index
    /// (.parquet, .csv, .csv.gz, or fetched by --fetch-tables) in --tables]
    #[arg(long, value_name = "FILE", conflicts_with = "data")]
    index: Option<PathBuf>,

    /// Folder of CT images, searched recursively, instead of an index.
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,

    /// Output folder.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,

    /// Labels: whether cancer was diagnosed within --horizon-days, or, for outcome.name = "survival" of a spec, the
    /// days to the diagnosis and the days of follow-up (days_to_event, days_followed). The latter keep the exams whose
    /// status at one year is unknown; their label is empty.
    #[arg(long, value_name = "OUTCOME", default_value = "binary",
          value_parser = choice::<LabelledOutcome>(&["binary", "survival"]))]
    outcome: LabelledOutcome,

    /// Horizon: an exam is positive if lung cancer is diagnosed less than this many days after it.
    #[arg(long, value_name = "DAYS", default_value_t = 365,
          value_parser = clap::value_parser!(i64).range(1..))]
    horizon_days: i64,

    /// Exams of patients diagnosed after the horizon: label them negative, or exclude them.
    #[arg(long, value_name = "RULE", default_value = "negative",
          value_parser = choice::<LaterCancers>(&["negative", "exclude"]))]
    later_cancers: LaterCancers,

    /// Follow-up required to label an exam of a patient without lung cancer negative: canc_free_days of at
    /// least the horizon, a screening in a later study year, or none. With --outcome survival: the end of the
    /// follow-up, canc_free_days or the last screening.
    #[arg(long, value_name = "RULE", default_value = "canc-free-days",
          value_parser = choice::<FollowUp>(&["canc-free-days", "later-screen", "none"]))]
    follow_up: FollowUp,

    /// Several exams of a patient in one study year: keep all, or only the one with the most images.
    #[arg(long, value_name = "RULE", default_value = "keep",
          value_parser = choice::<SeveralExams>(&["keep", "most-images"]))]
    several_exams: SeveralExams,

    /// Exclude series with thicker slices according to their description; 0 disables the limit.
    #[arg(long, value_name = "MM", default_value_t = 0.0)]
    max_thickness_mm: f64,

    /// Number of positive exams to sample; with --outcome survival, of exams with cancer at any time. [default: all]
    #[arg(long, value_name = "COUNT", value_parser = at_least_one)]
    positives: Option<usize>,

    /// Number of negative exams to sample. [default: all]
    #[arg(long, value_name = "COUNT", value_parser = at_least_one)]
    negatives: Option<usize>,

    /// Random seed of --positives and --negatives.
    #[arg(long, default_value_t = 37)]
    seed: u64,

    /// Series to fetch of each exam: the one preferred by data.select, or all.
    #[arg(long, value_name = "CHOICE", default_value = "preferred",
          value_parser = choice::<SeriesChoice>(&["preferred", "all"]))]
    series: SeriesChoice,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|count| *count > 0)
        .ok_or_else(|| "expected a whole number of at least 1".to_owned())
}

/// A value parser for an enum whose serde names are `names`.
fn choice<T>(names: &'static [&'static str]) -> impl TypedValueParser<Value = T>
where
    T: DeserializeOwned + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(names)
        .try_map(|name| serde_json::from_value::<T>(serde_json::Value::String(name)))
}

impl Nlst {
    fn execute(&self, output: &Output) -> CommandResult {
        let rules = self.rules()?;
        if self.fetch_tables {
            let index = self.index.is_none() && self.data.is_none();
            tables::fetch_tables(
                index,
                &self.tables,
                &self.idc_release,
                self.endpoint.as_deref(),
                output,
            )?;
        }
        let tables = nlst::read_tables(&self.tables).map_err(Failure::request)?;
        let mut files = tables.files.clone();
        let inventory = match &self.data {
            Some(data) => {
                let scan = Scanner::default().scan(data).map_err(Failure::request)?;
                nlst::inventory_from_images(&scan)
            }
            None => {
                let index = self.index()?;
                let inventory = nlst::inventory_from_index(&index).map_err(Failure::request)?;
                files.insert("index", index);
                inventory
            }
        };
        let labelled = nlst::label(&tables, inventory, &rules);
        if labelled.rows.is_empty() {
            output.say(columns(&nlst::flow_table(&labelled.counts)));
            return Err(Failure::request(
                "no exam can be labelled; the counts above show what was excluded and why",
            ));
        }
        nlst::write(&self.out, &labelled, &rules, self.series, &files).map_err(Failure::work)?;
        output.answer(columns(&nlst::flow_table(&labelled.counts)));
        for note in self.notes(&tables, &labelled) {
            output.say(note);
        }
        for exclusion in &labelled.exclusions {
            let (patient, code, reason) =
                (&exclusion.patient_id, &exclusion.code, &exclusion.reason);
            let series_excluded = !exclusion.series_uid.is_empty();
            let uid = if series_excluded { &exclusion.series_uid } else { &exclusion.exam_id };
            output.detail(format!("excluded  {patient} {uid}  {code}: {reason}"));
        }
        output.say(format!("written to {}", self.out.display()));
        Ok(())
    }

    /// The index of `--index`, else the one in the folder of the tables.
    fn index(&self) -> Result<PathBuf, Failure> {
        let index = self.index.clone().or_else(|| nlst::find_index(&self.tables));
        index.ok_or_else(|| {
            Failure::request(format!(
                "no index of series: {} is missing in {}; fetch it with --fetch-tables, or give a table of \
                 series with --index or a folder of CT images with --data",
                nlst::INDEX_FOLDER,
                self.tables.display()
            ))
        })
    }

    fn rules(&self) -> Result<Rules, Failure> {
        let max_thickness_mm = self.max_thickness_mm;
        if !(max_thickness_mm >= 0.0 && max_thickness_mm.is_finite()) {
            return Err(Failure::request(format!(
                "--max-thickness-mm: found {max_thickness_mm}, expected a thickness in mm, or 0 (no limit)"
            )));
        }
        self.check_survival()?;
        let (positives, negatives) = (self.positives, self.negatives);
        Ok(Rules {
            outcome: self.outcome,
            horizon_days: self.horizon_days,
            later_cancers: self.later_cancers,
            follow_up: self.follow_up,
            several_exams: self.several_exams,
            max_thickness_mm,
            sample: Sample { positives, negatives, seed: self.seed },
        })
    }

    /// Options that contradict `--outcome survival`.
    fn check_survival(&self) -> Result<(), Failure> {
        if self.outcome == LabelledOutcome::Binary {
            return Ok(());
        }
        let error = |message: &str| Err(Failure::request(format!("--outcome survival: {message}")));
        if self.horizon_days != 365 {
            return error(
                "--horizon-days has no effect on times; set outcome.horizons_years in the spec instead",
            );
        }
        if self.later_cancers == LaterCancers::Exclude {
            return error(
                "--later-cancers exclude would exclude exams with a known time to cancer",
            );
        }
        if self.follow_up == FollowUp::None {
            return error(
                "--follow-up none has no end of follow-up; expected canc-free-days or later-screen",
            );
        }
        Ok(())
    }

    /// Notes on missing tables, contradictions, the sample and the next step.
    fn notes(&self, tables: &nlst::Tables, labelled: &nlst::LabelledCohort) -> Vec<String> {
        let counts = &labelled.counts;
        let mut notes = Vec::new();
        for name in ["canc", "screen", "ctab"] {
            if !tables.files.contains_key(name) {
                notes.push(format!("note: no table nlst_{name} in {}", self.tables.display()));
            }
        }
        for (count, text) in [
            (
                counts.years_disagree,
                "exams with different study years in date and description; using the date",
            ),
            (
                counts.years_not_in_screen_table,
                "labelled exams whose study year is missing in nlst_screen",
            ),
            (counts.rows_without_person, "rows of the clinical tables ignored: no pid"),
            (
                counts.diagnoses_disagree,
                "patients with different first diagnoses in nlst_canc and nlst_prsn; using nlst_prsn",
            ),
        ] {
            if count > 0 {
                notes.push(format!("note: {count} {text}"));
            }
        }
        for (requested, available, class) in [
            (self.positives, counts.kept_positive, "positive"),
            (self.negatives, counts.kept - counts.kept_positive, "negative"),
        ] {
            if let Some(requested) = requested.filter(|requested| *requested > available) {
                notes.push(format!(
                    "note: requested {}, only {available} available",
                    counted(requested, &format!("{class} exam"), &format!("{class} exams"))
                ));
            }
        }
        let series = match self.series {
            SeriesChoice::Preferred => &labelled.series,
            SeriesChoice::All => &labelled.all_series,
        };
        let megabytes: f64 = series.iter().map(|series| series.megabytes).sum();
        let size =
            if megabytes > 0.0 { format!(", {}", bytes(megabytes * 1e6)) } else { String::new() };
        let with_address = series.iter().filter(|series| !series.address.is_empty()).count();
        if with_address == 0 && self.data.is_none() {
            notes.push(
                "note: series.csv is not written: the index has no addresses of series (column \
                 series_aws_url or crdc_series_uuid)"
                    .to_owned(),
            );
        }
        if with_address > 0 {
            let out = self.out.display();
            notes.push(format!(
                "{} series to fetch{size}: `lungs fetch {out}/series.csv {out} --prepare SPEC` (without \
                 --prepare, the DICOM files are kept)",
                series.len()
            ));
        }
        notes
    }
}
