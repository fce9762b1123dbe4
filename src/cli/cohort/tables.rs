//! Download of the trial's tables and the index from the archive.

use super::super::fetch::FetchProgress;
use super::super::interrupt::Interrupt;
use super::super::output::{Output, bytes};
use super::super::progress::Progress;
use super::super::{CommandResult, Failure};
use crate::nlst::{Host, Source, find_index, find_table, sources};
use lungs_archive::fetch::{
    self, Endpoint, Event, FetchStatus, Plan, Series, Settings, parse_address,
};
use lungs_base::files::{make_folder, remove, write_bytes};
use std::path::{Path, PathBuf};

/// Fetches the missing tables of a release, and its index if requested, each into a subfolder with its name.
/// A table that exists as another file is not fetched.
pub(super) fn fetch_tables(
    with_index: bool,
    folder: &Path,
    release: &str,
    endpoint: Option<&str>,
    output: &Output,
) -> CommandResult {
    let sources =
        sources(release).map_err(|error| Failure::request(format!("--idc-release: {error}")))?;
    keep_to_one_release(folder, release)?;
    let sources: Vec<Source> =
        sources.into_iter().filter(|source| is_requested(source, folder, with_index)).collect();
    let interrupt = Interrupt::listen();
    interrupt.stop_gracefully_after("the files in transfer");
    let stop = || interrupt.interrupter.should_stop();
    let progress = Progress::new(output.is_quiet(), &interrupt);
    let fetch_progress = FetchProgress::new(&progress, sources.len(), output);
    let on_event = |event: &Event| fetch_progress.update(event);
    progress.stage_begins("tables");
    let mut complete = 0;
    for (host, default_endpoint) in [(Host::Aws, Endpoint::Aws), (Host::Google, Endpoint::Google)] {
        let endpoint = endpoint.map(Endpoint::parse).transpose()?.unwrap_or(default_endpoint);
        let plan = plan_of_host(&sources, host)?;
        let settings = Settings { endpoint, ..Settings::default() };
        let (rows, failure) = fetch::fetch_all(&plan, folder, &settings, None, &on_event, &stop)?;
        if let Some(error) = failure {
            return Err(error.into());
        }
        if stop() {
            output.say("stopped; run the same command to resume");
            return Err(Failure::Stopped(interrupt.exit_code()));
        }
        if let Some(row) = rows.iter().find(|row| row.state == FetchStatus::Failed) {
            if fetch_progress.bytes() == 0 && complete == 0 {
                // The folder contains nothing of this release.
                remove(&folder.join(RELEASE_NOTE)).map_err(Failure::work)?;
            }
            return Err(Failure::work(format!(
                "cannot fetch {} of release {release} from {}: {}. Run the same command to retry, or choose \
                 another release with --idc-release",
                row.series, row.address, row.reason
            )));
        }
        complete += rows.iter().filter(|row| row.state == FetchStatus::Complete).count();
    }
    let message = if complete == sources.len() {
        format!("release {release} of the archive, already present")
    } else {
        format!(
            "release {release} of the archive, {} transferred",
            bytes(fetch_progress.bytes() as f64)
        )
    };
    progress.stage_ends("tables", &message);
    Ok(())
}

/// Whether the source belongs to the request and does not exist as another file.
fn is_requested(source: &Source, folder: &Path, with_index: bool) -> bool {
    let target = folder.join(source.name);
    let existing = match source.name.strip_prefix("nlst_") {
        Some(table) => find_table(folder, table).ok().flatten(),
        None if with_index => find_index(folder),
        None => return false,
    };
    existing.is_none_or(|path| path == target)
}

/// The downloads from one host.
fn plan_of_host(sources: &[Source], host: Host) -> Result<Plan, Failure> {
    let of_host = sources.iter().filter(|source| source.host == host);
    let series = of_host.map(|source| {
        let address = parse_address(&source.url).map_err(Failure::request)?;
        let (name, folder) = (source.name.to_owned(), PathBuf::from(source.name));
        Ok(Series { name, patient_id: String::new(), address, folder })
    });
    let series = series.collect::<Result<Vec<Series>, Failure>>()?;
    Ok(Plan { series, ..Plan::default() })
}

/// File with the release of the tables in a folder.
const RELEASE_NOTE: &str = ".release";

/// Writes the release of the tables into a folder, or fails if the folder has another release: files of two
/// releases would be read as one table.
fn keep_to_one_release(folder: &Path, release: &str) -> CommandResult {
    let note = folder.join(RELEASE_NOTE);
    match std::fs::read_to_string(&note) {
        Ok(recorded) if recorded.trim() == release => Ok(()),
        Ok(recorded) => Err(Failure::request(format!(
            "{} contains tables of release {}, expected release {release}; give another folder with --tables",
            folder.display(),
            recorded.trim()
        ))),
        Err(_) => {
            make_folder(folder).map_err(Failure::work)?;
            write_bytes(&note, format!("{release}\n").as_bytes()).map_err(Failure::work)
        }
    }
}
