//! Tiny CT files for tests.

use std::path::Path;

use dicom_core::value::DataSetSequence;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR, dicom_value};
use dicom_dictionary_std::{tags, uids};
use dicom_object::mem::InMemElement;
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};

/// One small CT image; tests modify the relevant fields.
#[derive(Clone, Debug)]
pub struct TestSlice {
    /// SeriesInstanceUID.
    pub series_uid: String,
    /// PatientID.
    pub patient_id: String,
    /// Modality.
    pub modality: String,
    /// ImageType.
    pub image_type: String,
    /// InstanceNumber.
    pub number: i32,
    /// ImagePositionPatient in mm.
    pub position: [f64; 3],
    /// ImageOrientationPatient.
    pub orientation: [f64; 6],
    /// PixelSpacing in mm.
    pub spacing: [f64; 2],
    /// Rows.
    pub rows: u16,
    /// Columns.
    pub columns: u16,
    /// RescaleSlope.
    pub slope: f64,
    /// RescaleIntercept.
    pub intercept: f64,
    /// PixelPaddingValue.
    pub padding: Option<i16>,
    /// SOPClassUID.
    pub sop_class: &'static str,
    /// AcquisitionNumber.
    pub acquisition: Option<i32>,
    /// ConvolutionKernel.
    pub kernel: &'static str,
    /// Further values of the header by keyword, such as `KVP`.
    pub acquired: Vec<(&'static str, String)>,
    /// Stored values, rows × columns.
    pub pixels: Vec<i16>,
    /// TransferSyntaxUID of the file.
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
            sop_class: uids::CT_IMAGE_STORAGE,
            acquisition: None,
            kernel: "",
            acquired: Vec::new(),
            pixels: (0..24).map(|index| (100 * number + index) as i16).collect(),
            transfer_syntax: uids::EXPLICIT_VR_LITTLE_ENDIAN,
        }
    }

    /// Writes the slice as a DICOM file.
    pub fn write(&self, path: &Path) {
        let text = |values: &[f64]| values.iter().map(f64::to_string).collect::<Vec<_>>();
        let put = |vr, tag, value: PrimitiveValue| DataElement::new(tag, vr, value);
        let strings = |values: Vec<String>| PrimitiveValue::Strs(values.into());
        let mut object = InMemDicomObject::from_element_iter([
            put(VR::UI, tags::SOP_CLASS_UID, self.sop_class.into()),
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
        if let Some(number) = self.acquisition {
            object.put(put(VR::IS, tags::ACQUISITION_NUMBER, number.to_string().into()));
        }
        if !self.kernel.is_empty() {
            object.put(put(VR::SH, tags::CONVOLUTION_KERNEL, self.kernel.into()));
        }
        for (keyword, value) in &self.acquired {
            let (tag, vr) = header_value(keyword);
            let value = match vr {
                VR::FD => PrimitiveValue::from(value.parse::<f64>().unwrap()),
                _ => value.as_str().into(),
            };
            object.put(put(vr, tag, value));
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

/// Tag and representation of a keyword of [`TestSlice::acquired`].
fn header_value(keyword: &str) -> (Tag, VR) {
    match keyword {
        "KVP" => (tags::KVP, VR::DS),
        "SliceThickness" => (tags::SLICE_THICKNESS, VR::DS),
        "XRayTubeCurrent" => (tags::X_RAY_TUBE_CURRENT, VR::IS),
        "Exposure" => (tags::EXPOSURE, VR::IS),
        "CTDIvol" => (tags::CTD_IVOL, VR::FD),
        "PatientAge" => (tags::PATIENT_AGE, VR::AS),
        "PatientSex" => (tags::PATIENT_SEX, VR::CS),
        "Manufacturer" => (tags::MANUFACTURER, VR::LO),
        "ManufacturerModelName" => (tags::MANUFACTURER_MODEL_NAME, VR::LO),
        _ => panic!("unknown keyword {keyword}"),
    }
}

/// Writes slices as files whose name order is not their order in space.
pub fn write_series(folder: &Path, slices: &[TestSlice]) {
    std::fs::create_dir_all(folder).unwrap();
    for (index, slice) in slices.iter().enumerate() {
        let scrambled = (index * 7 + 3) % 101;
        slice.write(&folder.join(format!("image-{scrambled:03}-{}", slice.series_uid)));
    }
}

/// Writes slices as the frames of one Enhanced CT file; shared values are those of the first slice.
pub fn write_frames(path: &Path, slices: &[TestSlice]) {
    let first = &slices[0];
    let put = |tag, vr, value: PrimitiveValue| DataElement::new(tag, vr, value);
    let text = |tag, vr, values: &[f64]| {
        let values: Vec<String> = values.iter().map(f64::to_string).collect();
        DataElement::new(tag, vr, PrimitiveValue::Strs(values.into()))
    };
    let sequence = |tag, items: Vec<InMemDicomObject>| {
        DataElement::new(tag, VR::SQ, DataSetSequence::from(items))
    };
    let group = |tag, elements: Vec<InMemElement>| {
        sequence(tag, vec![InMemDicomObject::from_element_iter(elements)])
    };
    let acquired = |slice: &TestSlice, keyword: &str| {
        let value = slice.acquired.iter().find(|(name, _)| *name == keyword)?;
        Some(value.1.parse::<f64>().unwrap())
    };
    let decimal = |tag, value: Option<f64>| value.map(|value| text(tag, VR::DS, &[value]));
    let double = |tag, value: Option<f64>| value.map(|value| put(tag, VR::FD, value.into()));
    let present =
        |elements: [Option<InMemElement>; 2]| elements.into_iter().flatten().collect::<Vec<_>>();
    let shared = vec![
        group(
            tags::PLANE_ORIENTATION_SEQUENCE,
            vec![text(tags::IMAGE_ORIENTATION_PATIENT, VR::DS, &first.orientation)],
        ),
        group(
            tags::PIXEL_MEASURES_SEQUENCE,
            present([
                Some(text(tags::PIXEL_SPACING, VR::DS, &first.spacing)),
                decimal(tags::SLICE_THICKNESS, acquired(first, "SliceThickness")),
            ]),
        ),
        group(
            tags::CTX_RAY_DETAILS_SEQUENCE,
            present([decimal(tags::KVP, acquired(first, "KVP")), None]),
        ),
        group(
            tags::CT_IMAGE_FRAME_TYPE_SEQUENCE,
            vec![put(tags::FRAME_TYPE, VR::CS, first.image_type.as_str().into())],
        ),
    ];
    let frames = slices.iter().map(|slice| {
        InMemDicomObject::from_element_iter([
            group(
                tags::PLANE_POSITION_SEQUENCE,
                vec![text(tags::IMAGE_POSITION_PATIENT, VR::DS, &slice.position)],
            ),
            group(
                tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE,
                vec![
                    text(tags::RESCALE_INTERCEPT, VR::DS, &[slice.intercept]),
                    text(tags::RESCALE_SLOPE, VR::DS, &[slice.slope]),
                ],
            ),
            group(
                tags::CT_EXPOSURE_SEQUENCE,
                present([
                    double(tags::X_RAY_TUBE_CURRENT_INM_A, acquired(slice, "XRayTubeCurrent")),
                    double(tags::EXPOSURE_INM_AS, acquired(slice, "Exposure")),
                ]),
            ),
        ])
    });
    let pixels = slices.iter().flat_map(|slice| &slice.pixels);
    let words: Vec<u16> = pixels.map(|&value| value.cast_unsigned()).collect();
    let uid = format!("{}.{}", first.series_uid, first.number);
    InMemDicomObject::from_element_iter([
        put(tags::SOP_CLASS_UID, VR::UI, "1.2.840.10008.5.1.4.1.1.2.1".into()),
        put(tags::SOP_INSTANCE_UID, VR::UI, uid.into()),
        put(tags::MODALITY, VR::CS, first.modality.as_str().into()),
        put(tags::PATIENT_ID, VR::LO, first.patient_id.as_str().into()),
        put(tags::STUDY_INSTANCE_UID, VR::UI, "1.2".into()),
        put(tags::SERIES_INSTANCE_UID, VR::UI, first.series_uid.as_str().into()),
        put(tags::NUMBER_OF_FRAMES, VR::IS, slices.len().to_string().into()),
        put(tags::SAMPLES_PER_PIXEL, VR::US, dicom_value!(U16, 1)),
        put(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2".into()),
        put(tags::ROWS, VR::US, dicom_value!(U16, first.rows)),
        put(tags::COLUMNS, VR::US, dicom_value!(U16, first.columns)),
        put(tags::BITS_ALLOCATED, VR::US, dicom_value!(U16, 16)),
        put(tags::BITS_STORED, VR::US, dicom_value!(U16, 16)),
        put(tags::HIGH_BIT, VR::US, dicom_value!(U16, 15)),
        put(tags::PIXEL_REPRESENTATION, VR::US, dicom_value!(U16, 1)),
        group(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, shared),
        sequence(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, frames.collect()),
        put(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(words.into())),
    ])
    .with_meta(FileMetaTableBuilder::new().transfer_syntax(first.transfer_syntax))
    .unwrap()
    .write_to_file(path)
    .unwrap();
}
