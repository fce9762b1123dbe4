//! The quality control page of a preparation, which shows bad series first.
//!
//! ```text
//!   cohort.csv ──────┐                        summary, excluded series by reason
//!   preparation.csv ─┼─► Preparation ─► HTML  distributions of spacing, slices, volumes and HU
//!   <cache>/*.png ───┘                        contact sheet: one picture per series, flagged first
//! ```
//!
//! The page is a function of the two tables and of the sizes of the pictures: equal input gives
//! equal bytes. Pictures stay in the cache and are linked by relative path.

mod contents;
mod exclusions;
mod histograms;
mod naming;
mod sheet;
#[cfg(test)]
mod tests;

use super::ReportError;
use super::page::folder_link;
use super::run_page::Namer;
use lungs_base::files::write_bytes;
use lungs_spec::results::{ResultsError, RunFolder, Table, read_csv};
use lungs_study::cohort::{CohortRow, read_cohort};
use lungs_study::prepare::{Row, Status};
use naming::anonymised;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

pub use contents::preparation_page;

/// The data of the page.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Preparation {
    /// Name of the experiment, or of the folder that was prepared.
    pub name: String,
    /// `preparation.csv`: every selected series.
    pub rows: Vec<Row>,
    /// `cohort.csv`: every series and damaged file in the data, for paths and for exclusions before
    /// preparation.
    pub cohort: Vec<CohortRow>,
    /// The preview pictures.
    pub pictures: Pictures,
    /// Whether names of patients, series and paths are hidden.
    pub anonymous: bool,
}

/// Location and sizes of preview pictures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pictures {
    /// Path of the cache folder, for messages.
    pub cache: String,
    /// Link to the cache folder relative to the page; empty or ending in `/`.
    pub folder: String,
    /// Width and height in pixels of the existing pictures, by file name.
    pub sizes: BTreeMap<String, [u32; 2]>,
}

impl Pictures {
    /// Finds the pictures of prepared rows in `cache`, for a page in `page_folder`.
    pub fn find(rows: &[Row], cache: &Path, page_folder: &Path) -> Self {
        let names = rows.iter().filter_map(picture_name);
        let sizes = names.filter_map(|name| Some((name.clone(), png_size(&cache.join(name))?)));
        match folder_link(page_folder, cache) {
            Some(folder) => {
                Self { cache: cache.display().to_string(), folder, sizes: sizes.collect() }
            }
            None => Self { cache: cache.display().to_string(), ..Self::default() },
        }
    }
}

/// The file name of a prepared row's picture.
pub(super) fn picture_name(row: &Row) -> Option<String> {
    let name = row.cache_file.strip_suffix(".npz")?;
    // A manipulated table must not link to files outside the cache.
    let is_file_name = !name.is_empty() && !name.contains(['/', '\\']);
    (row.status == Status::Prepared && is_file_name).then(|| format!("{name}.png"))
}

/// Width and height from the header of a PNG file.
fn png_size(path: &Path) -> Option<[u32; 2]> {
    let reader = png::Decoder::new(BufReader::new(File::open(path).ok()?)).read_info().ok()?;
    Some([reader.info().width, reader.info().height])
}

/// Writes the preparation page to `page`; its pictures are in the folder `cache`.
///
/// # Errors
/// When the page cannot be written.
pub fn write_preparation(
    page: &Path,
    name: &str,
    rows: &[Row],
    cohort: &[CohortRow],
    cache: &Path,
) -> Result<(), ReportError> {
    let folder = match page.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let preparation = Preparation {
        name: name.to_owned(),
        rows: rows.to_vec(),
        cohort: cohort.to_vec(),
        pictures: Pictures::find(rows, cache, folder),
        anonymous: false,
    };
    Ok(write_bytes(page, preparation_page(&preparation).as_bytes())?)
}

/// Writes a run's preparation page from its tables and returns its path; `None` when the run has not prepared
/// its data yet. `report.identifiers` decides which names the page shows.
///
/// # Errors
/// When a table cannot be read or the page cannot be written.
pub fn redraw_preparation(run: &RunFolder, cache: &Path) -> Result<Option<PathBuf>, ReportError> {
    let tables = [run.table(Table::Preparation), run.table(Table::Cohort)];
    if !tables.iter().all(|table| table.is_file()) {
        return Ok(None);
    }
    let (rows, cohort): (Vec<Row>, _) = (read_csv(&tables[0])?, read_cohort(&tables[1])?);
    let cohort_text = std::fs::read(&tables[1]).map_err(|error| ResultsError::Read {
        path: tables[1].clone(),
        message: error.to_string(),
    })?;
    let page = run.preparation_page();
    let spec = run.spec()?;
    let namer = Namer::new(spec.report.identifiers, &cohort_text);
    let pictures = Pictures::find(&rows, cache, run.root());
    let anonymous = !namer.is_plain();
    let (rows, cohort) =
        if anonymous { anonymised(&rows, &cohort, &namer) } else { (rows, cohort) };
    let preparation =
        Preparation { name: spec.experiment.name.clone(), rows, cohort, pictures, anonymous };
    write_bytes(&page, preparation_page(&preparation).as_bytes())?;
    Ok(Some(page))
}
