//! DICOM series of rendered exams: CT Image Storage, one file per slice.

use std::path::{Path, PathBuf};

use dicom_core::value::PrimitiveValue;
use dicom_core::{DataElement, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use dicom_object::meta::FileMetaTableBuilder;
use ndarray::{Array2, ArrayView2, Axis, s};

use super::PhantomError;
use super::exam::{ExamPlan, ExtraSeries, Pixels};
use super::grid::Grid;
use super::render::RenderedExam;

/// Version of the generator; cohorts of different versions differ even for equal plans.
pub(super) const GENERATOR: &str = "lungs phantom 2";

/// Attributes that all files of a series share.
struct Series {
    uid: String,
    number: usize,
    description: &'static str,
    image_type: &'static str,
    kernel: String,
    orientation: &'static str,
    /// Distance between rows and between columns, mm.
    pixel_spacing_mm: [f64; 2],
    thickness_mm: f64,
    gap_mm: f64,
}

/// One image of a series.
struct Image<'a> {
    /// InstanceNumber, from 1.
    instance: usize,
    /// Patient coordinates of the first pixel's centre.
    position_mm: [f64; 3],
    hu: ArrayView2<'a, i16>,
    /// The grid whose circle of reconstruction limits the pixels; `None` for no circle.
    circle: Option<&'a Grid>,
}

/// Writes an exam's series into folders under `folder`. Returns the name of the main series' folder.
pub(super) fn write(
    exam: &ExamPlan,
    rendered: &RenderedExam,
    folder: &Path,
) -> Result<&'static str, PhantomError> {
    const MAIN: &str = "2-axial";
    write_main(exam, rendered, &folder.join(MAIN))?;
    match exam.extra {
        Some(ExtraSeries::Localizer) => {
            write_localizer(exam, rendered, &folder.join("1-localizer"))?;
        }
        Some(ExtraSeries::ThickSharp) => write_thick(exam, rendered, &folder.join("3-thick"))?,
        None => {}
    }
    Ok(MAIN)
}

fn create_folder(folder: &Path) -> Result<(), PhantomError> {
    std::fs::create_dir_all(folder).map_err(PhantomError::io("create the folder", folder))
}

fn write_main(exam: &ExamPlan, rendered: &RenderedExam, folder: &Path) -> Result<(), PhantomError> {
    create_folder(folder)?;
    let grid = &exam.grid;
    let series = Series {
        uid: exam.series_uid(),
        number: 2,
        description: "Chest axial",
        image_type: "ORIGINAL\\PRIMARY\\AXIAL",
        kernel: exam.kernel_name.to_owned(),
        orientation: "1\\0\\0\\0\\1\\0",
        pixel_spacing_mm: [grid.spacing_mm[1], grid.spacing_mm[2]],
        thickness_mm: grid.thickness_mm,
        gap_mm: grid.spacing_mm[0],
    };
    let slices = grid.shape[0];
    for (depth, hu) in rendered.volume.hu.axis_iter(Axis(0)).enumerate() {
        let instance = if exam.storage.from_head { slices - depth } else { depth + 1 };
        let [x, y, z] = grid.origin_mm;
        let position_mm = [x, y, z + depth as f64 * grid.spacing_mm[0]];
        let image = Image { instance, position_mm, hu, circle: Some(grid) };
        write_image(exam, &series, &image, folder)?;
    }
    Ok(())
}

/// Writes a series of averaged pairs of slices with enhanced edges.
fn write_thick(
    exam: &ExamPlan,
    rendered: &RenderedExam,
    folder: &Path,
) -> Result<(), PhantomError> {
    create_folder(folder)?;
    let grid = &exam.grid;
    let gap = grid.spacing_mm[0];
    let sharp = match exam.kernel_name {
        "B30f" => "B70f",
        "FC01" => "FC51",
        "C" => "L",
        _ => "LUNG",
    };
    let series = Series {
        uid: exam.uid("series/thick"),
        number: 3,
        description: "Chest axial thick lung",
        image_type: "ORIGINAL\\PRIMARY\\AXIAL",
        kernel: sharp.to_owned(),
        orientation: "1\\0\\0\\0\\1\\0",
        pixel_spacing_mm: [grid.spacing_mm[1], grid.spacing_mm[2]],
        thickness_mm: grid.thickness_mm + gap,
        gap_mm: 2.0 * gap,
    };
    for pair in 0..grid.shape[0] / 2 {
        let lower = rendered.volume.hu.index_axis(Axis(0), 2 * pair);
        let upper = rendered.volume.hu.index_axis(Axis(0), 2 * pair + 1);
        let mean = ndarray::Zip::from(lower)
            .and(upper)
            .map_collect(|a, b| ((i32::from(*a) + i32::from(*b)) / 2) as i16);
        let hu = sharpen(&mean);
        let [x, y, z] = grid.origin_mm;
        let position_mm = [x, y, z + (2 * pair) as f64 * gap + gap / 2.0];
        let image = Image { instance: pair + 1, position_mm, hu: hu.view(), circle: Some(grid) };
        write_image(exam, &series, &image, folder)?;
    }
    Ok(())
}

/// Adds to each pixel its difference from the mean of its 3×3 neighbourhood.
fn sharpen(hu: &Array2<i16>) -> Array2<i16> {
    let (rows, columns) = hu.dim();
    Array2::from_shape_fn((rows, columns), |(row, column)| {
        let (top, bottom) = (row.saturating_sub(1), (row + 2).min(rows));
        let (left, right) = (column.saturating_sub(1), (column + 2).min(columns));
        let neighbourhood = hu.slice(s![top..bottom, left..right]);
        let mean =
            neighbourhood.iter().map(|v| i32::from(*v)).sum::<i32>() / neighbourhood.len() as i32;
        let value = i32::from(hu[[row, column]]);
        (2 * value - mean).clamp(-1024, 3071) as i16
    })
}

/// Writes a frontal localizer: the mean HU from front to back.
fn write_localizer(
    exam: &ExamPlan,
    rendered: &RenderedExam,
    folder: &Path,
) -> Result<(), PhantomError> {
    create_folder(folder)?;
    let grid = &exam.grid;
    let [slices, rows, columns] = grid.shape;
    let series = Series {
        uid: exam.uid("series/localizer"),
        number: 1,
        description: "Topogram",
        image_type: "ORIGINAL\\PRIMARY\\LOCALIZER",
        kernel: "T20s".to_owned(),
        orientation: "1\\0\\0\\0\\0\\-1",
        pixel_spacing_mm: [grid.spacing_mm[0], grid.spacing_mm[2]],
        thickness_mm: rows as f64 * grid.spacing_mm[1],
        gap_mm: 0.0,
    };
    let hu = Array2::from_shape_fn((slices, columns), |(row, column)| {
        let ray = rendered.volume.hu.slice(s![slices - 1 - row, .., column]);
        (ray.iter().map(|v| i64::from(*v)).sum::<i64>() / rows as i64) as i16
    });
    let [x, y, z] = grid.origin_mm;
    let middle = y + (rows as f64 - 1.0) / 2.0 * grid.spacing_mm[1];
    let top = z + (slices as f64 - 1.0) * grid.spacing_mm[0];
    let image = Image { instance: 1, position_mm: [x, middle, top], hu: hu.view(), circle: None };
    write_image(exam, &series, &image, folder)
}

/// A decimal string with at most four decimals, without trailing zeros.
fn decimal(value: f64) -> String {
    let text = format!("{value:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

fn decimals(values: &[f64]) -> String {
    values.iter().map(|value| decimal(*value)).collect::<Vec<_>>().join("\\")
}

/// The stored numbers of an image, with their attributes.
struct StoredPixels {
    signed: bool,
    bits: u16,
    intercept: i16,
    padding: Option<DataElement<InMemDicomObject>>,
    /// Two's complement if signed.
    numbers: Vec<u16>,
}

fn encode_pixels(pixels: Pixels, image: &Image<'_>) -> StoredPixels {
    const PADDING: i16 = -2000;
    let (signed, bits, intercept, outside) = match pixels {
        Pixels::Unsigned => (false, 12, -1024, 0),
        Pixels::SignedPadded { .. } => (true, 16, -1024, PADDING),
        Pixels::SignedPlain => (true, 16, 0, PADDING),
    };
    let padding = match pixels {
        Pixels::SignedPadded { padding_as_unsigned: true } => Some(DataElement::new(
            tags::PIXEL_PADDING_VALUE,
            VR::US,
            PrimitiveValue::from(PADDING as u16),
        )),
        Pixels::SignedPadded { padding_as_unsigned: false } => {
            Some(DataElement::new(tags::PIXEL_PADDING_VALUE, VR::SS, PrimitiveValue::from(PADDING)))
        }
        Pixels::Unsigned | Pixels::SignedPlain => None,
    };
    let numbers = image
        .hu
        .indexed_iter()
        .map(|((row, column), hu)| {
            let inside = image.circle.is_none_or(|grid| grid.in_field_of_view(row, column));
            // HU are −1024 to 3071, so the difference fits signed and unsigned 16 bits.
            (if inside { hu - intercept } else { outside }) as u16
        })
        .collect();
    StoredPixels { signed, bits, intercept, padding, numbers }
}

fn write_image(
    exam: &ExamPlan,
    series: &Series,
    image: &Image<'_>,
    folder: &Path,
) -> Result<(), PhantomError> {
    let instance_uid = exam.uid(&format!("{}/{}", series.uid, image.instance));
    let name = if exam.storage.scattered_names {
        blake3::hash(instance_uid.as_bytes()).to_hex().as_str()[..12].to_owned()
    } else {
        format!("{:04}.dcm", image.instance)
    };
    let path = folder.join(name);
    let stored = encode_pixels(exam.storage.pixels, image);
    let mut object = InMemDicomObject::new_empty();
    describe_exam(&mut object, exam);
    describe_series(&mut object, exam, series);
    describe_image(&mut object, image, &instance_uid);
    put_pixels(&mut object, image, stored);
    let syntax = if exam.storage.explicit_vr {
        uids::EXPLICIT_VR_LITTLE_ENDIAN
    } else {
        uids::IMPLICIT_VR_LITTLE_ENDIAN
    };
    let encoding_error =
        |path: &PathBuf, reason: String| PhantomError::Dicom { path: path.clone(), reason };
    let file = object
        .with_meta(FileMetaTableBuilder::new().transfer_syntax(syntax))
        .map_err(|failure| encoding_error(&path, failure.to_string()))?;
    let mut bytes = Vec::with_capacity(image.hu.len() * 2 + 4096);
    file.write_all(&mut bytes).map_err(|failure| encoding_error(&path, failure.to_string()))?;
    // No fsync: the cohort is published by one rename, and can be generated again.
    std::fs::write(&path, bytes).map_err(PhantomError::io("write", &path))
}

fn text(object: &mut InMemDicomObject, tag: Tag, vr: VR, value: impl Into<String>) {
    object.put(DataElement::new(tag, vr, PrimitiveValue::from(value.into())));
}

fn number(object: &mut InMemDicomObject, tag: Tag, value: u16) {
    object.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
}

fn describe_exam(object: &mut InMemDicomObject, exam: &ExamPlan) {
    let mut put = |tag, vr, value: &str| text(object, tag, vr, value);
    put(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 100");
    put(tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE);
    put(tags::STUDY_DATE, VR::DA, &exam.date);
    put(tags::SERIES_DATE, VR::DA, &exam.date);
    put(tags::ACQUISITION_DATE, VR::DA, &exam.date);
    put(tags::CONTENT_DATE, VR::DA, &exam.date);
    put(tags::STUDY_TIME, VR::TM, "103000");
    put(tags::SERIES_TIME, VR::TM, "103200");
    put(tags::ACQUISITION_TIME, VR::TM, "103210");
    put(tags::CONTENT_TIME, VR::TM, "103300");
    put(tags::ACCESSION_NUMBER, VR::SH, &exam.exam_id);
    put(tags::MODALITY, VR::CS, "CT");
    put(tags::MANUFACTURER, VR::LO, "lungs phantom");
    put(tags::MANUFACTURER_MODEL_NAME, VR::LO, "analytic chest 1");
    put(tags::SOFTWARE_VERSIONS, VR::LO, GENERATOR);
    put(tags::REFERRING_PHYSICIAN_NAME, VR::PN, "");
    put(tags::STUDY_DESCRIPTION, VR::LO, "Synthetic low-dose chest CT");
    put(tags::PATIENT_NAME, VR::PN, &format!("PHANTOM^{}", exam.patient_id));
    put(tags::PATIENT_ID, VR::LO, &exam.patient_id);
    put(tags::PATIENT_BIRTH_DATE, VR::DA, "");
    put(tags::PATIENT_SEX, VR::CS, &exam.sex.to_string());
    put(tags::PATIENT_AGE, VR::AS, &format!("{:03}Y", exam.age_years));
    put(tags::BODY_PART_EXAMINED, VR::CS, "CHEST");
    put(tags::PATIENT_POSITION, VR::CS, "HFS");
    put(tags::KVP, VR::DS, "120");
    put(tags::X_RAY_TUBE_CURRENT, VR::IS, "40");
    put(tags::STUDY_INSTANCE_UID, VR::UI, &exam.uid("study"));
    put(tags::FRAME_OF_REFERENCE_UID, VR::UI, &exam.uid("frame"));
    put(tags::POSITION_REFERENCE_INDICATOR, VR::LO, "SN");
    put(tags::STUDY_ID, VR::SH, &exam.exam_id);
}

fn describe_series(object: &mut InMemDicomObject, exam: &ExamPlan, series: &Series) {
    let diameter = exam.grid.shape[2] as f64 * exam.grid.spacing_mm[2];
    let mut put = |tag, vr, value: &str| text(object, tag, vr, value);
    put(tags::IMAGE_TYPE, VR::CS, series.image_type);
    put(tags::SERIES_INSTANCE_UID, VR::UI, &series.uid);
    put(tags::SERIES_NUMBER, VR::IS, &series.number.to_string());
    put(tags::SERIES_DESCRIPTION, VR::LO, series.description);
    put(tags::CONVOLUTION_KERNEL, VR::SH, &series.kernel);
    put(tags::SLICE_THICKNESS, VR::DS, &decimal(series.thickness_mm));
    if series.gap_mm > 0.0 && exam.storage.explicit_vr {
        // Optional in CT Image Storage, and often missing.
        put(tags::SPACING_BETWEEN_SLICES, VR::DS, &decimal(series.gap_mm));
    }
    put(tags::DATA_COLLECTION_DIAMETER, VR::DS, "500");
    put(tags::RECONSTRUCTION_DIAMETER, VR::DS, &decimal(diameter));
    put(tags::GANTRY_DETECTOR_TILT, VR::DS, "0");
    put(tags::ACQUISITION_NUMBER, VR::IS, "1");
    put(tags::IMAGE_ORIENTATION_PATIENT, VR::DS, series.orientation);
    put(tags::PIXEL_SPACING, VR::DS, &decimals(&series.pixel_spacing_mm));
    put(tags::WINDOW_CENTER, VR::DS, "-600");
    put(tags::WINDOW_WIDTH, VR::DS, "1500");
}

fn describe_image(object: &mut InMemDicomObject, image: &Image<'_>, instance_uid: &str) {
    let mut put = |tag, vr, value: &str| text(object, tag, vr, value);
    put(tags::SOP_INSTANCE_UID, VR::UI, instance_uid);
    put(tags::INSTANCE_NUMBER, VR::IS, &image.instance.to_string());
    put(tags::IMAGE_POSITION_PATIENT, VR::DS, &decimals(&image.position_mm));
    put(tags::SLICE_LOCATION, VR::DS, &decimal(image.position_mm[2]));
}

fn put_pixels(object: &mut InMemDicomObject, image: &Image<'_>, stored: StoredPixels) {
    let (rows, columns) = image.hu.dim();
    text(object, tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2");
    number(object, tags::SAMPLES_PER_PIXEL, 1);
    // The matrix is at most 1024, and a scan has far fewer than 65536 slices.
    number(object, tags::ROWS, rows as u16);
    number(object, tags::COLUMNS, columns as u16);
    number(object, tags::BITS_ALLOCATED, 16);
    number(object, tags::BITS_STORED, stored.bits);
    number(object, tags::HIGH_BIT, stored.bits - 1);
    number(object, tags::PIXEL_REPRESENTATION, u16::from(stored.signed));
    if let Some(padding) = stored.padding {
        object.put(padding);
    }
    text(object, tags::RESCALE_INTERCEPT, VR::DS, stored.intercept.to_string());
    text(object, tags::RESCALE_SLOPE, VR::DS, "1");
    text(object, tags::RESCALE_TYPE, VR::LO, "HU");
    let numbers = PrimitiveValue::U16(stored.numbers.into());
    object.put(DataElement::new(tags::PIXEL_DATA, VR::OW, numbers));
}
