//! Cohort → Prepared: the chosen series of a spec as volumes in its cache.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::cohort::{self, Cohort};
use crate::dicom::{self, StackRules};
use crate::images::Image;
use crate::prepare::{self, BeyondCrop, Limits, NetworkInput, Row, Settings, Shard, Status};
use crate::spec::{self, Compat, Interpolation, Spec};
use crate::volume;

use super::study::{gather, make_phantom};
use super::{PipelineError, Stages};

/// Prepares the chosen series, and takes those that are refused out of the cohort.
pub fn prepare(
    spec: &Spec,
    cohort: &mut Cohort,
    watch: &dyn Stages,
) -> Result<Vec<Row>, PipelineError> {
    let rows = prepare_chosen(spec, cohort, watch)?;
    check_prepared(cohort, &rows)?;
    Ok(rows)
}

/// Checks that something is left of the study.
pub(super) fn check_prepared(cohort: &Cohort, rows: &[Row]) -> Result<(), PipelineError> {
    if cohort.chosen.is_empty() {
        let reasons = cohort::count_reasons(&cohort.rows);
        let first = rows.first().map(|row| row.reason.clone()).unwrap_or_default();
        return Err(PipelineError::NothingPrepared { series: rows.len(), reasons, first });
    }
    Ok(())
}

/// [`prepare`] for who wants the rows even when every series is refused.
pub fn prepare_chosen(
    spec: &Spec,
    cohort: &mut Cohort,
    watch: &dyn Stages,
) -> Result<Vec<Row>, PipelineError> {
    let images: Vec<&Image> = cohort.chosen.iter().map(|(_, image)| image).collect();
    let rows = prepare_images(spec, &images, &cache_folder(spec), watch)?;
    refuse_unprepared(cohort, &rows);
    Ok(rows)
}

/// Takes the series that preparation refused out of the cohort; `rows` are those of its chosen ones.
pub(super) fn refuse_unprepared(cohort: &mut Cohort, rows: &[Row]) {
    let chosen = cohort.chosen.iter().map(|(place, _)| *place);
    let refused = chosen.zip(rows).filter(|(_, row)| row.status == Status::Refused);
    let reason = |(place, row): (usize, &Row)| (place, format!("{}: {}", row.code, row.reason));
    let refused = refused.map(reason).collect();
    cohort.refuse(refused);
}

/// Prepares those of the chosen series that are in one part of several.
pub fn prepare_shard(
    spec: &Spec,
    shard: Shard,
    watch: &dyn Stages,
) -> Result<Vec<Row>, PipelineError> {
    // Parts begin at the same time: one of them makes what is to be made and looks into the files.
    let index_lock = prepare::lock_task(&cache_folder(spec), "index");
    make_phantom(spec, watch)?;
    let mut cohort = gather(spec, watch)?;
    drop(index_lock);
    let of = cohort.chosen.len();
    cohort.chosen.retain(|(_, image)| shard.has(&image.series_uid));
    watch.stage_ends("part", &format!("{shard}, {} of {of} series", cohort.chosen.len()));
    prepare_chosen(spec, &mut cohort, watch)
}

/// Prepares images as `spec` says, into `cache`.
pub fn prepare_images(
    spec: &Spec,
    images: &[&Image],
    cache: &Path,
    watch: &dyn Stages,
) -> Result<Vec<Row>, PipelineError> {
    watch.stage_begins("preparation");
    let done = AtomicUsize::new(0);
    let advance = |_: &Row| {
        watch.stage_advances(done.fetch_add(1, Ordering::Relaxed) + 1, images.len());
    };
    let threads = spec.runtime.threads;
    let rows = prepare::prepare_all(images, &settings(spec), cache, &advance, threads)?;
    let refused = rows.iter().filter(|row| row.status == Status::Refused).count();
    let volumes = rows.len() - refused;
    let told = format!(
        "{volumes} {} in {}, {} new{}",
        if volumes == 1 { "volume" } else { "volumes" },
        cache.display(),
        rows.iter().filter(|row| row.new && row.status == Status::Prepared).count(),
        if refused > 0 { format!("; {refused} refused") } else { String::new() }
    );
    watch.stage_ends("preparation", &told);
    if let Some(beyond) = BeyondCrop::of(&rows, network_input(spec)) {
        watch.note(&format!("warning: {beyond}"));
    }
    Ok(rows)
}

/// What the network of a spec sees of a crop.
pub fn network_input(spec: &Spec) -> NetworkInput {
    NetworkInput { slices: spec.model.slices, spacing_mm: spec.preprocess.spacing_mm }
}

/// The rows of those chosen series that are prepared already.
pub(super) fn known_rows(spec: &Spec, cohort: &Cohort) -> Vec<Row> {
    let (settings, cache) = (settings(spec), cache_folder(spec));
    let chosen = cohort.chosen.iter();
    chosen.filter_map(|(_, image)| prepare::prepared_row(image, &settings, &cache)).collect()
}

/// The preprocessing part of a spec in the words of the prepare room.
pub fn settings(spec: &Spec) -> Settings {
    let preprocess = &spec.preprocess;
    let compat = preprocess.compat == Compat::Lungs015;
    Settings {
        spacing_mm: [preprocess.spacing_mm; 3],
        interpolation: match preprocess.interpolation {
            Interpolation::Cubic => volume::Interpolation::Cubic,
            Interpolation::Linear => volume::Interpolation::Linear,
        },
        grid: if compat { volume::Grid::AlignedEnds } else { volume::Grid::Physical },
        size: preprocess.size,
        lower_hu: preprocess.window.lower_hu as f32,
        upper_hu: preprocess.window.upper_hu as f32,
        compat,
        stacks: StackRules {
            gantry_tilt: match preprocess.gantry_tilt {
                spec::GantryTilt::Reshear => dicom::GantryTilt::Reshear,
                spec::GantryTilt::Refuse => dicom::GantryTilt::Refuse,
            },
            orientation: match preprocess.orientation {
                spec::Orientation::Reformat => dicom::Orientation::Reformat,
                spec::Orientation::Refuse => dicom::Orientation::Refuse,
            },
        },
        limits: Limits {
            min_slices: spec.data.select.min_slices,
            max_slice_spacing_mm: spec.data.select.max_slice_spacing_mm,
            min_lung_ml: preprocess.min_lung_ml,
        },
    }
}

/// Where prepared volumes are kept: as the spec says, else beside the data.
pub fn cache_folder(spec: &Spec) -> PathBuf {
    if let Some(cache) = &spec.data.cache {
        return cache.clone();
    }
    let data = &spec.data;
    let beside = [Some(&data.root), data.positives.as_ref(), data.train_list.as_ref()];
    let beside = beside.into_iter().flatten().find(|path| **path != Path::new(""));
    let mut name = beside.map(|path| path.as_os_str().to_owned()).unwrap_or_default();
    name.push(".prepared");
    PathBuf::from(name)
}
