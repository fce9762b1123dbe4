//! Tiny CT files for tests.

use std::path::Path;

use dicom_core::{DataElement, PrimitiveValue, VR, dicom_value};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};

/// One small CT image; tests change the fields that they are about.
#[derive(Clone, Debug)]
pub(crate) struct TestSlice {
    pub series_uid: String,
    pub patient_id: String,
    pub modality: String,
    pub image_type: String,
    pub number: i32,
    pub position: [f64; 3],
    pub orientation: [f64; 6],
    pub spacing: [f64; 2],
    pub rows: u16,
    pub columns: u16,
    pub slope: f64,
    pub intercept: f64,
    pub padding: Option<i16>,
    /// Stored values, rows × columns.
    pub pixels: Vec<i16>,
    pub transfer_syntax: &'static str,
}

impl TestSlice {
    /// Slice `number` of an axial stack 2.5 mm apart, 4 rows by 6 columns; stored values are
    /// 100 · number + index.
    pub fn axial(number: i32) -> Self {
        Self {
            series_uid: "1.2.3".to_owned(),
            patient_id: "P1".to_owned(),
            modality: "CT".to_owned(),
            image_type: "ORIGINAL\\PRIMARY\\AXIAL".to_owned(),
            number,
            position: [-10.0, -20.0, -100.0 + 2.5 * f64::from(number)],
            orientation: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
            spacing: [0.7, 0.8],
            rows: 4,
            columns: 6,
            slope: 1.0,
            intercept: 0.0,
            padding: None,
            pixels: (0..24).map(|index| (100 * number + index) as i16).collect(),
            transfer_syntax: uids::EXPLICIT_VR_LITTLE_ENDIAN,
        }
    }

    pub fn write(&self, path: &Path) {
        let text = |values: &[f64]| values.iter().map(f64::to_string).collect::<Vec<_>>();
        let put = |vr, tag, value: PrimitiveValue| DataElement::new(tag, vr, value);
        let strings = |values: Vec<String>| PrimitiveValue::Strs(values.into());
        let mut object = InMemDicomObject::from_element_iter([
            put(VR::UI, tags::SOP_CLASS_UID, uids::CT_IMAGE_STORAGE.into()),
            put(
                VR::UI,
                tags::SOP_INSTANCE_UID,
                format!("{}.{}", self.series_uid, self.number).into(),
            ),
            put(VR::CS, tags::MODALITY, self.modality.as_str().into()),
            put(
                VR::CS,
                tags::IMAGE_TYPE,
                strings(self.image_type.split('\\').map(str::to_owned).collect()),
            ),
            put(VR::LO, tags::PATIENT_ID, self.patient_id.as_str().into()),
            put(VR::UI, tags::STUDY_INSTANCE_UID, "1.2".into()),
            put(VR::UI, tags::SERIES_INSTANCE_UID, self.series_uid.as_str().into()),
            put(VR::IS, tags::INSTANCE_NUMBER, self.number.to_string().into()),
            put(VR::DS, tags::IMAGE_POSITION_PATIENT, strings(text(&self.position))),
            put(VR::DS, tags::IMAGE_ORIENTATION_PATIENT, strings(text(&self.orientation))),
            put(VR::DS, tags::PIXEL_SPACING, strings(text(&self.spacing))),
            put(VR::US, tags::SAMPLES_PER_PIXEL, dicom_value!(U16, 1)),
            put(VR::CS, tags::PHOTOMETRIC_INTERPRETATION, "MONOCHROME2".into()),
            put(VR::US, tags::ROWS, dicom_value!(U16, self.rows)),
            put(VR::US, tags::COLUMNS, dicom_value!(U16, self.columns)),
            put(VR::US, tags::BITS_ALLOCATED, dicom_value!(U16, 16)),
            put(VR::US, tags::BITS_STORED, dicom_value!(U16, 16)),
            put(VR::US, tags::HIGH_BIT, dicom_value!(U16, 15)),
            put(VR::US, tags::PIXEL_REPRESENTATION, dicom_value!(U16, 1)),
            put(VR::DS, tags::RESCALE_INTERCEPT, self.intercept.to_string().into()),
            put(VR::DS, tags::RESCALE_SLOPE, self.slope.to_string().into()),
        ]);
        if let Some(padding) = self.padding {
            object.put(put(VR::SS, tags::PIXEL_PADDING_VALUE, dicom_value!(I16, padding)));
        }
        let words: Vec<u16> = self.pixels.iter().map(|&value| value.cast_unsigned()).collect();
        object.put(put(VR::OW, tags::PIXEL_DATA, PrimitiveValue::U16(words.into())));
        object
            .with_meta(FileMetaTableBuilder::new().transfer_syntax(self.transfer_syntax))
            .unwrap()
            .write_to_file(path)
            .unwrap();
    }
}

/// Writes slices as files whose name order is not their order in space.
pub(crate) fn write_series(folder: &Path, slices: &[TestSlice]) {
    std::fs::create_dir_all(folder).unwrap();
    for (index, slice) in slices.iter().enumerate() {
        let scrambled = (index * 7 + 3) % 101;
        slice.write(&folder.join(format!("image-{scrambled:03}-{}", slice.series_uid)));
    }
}
