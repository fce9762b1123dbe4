//! The trial's tables and index, from the archive.

use super::super::fetch::Show;
use super::super::interrupt::Interrupt;
use super::super::output::{Output, bytes};
use super::super::progress::Progress;
use super::super::{Done, Failure};
use crate::fetch::{self, Endpoint, Event, Plan, Series, Settings, State, parse_place};
use crate::files::{make_folder, remove, write_bytes};
use crate::nlst::{Host, Source, find_index, find_table, sources};
use crate::pipeline::Stages;
use std::path::{Path, PathBuf};

/// Fetches what is missing of a release's tables, and of its index if that is wanted, into a folder,
/// each into a folder of its own name. A table that is there as another file is not missing.
pub(super) fn fetch_tables(
    with_index: bool,
    folder: &Path,
    release: &str,
    endpoint: Option<&str>,
    output: &Output,
) -> Done {
    let sources =
        sources(release).map_err(|told| Failure::request(format!("--idc-release: {told}")))?;
    keep_to_one_release(folder, release)?;
    let sources: Vec<Source> = sources
        .into_iter()
        .filter(|source| {
            let own = folder.join(source.name);
            let there = match source.name.strip_prefix("nlst_") {
                Some(table) => find_table(folder, table).ok().flatten(),
                None if with_index => find_index(folder),
                None => return false,
            };
            there.is_none_or(|path| path == own)
        })
        .collect();
    let interrupt = Interrupt::listen();
    interrupt.set_orderly("what is on its way");
    let stop = || interrupt.interrupter.should_stop();
    let progress = Progress::new(output.is_quiet(), &interrupt);
    let show = Show::new(&progress, sources.len(), output);
    let tell = |event: &Event| show.tell(event);
    progress.stage_begins("tables");
    let mut there = 0;
    for (host, usual) in [(Host::Aws, Endpoint::Aws), (Host::Google, Endpoint::Google)] {
        let endpoint = endpoint.map(Endpoint::parse).transpose()?.unwrap_or(usual);
        let of_host = sources.iter().filter(|source| source.host == host);
        let series = of_host.map(|source| {
            let place = parse_place(&source.place).map_err(Failure::request)?;
            let (name, folder) = (source.name.to_owned(), PathBuf::from(source.name));
            Ok(Series { name, patient: String::new(), place, folder })
        });
        let series = series.collect::<Result<Vec<Series>, Failure>>()?;
        let plan = Plan { series, ..Plan::default() };
        let settings = Settings { endpoint, ..Settings::default() };
        let (rows, failure) = fetch::fetch_all(&plan, folder, &settings, None, &tell, &stop)?;
        if let Some(error) = failure {
            return Err(error.into());
        }
        if stop() {
            output.say("stopped; the same command continues");
            return Err(Failure::Stopped(interrupt.exit_code()));
        }
        if let Some(row) = rows.iter().find(|row| row.state == State::Failed) {
            if show.bytes() == 0 && there == 0 {
                // Nothing of this release is here.
                remove(&folder.join(RELEASE_NOTE)).map_err(Failure::work)?;
            }
            return Err(Failure::work(format!(
                "{} of release {release} could not be fetched from {}: {}. The same command tries \
                 again; --idc-release names another release",
                row.series, row.place, row.reason
            )));
        }
        there += rows.iter().filter(|row| row.state == State::There).count();
    }
    let message = if there == sources.len() {
        format!("release {release} of the archive, there already")
    } else {
        format!("release {release} of the archive, {} came", bytes(show.bytes() as f64))
    };
    progress.stage_ends("tables", &message);
    Ok(())
}

/// Says which release the tables of a folder are of.
const RELEASE_NOTE: &str = ".release";

/// Notes the release that a folder is of, or refuses it for another one: pieces of two releases would
/// make one table.
fn keep_to_one_release(folder: &Path, release: &str) -> Done {
    let note = folder.join(RELEASE_NOTE);
    match std::fs::read_to_string(&note) {
        Ok(known) if known.trim() == release => Ok(()),
        Ok(known) => Err(Failure::request(format!(
            "{} holds release {} of the archive's tables; give another folder for release {release}",
            folder.display(),
            known.trim()
        ))),
        Err(_) => {
            make_folder(folder).map_err(Failure::work)?;
            write_bytes(&note, format!("{release}\n").as_bytes()).map_err(Failure::work)
        }
    }
}
