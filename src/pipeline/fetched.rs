//! Preparation of series directly after their download, so that the raw files can be removed.

use std::fs;
use std::path::{Path, PathBuf};

use super::preparation::{cache_folder, settings};
use super::study::{ImageSet, images_of};
use lungs_archive::fetch::{FetchStatus, Product, Series, safe_name};
use lungs_base::files::{WriteError, make_folder, rename, write_atomically, write_bytes};
use lungs_image::formats::Source;
use lungs_image::images::Image;
use lungs_spec::spec::Spec;
use lungs_study::prepare::{self, Row, Status};

/// Prepares fetched series into the cache of a spec.
pub struct Preparer<'a> {
    spec: &'a Spec,
    cache: PathBuf,
    target: &'a Path,
    keep_raw: bool,
}

impl<'a> Preparer<'a> {
    /// A preparer for series that are fetched into `target`. If raw files are not kept, `target` also gets each
    /// prepared volume and a JSON file with the header of its scan, so that `target` can be the `data.root` of a
    /// run.
    pub fn new(spec: &'a Spec, target: &'a Path, keep_raw: bool) -> Self {
        Self { spec, cache: cache_folder(spec), target, keep_raw }
    }

    /// A hash of the preprocessing: equal names give equal volumes.
    pub fn name(&self) -> String {
        let text = format!("{} {}", settings(self.spec).versioned_text(), self.keep_raw);
        blake3::hash(text.as_bytes()).to_hex()[..16].to_owned()
    }

    /// Prepares the images in the folder of a series.
    ///
    /// # Errors
    /// A sentence, if no further series can be prepared (full disk).
    pub fn prepare(&self, series: &Series, folder: &Path) -> Result<Product, String> {
        let images = match images_of(self.spec, &[folder.to_owned()], None) {
            Ok(images) => images,
            Err(error) => {
                let (state, reason) = (FetchStatus::Excluded, in_one_line(&error.to_string()));
                return Ok(Product { state, reason, files: Vec::new() });
            }
        };
        let ImageSet { images, excluded, .. } = images;
        let images: Vec<&Image> = images.iter().collect();
        let threads = self.spec.runtime.threads;
        let settings = settings(self.spec);
        let rows = prepare::prepare_all(&images, &settings, &self.cache, &|_| {}, threads)
            .map_err(|error| error.to_string())?;
        let (prepared, failed): (Vec<&Row>, Vec<&Row>) =
            rows.iter().partition(|row| row.status == Status::Prepared);
        let mut reasons: Vec<String> =
            failed.iter().filter_map(|row| Some(row.exclusion()?.to_string())).collect();
        reasons.extend(excluded.iter().map(|(path, reason)| format!("{path}: {reason}")));
        let mut files = Vec::new();
        if !self.keep_raw {
            for row in &prepared {
                let image = images.iter().find(|image| image.series_uid == row.series_uid);
                let result = self.publish_volume(series, row, image.copied());
                files.extend(result.map_err(|error| error.to_string())?);
            }
        }
        let state = if prepared.is_empty() { FetchStatus::Excluded } else { FetchStatus::Prepared };
        Ok(Product { state, reason: in_one_line(&reasons.join("; ")), files })
    }

    /// Links or copies a prepared volume of the cache to the target folder, and writes the header of its scan next to
    /// it. Returns the paths in the target folder.
    fn publish_volume(
        &self,
        series: &Series,
        row: &Row,
        image: Option<&Image>,
    ) -> Result<Vec<PathBuf>, WriteError> {
        let parent = series.folder.parent().unwrap_or(Path::new(""));
        let name = safe_name(&row.series_uid).unwrap_or_else(|| series.name.clone());
        let product = parent.join(format!("{name}.npz"));
        let (from, to) = (self.cache.join(&row.cache_file), self.target.join(&product));
        make_folder(&self.target.join(parent))?;
        let mut products = Vec::new();
        if let Some(source) = image.and_then(|image| self.source(image, row)) {
            // The JSON file is first, because readers of the volume look for it.
            let mut text = serde_json::to_string_pretty(&source).unwrap_or_default();
            text.push('\n');
            write_bytes(&to.with_extension("json"), text.as_bytes())?;
            products.push(product.with_extension("json"));
        }
        // A hard link, if both folders are on one disk.
        let temporary = to.with_file_name(format!(".partial-{name}.npz"));
        let _ = fs::remove_file(&temporary);
        if fs::hard_link(&from, &temporary).is_ok() {
            rename(&temporary, &to)?;
            // Renaming between two names of one file can leave both names.
            let _ = fs::remove_file(&temporary);
        } else {
            write_atomically(&to, |out| std::io::copy(&mut fs::File::open(&from)?, out).map(drop))?;
        }
        products.push(product);
        Ok(products)
    }

    /// The header of a scan.
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
            acquisition: image.acquisition.clone(),
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
