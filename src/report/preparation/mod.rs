//! The quality control page of a preparation: which series are bad, within seconds.
//!
//! ```text
//!   cohort.csv ──────┐                        summary, refusals and what is left out, by reason
//!   preparation.csv ─┼─► Preparation ─► HTML  how spacing, slices, volumes and HU are spread
//!   <cache>/*.png ───┘                        contact sheet: one picture a series, flagged first
//! ```
//!
//! The page is a function of the two tables and of which pictures are there: the same tables give
//! the same bytes. Pictures stay where they are and are linked by relative path.

mod contents;
mod figures;
mod glossary;
mod naming;
mod refusals;
mod sheet;
#[cfg(test)]
mod tests;

use super::ReportError;
use super::page::folder_link;
use super::run_page::Namer;
use crate::cohort::CohortRow;
use crate::files::write_bytes;
use crate::prepare::{Row, Status};
use crate::results::{ResultsError, RunFolder, Table, read_csv};
use naming::without_names;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

pub use contents::preparation_page;
pub use glossary::{Weight, Words, flags, words};

/// What the page shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Preparation {
    /// Name of the experiment, or of the folder that was prepared.
    pub name: String,
    /// `preparation.csv`: every series that was to be prepared.
    pub rows: Vec<Row>,
    /// `cohort.csv`: every series and damaged file seen, for paths and for what was left out
    /// before preparation.
    pub seen: Vec<CohortRow>,
    /// The preview pictures.
    pub pictures: Pictures,
    /// Patients, series and paths are not named.
    pub nameless: bool,
}

/// Preview pictures as a page needs them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pictures {
    /// Where they should be, in words.
    pub place: String,
    /// The link to their folder, relative to the page, empty or ending in `/`.
    pub folder: String,
    /// Width and height in pixels of those that are there, by file name.
    pub sizes: BTreeMap<String, [u32; 2]>,
}

impl Pictures {
    /// Looks for the pictures of prepared rows in `cache`, for a page in `page_folder`.
    pub fn find(rows: &[Row], cache: &Path, page_folder: &Path) -> Self {
        let place = cache.display().to_string();
        let Some(folder) = folder_link(page_folder, cache) else {
            return Self { place, ..Self::default() };
        };
        let names = rows.iter().filter_map(picture_name);
        let sizes = names.filter_map(|name| Some((name.clone(), png_size(&cache.join(name))?)));
        Self { place, folder, sizes: sizes.collect() }
    }
}

/// The file name of a prepared row's picture.
pub(super) fn picture_name(row: &Row) -> Option<String> {
    let name = row.cache_file.strip_suffix(".npz")?;
    // A table that was tampered with does not reach out of the cache.
    let plain = !name.is_empty() && !name.contains(['/', '\\']);
    (row.status == Status::Prepared && plain).then(|| format!("{name}.png"))
}

/// Width and height from the header of a PNG file.
fn png_size(path: &Path) -> Option<[u32; 2]> {
    let reader = png::Decoder::new(BufReader::new(File::open(path).ok()?)).read_info().ok()?;
    Some([reader.info().width, reader.info().height])
}

/// Writes the page of a preparation, whose pictures are in `cache`, to `page`.
///
/// # Errors
/// When the page cannot be written.
pub fn write_preparation(
    page: &Path,
    name: &str,
    rows: &[Row],
    seen: &[CohortRow],
    cache: &Path,
) -> Result<(), ReportError> {
    let folder = match page.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let preparation = Preparation {
        name: name.to_owned(),
        rows: rows.to_vec(),
        seen: seen.to_vec(),
        pictures: Pictures::find(rows, cache, folder),
        nameless: false,
    };
    Ok(write_bytes(page, preparation_page(&preparation).as_bytes())?)
}

/// Draws a run's page from its tables and returns it; `None` when the run has not prepared yet. Who
/// is named on it is up to `report.identifiers`.
///
/// # Errors
/// When a table cannot be read or the page cannot be written.
pub fn redraw_preparation(run: &RunFolder, cache: &Path) -> Result<Option<PathBuf>, ReportError> {
    let tables = [run.table(Table::Preparation), run.table(Table::Cohort)];
    if !tables.iter().all(|table| table.is_file()) {
        return Ok(None);
    }
    let (rows, seen): (Vec<Row>, Vec<CohortRow>) = (read_csv(&tables[0])?, read_csv(&tables[1])?);
    let cohort_text = std::fs::read(&tables[1]).map_err(|error| ResultsError::Read {
        path: tables[1].clone(),
        message: error.to_string(),
    })?;
    let page = run.preparation_page();
    let spec = run.spec()?;
    let namer = Namer::new(spec.report.identifiers, &cohort_text);
    let pictures = Pictures::find(&rows, cache, run.root());
    let nameless = !namer.is_plain();
    let (rows, seen) = if nameless { without_names(&rows, &seen, &namer) } else { (rows, seen) };
    let preparation =
        Preparation { name: spec.experiment.name.clone(), rows, seen, pictures, nameless };
    write_bytes(&page, preparation_page(&preparation).as_bytes())?;
    Ok(Some(page))
}
