//! `lungs fetch`

mod show;
mod told;

use super::interrupt::Interrupt;
use super::output::{Output, bytes};
use super::progress::Progress;
use super::run::use_threads;
use super::{Done, Failure};
use crate::fetch::{
    self, After, Endpoint, Event, FetchError, Plan, Product, Settings, State, Survey,
};
use crate::pipeline::{Preparer, Stages};
use crate::results::write_csv;
use crate::spec::{Overrides, Spec, load};
use clap::Args;
pub(super) use show::Show;
use std::path::PathBuf;
use std::time::Duration;
use told::{count, failures, short_table, summary, table, troubles};

/// Fetch CT series from a public archive, anonymously.
///
/// Into FOLDER/<patient>/<series UID>/ where an index names patient and series, else into
/// FOLDER/<series>/. Files come in parallel, are continued where they stopped, tried again, and
/// checked by size and checksum; what is there already is not fetched again. `fetch.csv` in the
/// folder says what became of every series.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  lungs fetch manifest.s5cmd data/nlst --dry-run\n  lungs fetch manifest.s5cmd data/nlst\n  lungs fetch data/nlst/series.csv data/nlst --prepare experiments/nlst-full.toml\n  lungs fetch uids.txt data/nlst --index idc_index.parquet"
)]
pub(super) struct Fetch {
    /// What to fetch: an s5cmd manifest, a list of series UIDs, or a CSV with a column of them: the
    /// series.csv of `lungs cohort nlst`, a run's cohort.csv, your own.
    what: PathBuf,

    /// Folder for the files.
    folder: PathBuf,

    /// The archive's index table (.parquet, .csv, .csv.gz): where each series lies, and whose it is.
    #[arg(long, value_name = "FILE")]
    index: Option<PathBuf>,

    /// Say what would be fetched, how much it is, and whether the disk has room; fetch nothing. Of
    /// many series it lists the first; --verbose lists all.
    #[arg(long)]
    dry_run: bool,

    /// Files in flight at a time.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: u16,

    /// Megabits per second, all connections together; what each of them has in hand comes on top.
    #[arg(long, value_name = "MBPS", value_parser = positive)]
    limit_mbps: Option<f64>,

    /// How often a request is tried again, with longer and longer waits.
    #[arg(long, default_value_t = 8)]
    retries: u32,

    /// The wait before the first new try; it doubles each time, up to half a minute.
    #[arg(long, default_value = "0.5", value_name = "SECONDS", value_parser = positive)]
    first_wait: f64,

    /// Silence after which a connection counts as dead.
    #[arg(long, default_value = "30", value_name = "SECONDS", value_parser = positive)]
    timeout: f64,

    /// Another server that speaks S3, as https://HOST or http://HOST:PORT.
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,

    /// Google's mirror instead of Amazon.
    #[arg(long, conflicts_with = "endpoint")]
    google: bool,

    /// Compute the checksums of files that are there and compare them with the archive's; what differs
    /// is fetched again. Series of which only prepared volumes are kept are left as they are.
    #[arg(long, conflicts_with = "dry_run")]
    verify: bool,

    /// Prepare each series as this spec says, into its cache, and remove the files that came for it.
    /// Files that were there before, or were fetched without this option, stay.
    #[arg(long, value_name = "SPEC")]
    prepare: Option<PathBuf>,

    /// With --prepare: keep the series' files too.
    #[arg(long, requires = "prepare")]
    keep_raw: bool,

    /// With --prepare: override a key of the spec. Can be given many times.
    #[arg(long, value_name = "KEY=VALUE", requires = "prepare")]
    set: Vec<String>,
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value <= 1e6 => Ok(value),
        _ => Err("expected a number above 0".to_owned()),
    }
}

impl Fetch {
    pub fn execute(&self, output: &Output) -> Done {
        let settings = self.settings()?;
        let set = Overrides::from_process(&self.set);
        let spec = self.prepare.as_ref().map(|path| load(path, &set)).transpose()?;
        spec.iter().for_each(use_threads);
        let plan = self.plan(output)?;
        self.warn_elsewhere(spec.as_ref(), output);
        let interrupt = Interrupt::listen();
        interrupt.set_orderly("what is on its way");
        if self.dry_run {
            self.look(&plan, &settings, spec.as_ref(), &interrupt, output)
        } else {
            self.fetch(&plan, &settings, spec.as_ref(), &interrupt, output)
        }
    }

    /// A message about WHAT, with a better file where one lies beside it.
    fn hinted(&self, message: String) -> String {
        let better = self.what.with_file_name("series.csv");
        if better.is_file() && better != self.what {
            format!("{message}; {} in the same folder does", better.display())
        } else {
            message
        }
    }

    /// Warns where a run of the spec would not find what is prepared here.
    fn warn_elsewhere(&self, spec: Option<&Spec>, output: &Output) {
        let absolute = |path: &std::path::Path| std::path::absolute(path).unwrap_or_default();
        let Some(spec) = spec else { return };
        let (root, folder) = (&spec.data.root, &self.folder);
        if !absolute(folder).starts_with(absolute(root)) {
            output.say(format!(
                "note         data.root of the spec is {}: its runs do not look into {}",
                root.display(),
                folder.display()
            ));
        }
    }

    fn settings(&self) -> Result<Settings, Failure> {
        let endpoint = match &self.endpoint {
            Some(url) => Endpoint::parse(url)?,
            None if self.google => Endpoint::Google,
            None => Endpoint::Aws,
        };
        Ok(Settings {
            endpoint,
            jobs: usize::from(self.jobs),
            retries: self.retries,
            first_wait: Duration::from_secs_f64(self.first_wait),
            timeout: Duration::from_secs_f64(self.timeout),
            bytes_per_second: self.limit_mbps.map(|mbps| mbps * 1e6 / 8.0),
            verify: self.verify,
        })
    }

    fn plan(&self, output: &Output) -> Result<Plan, Failure> {
        let path = &self.what;
        let bytes = std::fs::read(path).map_err(|error| FetchError::Unreadable {
            path: path.clone(),
            message: error.to_string(),
        })?;
        let request = fetch::parse_request(&bytes).map_err(|message| FetchError::NotARequest {
            path: path.clone(),
            message: self.hinted(message),
        })?;
        let index =
            self.index.as_ref().map(|index| fetch::read_index(index, &request)).transpose()?;
        let plan = fetch::plan(&request, index.as_ref());
        let mut asked = format!("{} series", plan.series.len());
        for (count, what) in [
            (plan.repeated, "asked for twice"),
            (request.not_chosen, "not chosen"),
            (plan.refused.len(), "cannot be fetched"),
        ] {
            if count > 0 {
                asked += &format!(", {count} {what}");
            }
        }
        output.say(format!("asked for    {asked}"));
        Ok(plan)
    }

    fn look(
        &self,
        plan: &Plan,
        settings: &Settings,
        spec: Option<&Spec>,
        interrupt: &Interrupt,
        output: &Output,
    ) -> Done {
        let progress = Progress::new(output.is_quiet(), interrupt);
        let show = Show::new(&progress, plan.series.len(), output);
        progress.stage_begins("looking");
        let preparer = spec.map(|spec| Preparer::new(spec, &self.folder, self.keep_raw));
        let name = preparer.as_ref().map(Preparer::name);
        let stop = || interrupt.interrupter.should_stop();
        let tell = |event: &Event| show.tell(event);
        let survey = fetch::survey(plan, &self.folder, settings, name.as_deref(), &tell, &stop)?;
        progress.clear();
        if stop() {
            return Err(Failure::Stopped(interrupt.exit_code()));
        }
        output.answer(if output.is_verbose() {
            table(&survey.rows)
        } else {
            short_table(&survey.rows)
        });
        let there = count(&survey.rows, State::There);
        let left = count(&survey.rows, State::NotStarted);
        output.answer(format!(
            "to fetch     {left} series, {} files, {}; {there} series are there already",
            survey.files,
            bytes(survey.bytes as f64)
        ));
        output.answer(format!("disk         {}", self.room(&survey, left, spec)));
        output.answer("charge       none: requests are anonymous, there is nobody to bill");
        failures(&survey.rows, "cannot be fetched")
    }

    /// How much disk is needed, and whether it is there.
    fn room(&self, survey: &Survey, left: usize, spec: Option<&Spec>) -> String {
        let volumes = spec.map_or(0.0, |spec| {
            left as f64 * spec.preprocess.size.iter().product::<usize>() as f64 * 2.0
        });
        // Of what is not kept, as much as is in work at a time.
        let files = match spec.filter(|_| !self.keep_raw) {
            None => survey.bytes as f64,
            Some(_) => (survey.bytes as f64).min(4.0 * survey.largest as f64),
        };
        let needed = volumes + files;
        let mut told = format!("{} needed", bytes(needed));
        if spec.is_some() {
            told += &format!(
                " ({} of prepared volumes, {} of files{})",
                bytes(volumes),
                bytes(files),
                if self.keep_raw { "" } else { " at a time" }
            );
        }
        if let Some(free) = fetch::disk_free_bytes(&self.folder) {
            let enough = if (free as f64) < needed { "; not enough" } else { "" };
            told += &format!(", {} free{enough}", bytes(free as f64));
        }
        told
    }

    fn fetch(
        &self,
        plan: &Plan,
        settings: &Settings,
        spec: Option<&Spec>,
        interrupt: &Interrupt,
        output: &Output,
    ) -> Done {
        let progress = Progress::new(output.is_quiet(), interrupt);
        let show = Show::new(&progress, plan.series.len(), output);
        progress.stage_begins("fetch");
        let stop = || interrupt.interrupter.should_stop();
        let tell = |event: &Event| show.tell(event);
        let preparer = spec.map(|spec| Preparer::new(spec, &self.folder, self.keep_raw));
        let named = preparer.as_ref().map(|preparer| (preparer.name(), preparer));
        let prepare = |series: &fetch::Series, folder: &std::path::Path| match &named {
            Some((_, preparer)) => preparer.prepare(series, folder),
            None => Ok(Product { state: State::Fetched, reason: String::new(), files: Vec::new() }),
        };
        let after = named.as_ref().map(|(name, _)| After {
            prepared_by: name,
            keep_raw: self.keep_raw,
            prepare: &prepare,
        });
        let (rows, failure) = fetch::fetch_all(plan, &self.folder, settings, after, &tell, &stop)?;
        let file = self.folder.join("fetch.csv");
        write_csv(&file, &rows)?;
        progress.stage_ends("fetch", &summary(&rows, show.bytes(), show.checked()));
        let told = troubles(&rows);
        if !told.is_empty() {
            output.say(told);
        }
        output.detail(table(&rows));
        output.say(format!("table        {}", file.display()));
        match failure {
            Some(error) => Err(error.into()),
            None if stop() => {
                output.say("stopped; the same command continues");
                Err(Failure::Stopped(interrupt.exit_code()))
            }
            None => failures(&rows, "could not be fetched; the same command tries them again"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_above_zero() {
        assert_eq!(positive("2.5"), Ok(2.5));
        for bad in ["0", "-1", "NaN", "inf", "x"] {
            assert!(positive(bad).is_err(), "{bad}");
        }
    }
}
