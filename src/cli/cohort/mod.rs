//! `lungs cohort`

mod tables;

use super::output::{Output, bytes, columns};
use super::{Done, Failure};
use crate::images::Scanner;
use crate::nlst::{self, FollowUp, LaterCancers, Rules, Sample, SeveralExams, Wanted};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use serde::de::DeserializeOwned;
use std::path::PathBuf;

/// Build the labels file of a known study from its clinical tables.
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
    pub fn execute(&self, output: &Output) -> Done {
        match &self.study {
            Study::Nlst(nlst) => nlst.execute(output),
        }
    }
}

/// The National Lung Screening Trial.
///
/// Writes into OUT: labels.csv, one row an exam, as data.labels takes it; labels.json, the rules,
/// the counts and hashes of everything read; exclusions.csv, every exam and series left out with
/// its reason; flow.svg, the counts as a diagram; and, with an index, series.csv and manifest.txt, the
/// series to fetch. What is there of these is replaced.
///
/// A screening is positive when lung cancer is diagnosed within the horizon: 0 <= candx_days −
/// scr_days < horizon. Exams after a diagnosis are left out.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  lungs cohort nlst --tables nlst --fetch-tables --out data/nlst\n  lungs cohort nlst --tables nlst --out taste --positives 10 --negatives 10\n  lungs cohort nlst --tables nlst --index my-index.csv --out data/nlst\n  lungs cohort nlst --tables nlst --data data/nlst --out data/nlst"
)]
struct Nlst {
    /// Folder with the tables nlst_prsn and, where they are at hand, nlst_canc, nlst_screen and
    /// nlst_ctab: each a .csv, a .parquet, or a folder of such pieces.
    #[arg(long, value_name = "DIR")]
    tables: PathBuf,

    /// Fetch the tables and the index from the Imaging Data Commons into that folder first, as far
    /// as they are not there: about 80 MB, anonymously.
    #[arg(long)]
    fetch_tables: bool,

    /// Which release of the archive's index and tables to fetch.
    #[arg(long, value_name = "RELEASE", requires = "fetch_tables", default_value = nlst::RELEASE)]
    idc_release: String,

    /// Another server that speaks S3 and has these tables, as https://HOST or http://HOST:PORT.
    #[arg(long, value_name = "URL", requires = "fetch_tables")]
    endpoint: Option<String>,

    /// Index of series (.csv, .csv.gz, .parquet) with PatientID, StudyInstanceUID,
    /// SeriesInstanceUID, and as much of StudyDate, SeriesDescription, Modality, Manufacturer,
    /// collection_id, instanceCount, series_size_MB, crdc_series_uuid, series_aws_url as there is.
    /// Without it, idc_index (.parquet, .csv, .csv.gz, or what --fetch-tables has fetched) in the
    /// folder of the tables.
    #[arg(long, value_name = "FILE", conflicts_with = "data")]
    index: Option<PathBuf>,

    /// Instead of an index: a folder that is walked for the exams themselves.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// Folder to write.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// A screening is positive when lung cancer is diagnosed within fewer days than this.
    #[arg(long, value_name = "DAYS", default_value_t = 365,
          value_parser = clap::value_parser!(i64).range(1..))]
    horizon_days: i64,

    /// Screenings of persons who are diagnosed after the horizon.
    #[arg(long, value_name = "RULE", default_value = "negative",
          value_parser = choice::<LaterCancers>(&["negative", "exclude"]))]
    later_cancers: LaterCancers,

    /// What a screening of a person without lung cancer needs to be negative: to be known to be
    /// free of it for the horizon, a screening in a later study year, or nothing.
    #[arg(long, value_name = "RULE", default_value = "canc-free-days",
          value_parser = choice::<FollowUp>(&["canc-free-days", "later-screen", "none"]))]
    follow_up: FollowUp,

    /// Several exams of a person in one study year: keep all, or the one with most images.
    #[arg(long, value_name = "RULE", default_value = "keep",
          value_parser = choice::<SeveralExams>(&["keep", "most-images"]))]
    several_exams: SeveralExams,

    /// Leave out series that are thicker than this by their description; 0 is off.
    #[arg(long, value_name = "MM", default_value_t = 0.0)]
    max_thickness_mm: f64,

    /// Draw so many positive exams instead of taking all.
    #[arg(long, value_name = "COUNT", value_parser = at_least_one)]
    positives: Option<usize>,

    /// Draw so many negative exams instead of taking all.
    #[arg(long, value_name = "COUNT", value_parser = at_least_one)]
    negatives: Option<usize>,

    /// Seed of these draws.
    #[arg(long, default_value_t = 37)]
    seed: u64,

    /// Series of each exam to fetch: the one that data.select prefers, or all.
    #[arg(long, value_name = "WHICH", default_value = "preferred",
          value_parser = choice::<Wanted>(&["preferred", "all"]))]
    series: Wanted,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|count| *count > 0).ok_or_else(|| "expected 1 or more".to_owned())
}

/// A parser of the names of a choice.
fn choice<T>(names: &'static [&'static str]) -> impl TypedValueParser<Value = T>
where
    T: DeserializeOwned + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(names)
        .try_map(|name| serde_json::from_value::<T>(serde_json::Value::String(name)))
}

impl Nlst {
    fn execute(&self, output: &Output) -> Done {
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
                let found = Scanner::default().scan(data).map_err(Failure::request)?;
                nlst::of_images(&found)
            }
            None => {
                let index = self.index()?;
                let inventory = nlst::of_index(&index).map_err(Failure::request)?;
                files.insert("index", index);
                inventory
            }
        };
        let labelled = nlst::label(&tables, inventory, &rules);
        if labelled.rows.is_empty() {
            output.say(columns(&nlst::flow_table(&labelled.counts)));
            return Err(Failure::request(
                "no exam can be labelled; the numbers above say what was left out and why",
            ));
        }
        nlst::write(&self.out, &labelled, &rules, self.series, &files).map_err(Failure::work)?;
        output.answer(columns(&nlst::flow_table(&labelled.counts)));
        for told in self.notes(&tables, &labelled) {
            output.say(told);
        }
        for one in &labelled.exclusions {
            let what = if one.series.is_empty() { &one.exam } else { &one.series };
            output
                .detail(format!("left out  {} {what}  {}: {}", one.patient, one.code, one.reason));
        }
        output.say(format!("written to {}", self.out.display()));
        Ok(())
    }

    /// The index that is named, else the one beside the tables.
    fn index(&self) -> Result<PathBuf, Failure> {
        let index = self.index.clone().or_else(|| nlst::find_index(&self.tables));
        index.ok_or_else(|| {
            Failure::request(format!(
                "no index of series: there is no {} in {}; give --fetch-tables to fetch it, --index \
                 with a table of series, or --data with a folder of exams",
                nlst::INDEX_FOLDER,
                self.tables.display()
            ))
        })
    }

    fn rules(&self) -> Result<Rules, Failure> {
        let most = self.max_thickness_mm;
        if !(most >= 0.0 && most.is_finite()) {
            return Err(Failure::request(format!(
                "--max-thickness-mm: found {most}, expected millimetres, or 0 (off)"
            )));
        }
        let (positives, negatives) = (self.positives, self.negatives);
        Ok(Rules {
            horizon_days: self.horizon_days,
            later_cancers: self.later_cancers,
            follow_up: self.follow_up,
            several_exams: self.several_exams,
            max_thickness_mm: most,
            sample: Sample { positives, negatives, seed: self.seed },
        })
    }

    /// What a reader of the flow should know besides.
    fn notes(&self, tables: &nlst::Tables, labelled: &nlst::Labelled) -> Vec<String> {
        let counts = &labelled.counts;
        let mut notes = Vec::new();
        for name in ["canc", "screen", "ctab"] {
            if !tables.files.contains_key(name) {
                notes.push(format!("note: no table nlst_{name} in {}", self.tables.display()));
            }
        }
        for (count, told) in [
            (
                counts.years_disagree,
                "exams whose date and description name different study years; the date counts",
            ),
            (
                counts.years_not_in_screen_table,
                "labelled exams of study years that nlst_screen does not have",
            ),
            (counts.rows_without_person, "rows of the clinical tables without a pid, passed over"),
            (
                counts.diagnoses_disagree,
                "persons with another first diagnosis in nlst_canc than in nlst_prsn, which counts",
            ),
        ] {
            if count > 0 {
                notes.push(format!("note: {count} {told}"));
            }
        }
        for (requested, available, class) in [
            (self.positives, counts.kept_positive, "positive"),
            (self.negatives, counts.kept - counts.kept_positive, "negative"),
        ] {
            if let Some(requested) = requested.filter(|requested| *requested > available) {
                notes.push(format!(
                    "note: requested {requested} {class} exams, only {available} available"
                ));
            }
        }
        let series = match self.series {
            Wanted::Preferred => &labelled.series,
            Wanted::All => &labelled.all_series,
        };
        let megabytes: f64 = series.iter().map(|one| one.megabytes).sum();
        let size =
            if megabytes > 0.0 { format!(", {}", bytes(megabytes * 1e6)) } else { String::new() };
        let placed = series.iter().filter(|one| !one.address.is_empty()).count();
        if placed == 0 && self.data.is_none() {
            notes.push(
                "note: the index does not say where series are (series_aws_url or crdc_series_uuid), \
                 so that there is no series.csv to fetch by"
                    .to_owned(),
            );
        }
        if placed > 0 {
            let out = self.out.display();
            notes.push(format!(
                "{} series to fetch{size}: lungs fetch {out}/series.csv {out} --prepare SPEC, or without \
                 --prepare to keep the files",
                series.len()
            ));
        }
        notes
    }
}
