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
    after_help = "Examples:\n  lungs fetch manifest.s5cmd data/nlst --dry-run\n  lungs fetch manifest.s5cmd data/nlst\n  lungs fetch data/labels.csv data/nlst --index idc_index.parquet\n  lungs fetch data/labels.csv data/nlst --index idc_index.parquet --prepare experiments/nlst.toml"
)]
pub(super) struct Fetch {
    /// What to fetch: an s5cmd manifest, a list of series UIDs, a labels file, or a cohort.csv.
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

    /// Megabits per second at most, all connections together.
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

    /// Look again at what is complete, and compute the checksums of files that are there.
    #[arg(long)]
    verify: bool,

    /// Prepare each series as this spec says, into its cache, and remove the series' files then.
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
        let plan = self.plan(output)?;
        let set = Overrides::from_process(&self.set);
        let spec = self.prepare.as_ref().map(|path| load(path, &set)).transpose()?;
        spec.iter().for_each(use_threads);
        let interrupt = Interrupt::listen();
        // The first signal ends the work in order, as in training.
        interrupt.set_training(true);
        if self.dry_run {
            self.look(&plan, &settings, spec.as_ref(), &interrupt, output)
        } else {
            self.fetch(&plan, &settings, spec.as_ref(), &interrupt, output)
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
        let request = fetch::parse_request(&bytes)
            .map_err(|message| FetchError::NotARequest { path: path.clone(), message })?;
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
        output.answer(match output.is_verbose() {
            true => table(&survey.rows),
            false => short_table(&survey.rows),
        });
        let there = count(&survey.rows, State::There);
        let left =
            plan.series.len() - there - count(&survey.rows, State::Failed) + plan.refused.len();
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
        let needed = match spec.filter(|_| !self.keep_raw) {
            None => survey.bytes as f64,
            Some(spec) => {
                let volume = spec.preprocess.size.iter().product::<usize>() as f64 * 2.0;
                left as f64 * volume + 4.0 * survey.largest as f64
            }
        };
        match fetch::disk_free_bytes(&self.folder) {
            None => format!("{} needed", bytes(needed)),
            Some(free) => {
                let enough = if (free as f64) < needed { "; not enough" } else { "" };
                format!("{} needed, {} free{enough}", bytes(needed), bytes(free as f64))
            }
        }
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
        progress.stage_ends("fetch", &summary(&rows, show.bytes()));
        let told = troubles(&rows);
        if !told.is_empty() {
            output.say(told);
        }
        output.detail(table(&rows));
        output.say(format!("table        {}", file.display()));
        match failure {
            Some(error) => Err(error.into()),
            None if stop() => Err(Failure::Stopped(interrupt.exit_code())),
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
