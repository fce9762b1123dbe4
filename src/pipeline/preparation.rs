//! Cohort → Prepared: preparation of the chosen series into the cache.

use lungs_base::text::counted;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use lungs_image::dicom::StackRules;
use lungs_image::images::Image;
use lungs_image::volume::Grid;
use lungs_spec::spec::{Compat, Spec};
use lungs_study::cohort::{self, Cohort};
use lungs_study::prepare::{self, BeyondCrop, Limits, NetworkInput, Row, Settings, Status};

use super::PipelineError;
use lungs_train::{Event, Observer};

/// Prepares the chosen series, and excludes series that cannot be prepared.
pub fn prepare(
    spec: &Spec,
    cohort: &mut Cohort,
    observe: &Observer,
) -> Result<Vec<Row>, PipelineError> {
    let rows = prepare_chosen(spec, cohort, observe)?;
    check_prepared(cohort, &rows)?;
    Ok(rows)
}

/// Checks that the cohort has at least one prepared series.
pub(super) fn check_prepared(cohort: &Cohort, rows: &[Row]) -> Result<(), PipelineError> {
    if cohort.chosen.is_empty() {
        let reasons = cohort::count_reasons(&cohort.rows);
        let first = rows.first().map(|row| row.reason.clone()).unwrap_or_default();
        return Err(PipelineError::NothingPrepared { series: rows.len(), reasons, first });
    }
    Ok(())
}

/// [`prepare`] without an error if every series is excluded.
pub fn prepare_chosen(
    spec: &Spec,
    cohort: &mut Cohort,
    observe: &Observer,
) -> Result<Vec<Row>, PipelineError> {
    let images: Vec<&Image> = cohort.chosen.iter().map(|(_, image)| image).collect();
    let rows = prepare_images(spec, &images, &cache_folder(spec), observe)?;
    exclude_unprepared(cohort, &rows);
    Ok(rows)
}

/// Excludes series that could not be prepared; `rows` are those of the chosen series, in order.
pub(super) fn exclude_unprepared(cohort: &mut Cohort, rows: &[Row]) {
    let chosen = cohort.chosen.iter().map(|(index, _)| *index);
    let exclusions = chosen.zip(rows).filter_map(|(index, row)| Some((index, row.exclusion()?)));
    cohort.exclude(exclusions.collect());
}

/// Prepares images with the settings of `spec` into `cache`.
pub fn prepare_images(
    spec: &Spec,
    images: &[&Image],
    cache: &Path,
    observe: &Observer,
) -> Result<Vec<Row>, PipelineError> {
    observe(&Event::StageBegins("preparation"));
    let done = AtomicUsize::new(0);
    let advance = |_: &Row| {
        observe(&Event::StageAdvances {
            done: done.fetch_add(1, Ordering::Relaxed) + 1,
            total: images.len(),
        });
    };
    let threads = spec.runtime.threads;
    let rows = prepare::prepare_all(images, &settings(spec), cache, &advance, threads)?;
    let excluded = rows.iter().filter(|row| row.status == Status::Refused).count();
    let volumes = rows.len() - excluded;
    let summary = format!(
        "{} in {}, {} new{}",
        counted(volumes, "volume", "volumes"),
        cache.display(),
        rows.iter().filter(|row| row.new && row.status == Status::Prepared).count(),
        if excluded > 0 { format!("; {excluded} excluded") } else { String::new() }
    );
    observe(&Event::StageEnds { stage: "preparation", summary: &summary });
    if let Some(beyond) = BeyondCrop::of(&rows, network_input(spec)) {
        observe(&Event::Note(&format!("warning: {beyond}")));
    }
    Ok(rows)
}

/// The part of the crop that is the input of the network.
pub fn network_input(spec: &Spec) -> NetworkInput {
    NetworkInput { slices: spec.model.slices, spacing_mm: spec.preprocess.spacing_mm }
}

/// The rows of chosen series that are prepared already.
pub(super) fn known_rows(spec: &Spec, cohort: &Cohort) -> Vec<Row> {
    let (settings, cache) = (settings(spec), cache_folder(spec));
    let chosen = cohort.chosen.iter();
    chosen.filter_map(|(_, image)| prepare::prepared_row(image, &settings, &cache)).collect()
}

/// The settings of preparation of a spec.
pub fn settings(spec: &Spec) -> Settings {
    let preprocess = &spec.preprocess;
    let stacks =
        StackRules { gantry_tilt: preprocess.gantry_tilt, orientation: preprocess.orientation };
    let limits = Limits {
        min_slices: spec.data.select.min_slices,
        max_slice_spacing_mm: spec.data.select.max_slice_spacing_mm,
        min_lung_ml: preprocess.min_lung_ml,
    };
    if preprocess.compat == Compat::Sybil {
        return Settings::sybil(stacks, limits);
    }
    let is_original = preprocess.compat == Compat::Lungs015;
    Settings {
        spacing_mm: [preprocess.spacing_mm; 3],
        interpolation: preprocess.interpolation,
        grid: if is_original { Grid::AlignedEnds } else { Grid::Physical },
        size: preprocess.size,
        lower_hu: preprocess.window.lower_hu as f32,
        upper_hu: preprocess.window.upper_hu as f32,
        compat: preprocess.compat,
        stacks,
        limits,
    }
}

/// The folder of prepared volumes: `data.cache`, or a folder next to the images.
pub fn cache_folder(spec: &Spec) -> PathBuf {
    if let Some(cache) = &spec.data.cache {
        return cache.clone();
    }
    let data = &spec.data;
    let sources = [Some(&data.root), data.positives.as_ref(), data.train_list.as_ref()];
    let source = sources.into_iter().flatten().find(|path| **path != Path::new(""));
    let mut name = source.map(|path| path.as_os_str().to_owned()).unwrap_or_default();
    name.push(".prepared");
    PathBuf::from(name)
}
