//! `lungs fetch`

mod show;
mod summary;

use super::interrupt::Interrupt;
use super::output::{Output, bytes};
use super::progress::Progress;
use super::run::use_threads;
use super::{CommandResult, Failure};
use crate::pipeline::Preparer;
use clap::Args;
use lungs_archive::fetch::{
    self, Endpoint, Event, FetchError, FetchStatus, Plan, Preparation, Product, Settings, Survey,
};
use lungs_base::text::{counted, noun};
use lungs_spec::results::write_csv;
use lungs_spec::spec::{Overrides, Spec, load};
pub(super) use show::FetchProgress;
use std::path::PathBuf;
use std::time::Duration;
use summary::{check_failures, count, problem_list, short_table, summary, table};

/// Fetch CT series from a public archive without an account.
///
/// Writes to FOLDER/<patient>/<series UID>/ if the index or the list names patient and series, else to
/// FOLDER/<series>/. Transfers files in parallel, resumes interrupted files, retries failed requests, and
/// verifies sizes and checksums. Skips files that are complete. `fetch.csv` in the folder lists the result
/// of every series.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  lungs fetch manifest.s5cmd data/nlst --dry-run\n  lungs fetch manifest.s5cmd data/nlst\n  lungs fetch data/nlst/series.csv data/nlst \\\n      --prepare experiments/nlst-full.toml\n  lungs fetch uids.txt data/nlst --index idc_index.parquet"
)]
pub(super) struct Fetch {
    /// Series to fetch: an s5cmd manifest, a list of series UIDs, or a CSV with a column of series UIDs, such
    /// as series.csv of `lungs cohort nlst` or cohort.csv of a run.
    #[arg(value_name = "SERIES")]
    request: PathBuf,

    /// Output folder.
    folder: PathBuf,

    /// Index of the archive (.parquet, .csv, .csv.gz) with the address and the patient of each series.
    #[arg(long, value_name = "FILE")]
    index: Option<PathBuf>,

    /// Show the series to fetch, their size and the free disk space without fetching. Long lists are
    /// shortened; --verbose lists all series.
    #[arg(long)]
    dry_run: bool,

    /// Number of parallel transfers.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: u16,

    /// Limit of the total transfer rate, in megabits per second. Data that connections have already buffered
    /// is not counted.
    #[arg(long, value_name = "MBPS", value_parser = positive)]
    limit_mbps: Option<f64>,

    /// Number of retries of a failed request, with increasing waiting times.
    #[arg(long, value_name = "COUNT", default_value_t = 8)]
    retries: u32,

    /// Waiting time before the first retry. It doubles with each retry, up to 30 seconds.
    #[arg(long, default_value = "0.5", value_name = "SECONDS", value_parser = positive)]
    first_wait: f64,

    /// Time without data after which a connection is closed and retried.
    #[arg(long, default_value = "30", value_name = "SECONDS", value_parser = positive)]
    timeout: f64,

    /// Fetch from another S3 server: https://HOST or http://HOST:PORT.
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,

    /// Fetch from the mirror on Google Cloud instead of Amazon S3.
    #[arg(long, conflicts_with = "endpoint")]
    google: bool,

    /// Compare the checksums of existing files with those of the archive, and fetch files that differ again.
    /// Skips series of which only the prepared volume is kept.
    #[arg(long, conflicts_with = "dry_run")]
    verify: bool,

    /// Prepare each series with this spec, write it to the cache of the spec, and delete the files fetched for
    /// it. Files that existed before, or were fetched without this option, are kept.
    #[arg(long, value_name = "SPEC")]
    prepare: Option<PathBuf>,

    /// With --prepare: keep the fetched files.
    #[arg(long, requires = "prepare")]
    keep_raw: bool,

    /// With --prepare: override a key of the spec. Repeatable.
    #[arg(long, value_name = "KEY=VALUE", requires = "prepare")]
    set: Vec<String>,
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value <= 1e6 => Ok(value),
        _ => Err("expected a number above 0 and at most 1000000".to_owned()),
    }
}

impl Fetch {
    pub(super) fn execute(&self, output: &Output) -> CommandResult {
        let settings = self.settings()?;
        let set = Overrides::from_process(&self.set);
        let spec = self.prepare.as_ref().map(|path| load(path, &set)).transpose()?;
        spec.iter().for_each(|spec| output.report_renamed_keys(spec));
        spec.iter().for_each(use_threads);
        let plan = self.plan(output)?;
        self.warn_outside_root(spec.as_ref(), output);
        let interrupt = Interrupt::listen();
        interrupt.stop_gracefully_after("the files in transfer");
        if self.dry_run {
            self.show_plan(&plan, &settings, spec.as_ref(), &interrupt, output)
        } else {
            self.fetch(&plan, &settings, spec.as_ref(), &interrupt, output)
        }
    }

    /// Adds a hint to a message about the request if its folder contains a `series.csv`.
    fn with_hint(&self, message: String) -> String {
        let series = self.request.with_file_name("series.csv");
        if series.is_file() && series != self.request {
            format!("{message}; use {} in the same folder", series.display())
        } else {
            message
        }
    }

    /// Warns if runs of the spec would not find the fetched series.
    fn warn_outside_root(&self, spec: Option<&Spec>, output: &Output) {
        let absolute = |path: &std::path::Path| std::path::absolute(path).unwrap_or_default();
        let Some(spec) = spec else { return };
        let (root, folder) = (&spec.data.root, &self.folder);
        if !absolute(folder).starts_with(absolute(root)) {
            output.say(format!(
                "note         data.root of the spec is {}: its runs do not read {}",
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
        let path = &self.request;
        let bytes = std::fs::read(path).map_err(|error| FetchError::Unreadable {
            path: path.clone(),
            message: error.to_string(),
        })?;
        let request = fetch::parse_request(&bytes).map_err(|message| FetchError::NotARequest {
            path: path.clone(),
            message: self.with_hint(message),
        })?;
        let index =
            self.index.as_ref().map(|index| fetch::read_index(index, &request)).transpose()?;
        let plan = fetch::plan(&request, index.as_ref());
        let mut summary = format!("{} series", plan.series.len());
        for (count, status) in [
            (plan.repeated, noun(plan.repeated, "duplicate", "duplicates")),
            (request.not_chosen, "not chosen"),
            (plan.failures.len(), "cannot be fetched"),
        ] {
            if count > 0 {
                summary += &format!(", {count} {status}");
            }
        }
        output.say(format!("requested    {summary}"));
        Ok(plan)
    }

    fn show_plan(
        &self,
        plan: &Plan,
        settings: &Settings,
        spec: Option<&Spec>,
        interrupt: &Interrupt,
        output: &Output,
    ) -> CommandResult {
        let progress = Progress::new(output.is_quiet(), interrupt);
        let fetch_progress = FetchProgress::new(&progress, plan.series.len(), output);
        progress.stage_begins("listing");
        let preparer = spec.map(|spec| Preparer::new(spec, &self.folder, self.keep_raw));
        let name = preparer.as_ref().map(Preparer::name);
        let stop = || interrupt.interrupter.should_stop();
        let on_event = |event: &Event| fetch_progress.update(event);
        let survey =
            fetch::survey(plan, &self.folder, settings, name.as_deref(), &on_event, &stop)?;
        progress.clear();
        if stop() {
            return Err(Failure::Stopped(interrupt.exit_code()));
        }
        output.answer(if output.is_verbose() {
            table(&survey.rows)
        } else {
            short_table(&survey.rows)
        });
        let complete = count(&survey.rows, FetchStatus::Complete);
        let remaining = count(&survey.rows, FetchStatus::NotStarted);
        output.answer(format!(
            "to fetch     {remaining} series, {}, {}; {complete} series already complete",
            counted(survey.files, "file", "files"),
            bytes(survey.bytes as f64)
        ));
        output.answer(format!("disk         {}", self.disk_space(&survey, remaining, spec)));
        output.answer("charge       none: requests are anonymous");
        check_failures(&survey.rows, "cannot be fetched")
    }

    /// The disk space that is needed, and the free space of the output folder.
    fn disk_space(&self, survey: &Survey, remaining: usize, spec: Option<&Spec>) -> String {
        let volumes = spec.map_or(0.0, |spec| {
            remaining as f64 * spec.preprocess.size.iter().product::<usize>() as f64 * 2.0
        });
        // With --prepare and without --keep-raw, files of up to four series exist at a time.
        let files = match spec.filter(|_| !self.keep_raw) {
            None => survey.bytes as f64,
            Some(_) => (survey.bytes as f64).min(4.0 * survey.largest as f64),
        };
        let needed = volumes + files;
        let mut text = format!("{} needed", bytes(needed));
        if spec.is_some() {
            text += &format!(
                " ({} of prepared volumes, {} of files{})",
                bytes(volumes),
                bytes(files),
                if self.keep_raw { "" } else { " at a time" }
            );
        }
        if let Some(free) = fetch::disk_free_bytes(&self.folder) {
            let warning = if (free as f64) < needed { "; not enough" } else { "" };
            text += &format!(", {} free{warning}", bytes(free as f64));
        }
        text
    }

    fn fetch(
        &self,
        plan: &Plan,
        settings: &Settings,
        spec: Option<&Spec>,
        interrupt: &Interrupt,
        output: &Output,
    ) -> CommandResult {
        let progress = Progress::new(output.is_quiet(), interrupt);
        let fetch_progress = FetchProgress::new(&progress, plan.series.len(), output);
        progress.stage_begins("fetch");
        let stop = || interrupt.interrupter.should_stop();
        let on_event = |event: &Event| fetch_progress.update(event);
        let preparer = spec.map(|spec| Preparer::new(spec, &self.folder, self.keep_raw));
        let named_preparer = preparer.as_ref().map(|preparer| (preparer.name(), preparer));
        let prepare = |series: &fetch::Series, folder: &std::path::Path| match &named_preparer {
            Some((_, preparer)) => preparer.prepare(series, folder),
            None => Ok(Product {
                state: FetchStatus::Fetched,
                reason: String::new(),
                files: Vec::new(),
            }),
        };
        let after = named_preparer.as_ref().map(|(name, _)| Preparation {
            prepared_by: name,
            keep_raw: self.keep_raw,
            prepare: &prepare,
        });
        let (rows, failure) =
            fetch::fetch_all(plan, &self.folder, settings, after, &on_event, &stop)?;
        let file = self.folder.join("fetch.csv");
        write_csv(&file, &rows)?;
        progress
            .stage_ends("fetch", &summary(&rows, fetch_progress.bytes(), fetch_progress.checked()));
        let problems = problem_list(&rows);
        if !problems.is_empty() {
            output.say(problems);
        }
        output.detail(table(&rows));
        output.say(format!("table        {}", file.display()));
        match failure {
            Some(error) => Err(error.into()),
            None if stop() => {
                output.say("stopped; run the same command to resume");
                Err(Failure::Stopped(interrupt.exit_code()))
            }
            None => check_failures(&rows, "could not be fetched; run the same command to retry"),
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
