//! Series that are prepared as they come from an archive, so that their files need not be kept.

use std::fs;
use std::path::{Path, PathBuf};

use super::preparation::{cache_folder, settings};
use super::study::images_of;
use crate::fetch::{Product, Series, State, safe_name};
use crate::files::{WriteError, make_folder, rename, write_atomically, write_bytes};
use crate::formats::Source;
use crate::images::Image;
use crate::prepare::{self, ALGORITHM_VERSION, Row, Status};
use crate::spec::Spec;

/// What prepares fetched series into the cache of a spec.
pub struct Preparer<'a> {
    spec: &'a Spec,
    cache: PathBuf,
    target: &'a Path,
    keep_raw: bool,
}

impl<'a> Preparer<'a> {
    /// For series that are fetched into `target`. Where their files are not kept, each prepared
    /// volume gets a name in `target` too, and beside it what its scan said of itself: a run whose
    /// `data.root` is that folder finds both there.
    pub fn new(spec: &'a Spec, target: &'a Path, keep_raw: bool) -> Self {
        Self { spec, cache: cache_folder(spec), target, keep_raw }
    }

    /// Names how series are prepared: the same name, the same volumes.
    pub fn name(&self) -> String {
        let text = format!("{ALGORITHM_VERSION} {:?} {}", settings(self.spec), self.keep_raw);
        blake3::hash(text.as_bytes()).to_hex()[..16].to_owned()
    }

    /// Prepares what is in the folder of a series.
    ///
    /// # Errors
    /// A sentence, when nothing can be prepared any more (a full disk).
    pub fn prepare(&self, series: &Series, folder: &Path) -> Result<Product, String> {
        let found = match images_of(self.spec, &[folder.to_owned()], None) {
            Ok(found) => found,
            Err(error) => {
                let (state, reason) = (State::Refused, in_one_line(&error.to_string()));
                return Ok(Product { state, reason, files: Vec::new() });
            }
        };
        let images: Vec<&Image> = found.images.iter().collect();
        let threads = self.spec.runtime.threads;
        let settings = settings(self.spec);
        let rows = prepare::prepare_all(&images, &settings, &self.cache, &|_| {}, threads)
            .map_err(|error| error.to_string())?;
        let (prepared, refused): (Vec<&Row>, Vec<&Row>) =
            rows.iter().partition(|row| row.status == Status::Prepared);
        let mut reasons: Vec<String> =
            refused.iter().map(|row| format!("{}: {}", row.code, row.reason)).collect();
        reasons.extend(found.left_out.iter().map(|(what, reason)| format!("{what}: {reason}")));
        let mut files = Vec::new();
        if !self.keep_raw {
            for row in &prepared {
                let image = images.iter().find(|image| image.series_uid == row.series_uid);
                let named = self.name_volume(series, row, image.copied());
                files.extend(named.map_err(|error| error.to_string())?);
            }
        }
        let state = if prepared.is_empty() { State::Refused } else { State::Prepared };
        Ok(Product { state, reason: in_one_line(&reasons.join("; ")), files })
    }

    /// Gives a prepared volume of the cache its name in the target folder, and writes what its scan
    /// said of itself beside it.
    fn name_volume(
        &self,
        series: &Series,
        row: &Row,
        image: Option<&Image>,
    ) -> Result<Vec<PathBuf>, WriteError> {
        let above = series.folder.parent().unwrap_or(Path::new(""));
        let name = safe_name(&row.series_uid).unwrap_or_else(|| series.name.clone());
        let product = above.join(format!("{name}.npz"));
        let (from, to) = (self.cache.join(&row.cache_file), self.target.join(&product));
        make_folder(&self.target.join(above))?;
        let mut products = Vec::new();
        if let Some(source) = image.and_then(|image| self.source(image, row)) {
            // First, since whoever opens the volume looks for it.
            let mut text = serde_json::to_string_pretty(&source).unwrap_or_default();
            text.push('\n');
            write_bytes(&to.with_extension("json"), text.as_bytes())?;
            products.push(product.with_extension("json"));
        }
        // The same file under two names, where one disk has both.
        let under_way = to.with_file_name(format!(".partial-{name}.npz"));
        let _ = fs::remove_file(&under_way);
        if fs::hard_link(&from, &under_way).is_ok() {
            rename(&under_way, &to)?;
            // Of two names for one file, the system may have left both.
            let _ = fs::remove_file(&under_way);
        } else {
            write_atomically(&to, |out| std::io::copy(&mut fs::File::open(&from)?, out).map(drop))?;
        }
        products.push(product);
        Ok(products)
    }

    /// What a scan said of itself.
    fn source(&self, image: &Image, row: &Row) -> Option<Source> {
        let grid = image.grid.as_ref().ok()?;
        Some(Source {
            lungs_source: Source::VERSION,
            patient_id: image.patient_id.clone(),
            exam_id: image.exam_id.clone(),
            series_uid: image.series_uid.clone(),
            study_date: image.study_date.clone(),
            kernel: image.kernel.clone(),
            manufacturer: image.manufacturer.clone(),
            slices: grid.slices,
            rows: grid.rows,
            columns: grid.columns,
            slice_spacing_mm: grid.slice_spacing_mm,
            inputs: prepare::inputs_of(&self.cache, row)?,
            prepared_as: settings(self.spec).voxel_settings(),
        })
    }
}

fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
