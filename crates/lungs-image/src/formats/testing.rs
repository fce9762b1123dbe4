//! Volume files for tests, byte by byte.

use std::io::Write;
use std::path::Path;

/// A small chest-like volume in canonical order, and how a file stores it.
#[derive(Clone, Debug)]
pub(crate) struct TestVolume {
    /// Voxels along canonical depth, height, width.
    pub shape: [usize; 3],
    /// Canonical spacing.
    pub spacing_mm: [f64; 3],
    /// Canonical origin, LPS.
    pub origin_mm: [f64; 3],
    /// For each stored axis, fastest first: its canonical axis, and whether it runs backwards.
    pub order: [(usize, bool); 3],
}

impl TestVolume {
    /// 5 slices of 4 rows by 6 columns, stored in canonical order; the grid of
    /// [`lungs_testing::dicom::TestSlice::axial`].
    pub(crate) fn axial() -> Self {
        Self {
            shape: [5, 4, 6],
            spacing_mm: [2.5, 0.7, 0.8],
            origin_mm: [-10.0, -20.0, -100.0],
            order: [(2, false), (1, false), (0, false)],
        }
    }

    /// The value of a canonical voxel: air below, tissue above.
    pub(crate) fn hu(&self, [z, y, x]: [usize; 3]) -> i16 {
        (300 * z + 24 * y + 7 * x) as i16 - 1000
    }

    /// Lengths of the stored axes, fastest first.
    pub(crate) fn lengths(&self) -> [usize; 3] {
        self.order.map(|(axis, _)| self.shape[axis])
    }

    /// Values in the order in which they are stored.
    pub(crate) fn stored(&self) -> Vec<i16> {
        let [a, b, c] = self.lengths();
        let mut values = Vec::new();
        for k in 0..c {
            for j in 0..b {
                for i in 0..a {
                    let mut at = [0; 3];
                    for ((axis, is_backwards), index) in self.order.iter().zip([i, j, k]) {
                        at[*axis] =
                            if *is_backwards { self.shape[*axis] - 1 - index } else { index };
                    }
                    values.push(self.hu(at));
                }
            }
        }
        values
    }

    /// Unit vectors (LPS) along the stored axes, fastest first.
    pub(crate) fn directions(&self) -> [[f64; 3]; 3] {
        self.order.map(|(axis, is_backwards)| {
            let mut direction = [0.0; 3];
            direction[2 - axis] = if is_backwards { -1.0 } else { 1.0 };
            direction
        })
    }

    /// Spacing of the stored axes, fastest first.
    pub(crate) fn stored_spacing_mm(&self) -> [f64; 3] {
        self.order.map(|(axis, _)| self.spacing_mm[axis])
    }

    /// The first stored voxel, LPS.
    pub(crate) fn stored_origin_mm(&self) -> [f64; 3] {
        let mut origin = self.origin_mm;
        for (axis, is_backwards) in self.order {
            if is_backwards {
                origin[2 - axis] += (self.shape[axis] - 1) as f64 * self.spacing_mm[axis];
            }
        }
        origin
    }

    /// Values as little-endian int16.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.stored().iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    /// A NIfTI-1 file with an sform.
    pub(crate) fn nifti(&self) -> Nifti {
        let (directions, origin) = (self.directions(), self.stored_origin_mm());
        let spacing = self.stored_spacing_mm();
        let to_ras = [-1.0, -1.0, 1.0];
        let sform = std::array::from_fn(|row| {
            let step = |column: usize| to_ras[row] * directions[column][row] * spacing[column];
            [step(0), step(1), step(2), to_ras[row] * origin[row]]
        });
        let [a, b, c] = self.lengths().map(|length| length as i64);
        Nifti {
            dim: [3, a, b, c, 1, 1, 1, 1],
            datatype: 4,
            bitpix: 16,
            pixdim: [1.0, spacing[0], spacing[1], spacing[2]],
            vox_offset: None,
            slope: [0.0, 0.0],
            qform: None,
            sform: Some(sform),
            big_endian: false,
            data: self.bytes(),
        }
    }

    /// A MetaImage header.
    pub(crate) fn metaimage(&self, data_file: &str) -> String {
        let text = |values: &[f64]| values.iter().map(f64::to_string).collect::<Vec<_>>().join(" ");
        let [a, b, c] = self.lengths();
        format!(
            "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n\
             CompressedData = False\nTransformMatrix = {}\nOffset = {}\nCenterOfRotation = 0 0 0\n\
             AnatomicalOrientation = RAI\nElementSpacing = {}\nDimSize = {a} {b} {c}\n\
             ElementType = MET_SHORT\nElementDataFile = {data_file}\n",
            text(self.directions().as_flattened()),
            text(&self.stored_origin_mm()),
            text(&self.stored_spacing_mm()),
        )
    }

    /// Writes a `.mhd` and its `.raw`.
    pub(crate) fn write_metaimage(&self, folder: &Path, name: &str) {
        std::fs::create_dir_all(folder).unwrap();
        let raw = format!("{name}.raw");
        std::fs::write(folder.join(format!("{name}.mhd")), self.metaimage(&raw)).unwrap();
        std::fs::write(folder.join(raw), self.bytes()).unwrap();
    }
}

/// The fields of a NIfTI file.
#[derive(Clone, Debug)]
pub(crate) struct Nifti {
    pub dim: [i64; 8],
    pub datatype: i16,
    pub bitpix: i16,
    pub pixdim: [f64; 4],
    pub vox_offset: Option<f64>,
    pub slope: [f64; 2],
    /// Quaternion b, c, d and offset x, y, z (RAS).
    pub qform: Option<[f64; 6]>,
    /// Rows of the affine (RAS).
    pub sform: Option<[[f64; 4]; 3]>,
    pub big_endian: bool,
    pub data: Vec<u8>,
}

impl Nifti {
    fn put(&self, bytes: &mut [u8], at: usize, little: &[u8]) {
        let field = &mut bytes[at..at + little.len()];
        field.copy_from_slice(little);
        if self.big_endian {
            field.reverse();
        }
    }

    /// Version 1.
    pub(crate) fn one(&self) -> Vec<u8> {
        let mut bytes = vec![0; 352];
        let mut int = |at, value: i16| self.put(&mut bytes, at, &value.to_le_bytes());
        for (index, value) in self.dim.iter().enumerate() {
            int(40 + 2 * index, *value as i16);
        }
        int(70, self.datatype);
        int(72, self.bitpix);
        int(252, i16::from(self.qform.is_some()));
        int(254, i16::from(self.sform.is_some()));
        self.put(&mut bytes, 0, &348_i32.to_le_bytes());
        let mut float = |at, value: f64| self.put(&mut bytes, at, &(value as f32).to_le_bytes());
        for (index, value) in self.pixdim.iter().enumerate() {
            float(76 + 4 * index, *value);
        }
        float(108, self.vox_offset.unwrap_or(352.0));
        float(112, self.slope[0]);
        float(116, self.slope[1]);
        for (index, value) in self.qform.iter().flatten().enumerate() {
            float(256 + 4 * index, *value);
        }
        for (index, value) in self.sform.iter().flatten().flatten().enumerate() {
            float(280 + 4 * index, *value);
        }
        bytes[123] = 2;
        bytes[344..348].copy_from_slice(b"n+1\0");
        bytes.extend(&self.data);
        bytes
    }

    /// Version 2.
    pub(crate) fn two(&self) -> Vec<u8> {
        let mut bytes = vec![0; 544];
        self.put(&mut bytes, 0, &540_i32.to_le_bytes());
        bytes[4..12].copy_from_slice(b"n+2\0\r\n\x1a\n");
        self.put(&mut bytes, 12, &self.datatype.to_le_bytes());
        self.put(&mut bytes, 14, &self.bitpix.to_le_bytes());
        for (index, value) in self.dim.iter().enumerate() {
            self.put(&mut bytes, 16 + 8 * index, &value.to_le_bytes());
        }
        let mut float = |at, value: f64| self.put(&mut bytes, at, &value.to_le_bytes());
        for (index, value) in self.pixdim.iter().enumerate() {
            float(104 + 8 * index, *value);
        }
        float(176, self.slope[0]);
        float(184, self.slope[1]);
        for (index, value) in self.qform.iter().flatten().enumerate() {
            float(352 + 8 * index, *value);
        }
        for (index, value) in self.sform.iter().flatten().flatten().enumerate() {
            float(400 + 8 * index, *value);
        }
        self.put(&mut bytes, 168, &544_i64.to_le_bytes());
        self.put(&mut bytes, 344, &i32::from(self.qform.is_some()).to_le_bytes());
        self.put(&mut bytes, 348, &i32::from(self.sform.is_some()).to_le_bytes());
        self.put(&mut bytes, 500, &2_i32.to_le_bytes());
        bytes.extend(&self.data);
        bytes
    }
}

/// Bytes in gzip.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

/// Bytes in zlib.
pub(crate) fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

/// The bytes of a `.npy` file.
pub(crate) fn npy(descr: &str, fortran: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let text = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}");
    let text = format!("{text:117}\n");
    let mut bytes = b"\x93NUMPY\x01\0".to_vec();
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.bytes());
    bytes.extend(data);
    bytes
}

/// Writes a `.npz` of named `.npy` files, compressed as `numpy.savez_compressed` does.
pub(crate) fn write_npz(path: &Path, arrays: &[(&str, Vec<u8>)]) {
    let mut archive = zip::ZipWriter::new(std::fs::File::create(path).unwrap());
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated);
    for (name, bytes) in arrays {
        archive.start_file(format!("{name}.npy"), options).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap();
}
