use super::testing::{Nifti, TestVolume, gzip, npy, write_npz, zlib};
use super::*;
use crate::codes::ExclusionCode;
use crate::dicom::{self, HuRule};
use crate::volume::Geometry;
use crate::volume::Volume;
use lungs_testing::dicom::{TestSlice, write_series};
use proptest::prelude::*;

fn read_file(path: &Path) -> Result<(ReadVolume, VolumeHeader), FormatRefusal> {
    let header = read_header(path).expect("a volume file")?;
    Ok((read_volume(path, &header, Rounding::Standard)?, header))
}

fn read(name: &str, bytes: &[u8]) -> Result<(ReadVolume, VolumeHeader), FormatRefusal> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    read_file(&path)
}

/// Code and message of the refusal, without the path, which differs each time.
fn refusal(name: &str, bytes: &[u8]) -> (ExclusionCode, String) {
    let refusal = read(name, bytes).unwrap_err();
    let message = refusal.to_string();
    (refusal.code(), message.split_once(name).map(|(_, rest)| rest.to_owned()).unwrap_or(message))
}

/// The same volume as a DICOM series.
fn as_dicom(volume: &TestVolume) -> Volume {
    let [depth, height, width] = volume.shape;
    let slices: Vec<TestSlice> = (0..depth)
        .map(|z| {
            let mut slice = TestSlice::axial(z as i32);
            slice.position[2] = volume.origin_mm[2] + volume.spacing_mm[0] * z as f64;
            slice.pixels = (0..height * width)
                .map(|pixel| volume.hu([z, pixel / width, pixel % width]))
                .collect();
            slice
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    write_series(folder.path(), &slices);
    let scan = dicom::scan(folder.path()).unwrap();
    dicom::read_volume(&scan.series[0], HuRule::Standard).unwrap().0
}

fn assert_same_place(found: &Geometry, expected: &Geometry) {
    let flat = |g: &Geometry| [&g.spacing_mm[..], &g.origin_mm, g.axes.as_flattened()].concat();
    for (found, expected) in flat(found).iter().zip(flat(expected)) {
        // NIfTI-1 has 24-bit numbers.
        assert!((found - expected).abs() < 1e-5, "{found} {expected}");
    }
}

/// Orders of the stored axes, by the directions in which they run (fastest first).
const ORDERS: [(&str, [(usize, bool); 3]); 5] = [
    ("LPS", [(2, false), (1, false), (0, false)]),
    ("RAS", [(2, true), (1, true), (0, false)]),
    ("LAS", [(2, false), (1, true), (0, false)]),
    ("PIR, sagittal", [(1, false), (0, true), (2, true)]),
    ("SLP", [(0, false), (2, false), (1, false)]),
];

#[test]
fn every_format_and_orientation_gives_the_volume_of_the_dicom_series() {
    let expected = as_dicom(&TestVolume::axial());
    for (name, order) in ORDERS {
        let volume = TestVolume { order, ..TestVolume::axial() };
        let nifti = volume.nifti();
        let files = [
            ("a.nii", nifti.one()),
            ("a.nii", nifti.two()),
            ("a.nii.gz", gzip(&nifti.one())),
            ("a.mha", [volume.metaimage("LOCAL").into_bytes(), volume.bytes()].concat()),
        ];
        for (file, bytes) in files {
            let (found, header) = read(file, &bytes).unwrap();
            assert_eq!(found.volume.hu, expected.hu, "{name} {file}");
            assert!(found.volume.hu.is_standard_layout());
            assert_same_place(&found.volume.geometry, &expected.geometry);
            assert_eq!(header.shape(), [5, 4, 6]);
            assert_eq!(header.flags.is_empty(), name == "LPS", "{name} {:?}", header.flags);
        }
        let folder = tempfile::tempdir().unwrap();
        volume.write_metaimage(folder.path(), "1.2.3");
        let (found, _) = read_file(&folder.path().join("1.2.3.mhd")).unwrap();
        assert_eq!(found.volume.hu, expected.hu, "{name}");
        assert_same_place(&found.volume.geometry, &expected.geometry);
        assert_eq!(found.range_hu, (-1000, 307));
    }
}

#[test]
fn a_quaternion_places_voxels_as_the_matrix_does_and_the_matrix_is_preferred() {
    // A half turn about z takes RAS to LPS: i = j = 0, k = 1. Depth from head to feet: qfac −1.
    let volume = TestVolume { order: ORDERS[0].1, ..TestVolume::axial() };
    let expected = read("a.nii", &volume.nifti().one()).unwrap().0.volume;
    let mut nifti = Nifti { sform: None, ..volume.nifti() };
    nifti.qform = Some([0.0, 0.0, 1.0, 10.0, 20.0, -100.0]);
    let found = read("a.nii", &nifti.two()).unwrap().0.volume;
    assert_eq!(found.hu, expected.hu);
    assert_same_place(&found.geometry, &expected.geometry);

    let feet_first = [(2, false), (1, false), (0, true)];
    let turned = TestVolume { order: feet_first, ..volume.clone() };
    let mut nifti = Nifti { sform: None, ..turned.nifti() };
    nifti.pixdim[0] = -1.0;
    nifti.qform = Some([0.0, 0.0, 1.0, 10.0, 20.0, -90.0]);
    let found = read("a.nii", &nifti.one()).unwrap().0.volume;
    assert_eq!(found.hu, expected.hu);
    assert_same_place(&found.geometry, &expected.geometry);

    // With both, the invalid quaternion is ignored.
    let mut both = volume.nifti();
    both.qform = Some([0.5, 0.5, 0.5, 0.0, 0.0, 0.0]);
    assert_eq!(read("a.nii", &both.one()).unwrap().0.volume.hu, expected.hu);
}

#[test]
fn voxel_sizes_alone_are_used_with_a_flag() {
    let volume = TestVolume { order: ORDERS[1].1, ..TestVolume::axial() };
    let nifti = Nifti { sform: None, ..volume.nifti() };
    let (found, header) = read("a.nii", &nifti.one()).unwrap();
    assert_eq!(header.flags, ["orientation-assumed", "reoriented"]);
    assert_eq!(found.volume.hu, as_dicom(&TestVolume::axial()).hu);
}

#[test]
fn every_type_and_byte_order_gives_the_same_hounsfield_units() {
    let volume = TestVolume::axial();
    let stored: Vec<i16> = volume.stored();
    let expected = read("a.nii", &volume.nifti().one()).unwrap().0.volume.hu;
    let pack = |each: &dyn Fn(i16) -> Vec<u8>| stored.iter().flat_map(|v| each(*v)).collect();
    type Each<'a> = &'a dyn Fn(i16) -> Vec<u8>;
    let wide: [(i16, &str, usize, f64, Each); 4] = [
        (8, "MET_INT", 4, 0.0, &|v| i32::from(v).to_le_bytes().to_vec()),
        (16, "MET_FLOAT", 4, 0.0, &|v| f32::from(v).to_le_bytes().to_vec()),
        (64, "MET_DOUBLE", 8, 0.0, &|v| f64::from(v).to_le_bytes().to_vec()),
        (512, "", 2, -2000.0, &|v| ((i32::from(v) + 2000) as u16).to_le_bytes().to_vec()),
    ];
    for (datatype, name, size, intercept, each) in wide {
        for big_endian in [false, true] {
            let mut data: Vec<u8> = pack(each);
            if big_endian {
                data.chunks_exact_mut(size).for_each(<[u8]>::reverse);
            }
            let nifti = Nifti {
                datatype,
                bitpix: 8 * size as i16,
                slope: [1.0, intercept],
                big_endian,
                data: data.clone(),
                ..volume.nifti()
            };
            for bytes in [nifti.one(), nifti.two()] {
                assert_eq!(read("a.nii", &bytes).unwrap().0.volume.hu, expected, "{datatype}");
            }
            if name.is_empty() {
                continue;
            }
            let head = volume.metaimage("LOCAL").replace("MET_SHORT", name);
            let order = format!("MSB = {}", if big_endian { "True" } else { "False" });
            let head = head.replace("MSB = False", &order);
            let bytes = [head.into_bytes(), data].concat();
            assert_eq!(read("a.mha", &bytes).unwrap().0.volume.hu, expected, "{name}");
        }
    }
    // One byte: steps of 10 HU.
    let coarse = |v: i16| ((f32::from(v) + 1000.0) / 10.0).floor() as u8;
    let rounded = expected.mapv(|v| i16::from(coarse(v)) * 10 - 1000);
    for (datatype, shift) in [(2, 0), (256, 128)] {
        let nifti = Nifti {
            datatype,
            bitpix: 8,
            slope: [10.0, -1000.0 + 10.0 * f64::from(shift)],
            data: stored.iter().map(|v| coarse(*v).wrapping_sub(shift as u8)).collect(),
            ..volume.nifti()
        };
        assert_eq!(read("a.nii", &nifti.one()).unwrap().0.volume.hu, rounded, "{datatype}");
    }
}

#[test]
fn values_are_rounded_floored_and_clamped() {
    let volume = TestVolume::axial();
    let mut values: Vec<f32> = volume.stored().into_iter().map(f32::from).collect();
    values[..6].copy_from_slice(&[-3024.0, -0.6, 0.5, 1e9, -1024.4, 39.49]);
    let data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let nifti = Nifti { datatype: 16, bitpix: 32, data, ..volume.nifti() };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.nii");
    std::fs::write(&path, nifti.one()).unwrap();
    let header = read_header(&path).unwrap().unwrap();
    let first = |rounding| {
        let read = read_volume(&path, &header, rounding).unwrap();
        read.volume.hu.iter().copied().take(6).collect::<Vec<i16>>()
    };
    assert_eq!(first(Rounding::Standard), [-1024, -1, 1, i16::MAX, -1024, 39]);
    assert_eq!(first(Rounding::Lungs015), [-3024, 0, 0, i16::MAX, -1024, 39]);
}

#[test]
fn values_that_are_not_hounsfield_units_are_refused_with_their_range() {
    let volume = TestVolume::axial();
    let with = |change: &dyn Fn(f32) -> f32| {
        let values = volume.stored().into_iter().map(|value| change(f32::from(value)));
        let data = values.flat_map(|value| value.to_le_bytes()).collect();
        Nifti { datatype: 16, bitpix: 32, data, ..volume.nifti() }.one()
    };
    let mask = refusal("a.nii", &with(&|value| f32::from(u8::from(value > 0.0))));
    assert_eq!(mask.0, "not-hounsfield");
    assert!(mask.1.contains("values run from 0 to 1, expected Hounsfield units"), "{mask:?}");
    let shifted = refusal("a.nii", &with(&|value| value + 1024.0));
    assert!(shifted.1.contains("values run from 24 to 1331"), "{shifted:?}");
    assert_eq!(refusal("a.nii", &with(&|_| -1000.0)).0, "not-hounsfield");
    let numbers = refusal("a.nii", &with(&|value| if value > 290.0 { f32::NAN } else { value }));
    assert_eq!(numbers.0, "not-hounsfield");
    assert!(numbers.1.contains("3 voxel values that are not finite numbers"), "{numbers:?}");
}

#[test]
fn several_values_per_voxel_or_volume_are_refused() {
    let nifti = TestVolume::axial().nifti();
    let mut four = nifti.clone();
    four.dim = [4, 6, 4, 5, 2, 1, 1, 1];
    assert_eq!(refusal("a.nii", &four.one()).0, "not-one-volume");
    four.dim[4] = 1;
    assert!(read("a.nii", &four.one()).is_ok(), "one volume of a series is one volume");
    let colours = Nifti { datatype: 128, bitpix: 24, ..nifti };
    assert!(refusal("a.nii", &colours.one()).1.contains("datatype is 128 (colours)"));
    let head = TestVolume::axial().metaimage("LOCAL");
    for (from, to) in
        [("NDims = 3", "NDims = 2"), ("ElementType", "ElementNumberOfChannels = 3\nElementType")]
    {
        assert_eq!(refusal("a.mha", head.replace(from, to).as_bytes()).0, "not-one-volume");
    }
}

#[test]
fn sheared_and_oblique_grids_are_refused() {
    let mut nifti = TestVolume::axial().nifti();
    let (sin, cos) = 30_f64.to_radians().sin_cos();
    nifti.sform = Some([
        [-0.8, 0.0, 0.0, 10.0],
        [0.0, -0.7 * cos, 2.5 * sin, 20.0],
        [0.0, 0.7 * sin, 2.5 * cos, -100.0],
    ]);
    let error = refusal("a.nii", &nifti.one());
    assert!(error.0 == "oblique" && error.1.contains("30 degrees"), "{error:?}");
    nifti.sform =
        Some([[-0.8, 0.0, 0.0, 0.0], [0.0, -0.7, 2.5 * sin, 0.0], [0.0, 0.0, 2.5 * cos, 0.0]]);
    let error = refusal("a.nii", &nifti.one());
    assert!(error.0 == "gantry-tilt" && error.1.contains("sheared by 30.0 degrees"), "{error:?}");
}

#[test]
fn pairs_of_files_are_refused_with_advice() {
    let mut bytes = TestVolume::axial().nifti().one();
    bytes[344..348].copy_from_slice(b"ni1\0");
    for name in ["a.hdr", "a.nii"] {
        let error = refusal(name, &bytes);
        assert_eq!(error.0, "unsupported-format");
        assert!(
            error
                .1
                .ends_with("convert it to one .nii or .nii.gz file, which keeps the orientation")
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other.hdr");
    std::fs::write(&other, "ENVI\nsamples = 3\n").unwrap();
    assert_eq!(read_header(&other), None);
}

#[test]
fn metaimage_data_stays_in_its_folder_and_is_one_file() {
    let volume = TestVolume::axial();
    for outside in ["../a.raw", "/etc/passwd", "x/../../a.raw"] {
        let error = refusal("a.mhd", volume.metaimage(outside).as_bytes());
        assert_eq!(error.0, "data-outside", "{outside}");
    }
    for several in ["LIST", "LIST 2", "slice%03d.raw 1 5 1", ""] {
        let error = refusal("a.mhd", volume.metaimage(several).as_bytes());
        assert_eq!(error.0, "unsupported-format", "{several}");
    }
    assert_eq!(refusal("a.mhd", volume.metaimage("absent.raw").as_bytes()).0, "unreadable");
}

#[test]
fn metaimage_data_may_be_compressed_or_follow_a_header() {
    let volume = TestVolume::axial();
    let expected = as_dicom(&volume).hu;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let head = |data: &str| volume.metaimage(data);
    std::fs::write(at("a.zraw"), zlib(&volume.bytes())).unwrap();
    let packed = head("a.zraw").replace("CompressedData = False", "CompressedData = True");
    std::fs::write(at("a.mhd"), packed).unwrap();
    assert_eq!(read_file(&at("a.mhd")).unwrap().0.volume.hu, expected);
    std::fs::write(at("b.raw"), [vec![7; 11], volume.bytes()].concat()).unwrap();
    for size in ["11", "-1"] {
        let with = head("b.raw").replace("ObjectType", &format!("HeaderSize = {size}\nObjectType"));
        std::fs::write(at("b.mhd"), with).unwrap();
        assert_eq!(read_file(&at("b.mhd")).unwrap().0.volume.hu, expected, "{size}");
    }
}

#[test]
fn the_prepared_volume_of_the_package_is_read_with_an_assumed_spacing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npz");
    let volume = TestVolume::axial();
    write_npz(&path, &[("data", npy("<i2", "False", "(5, 4, 6)", &volume.bytes()))]);
    let (found, header) = read_file(&path).unwrap();
    assert_eq!(header.flags, ["spacing-assumed"]);
    assert_eq!(found.volume.geometry.spacing_mm, [1.5; 3]);
    assert_eq!(found.volume.hu, as_dicom(&volume).hu);
    // The same array in Fortran's order: depth runs fastest.
    let turned = TestVolume { order: [(0, false), (1, false), (2, false)], ..volume };
    write_npz(&path, &[("data", npy("<i2", "True", "(5, 4, 6)", &turned.bytes()))]);
    assert_eq!(read_file(&path).unwrap().0.volume, found.volume);
    // Archives without an array `data` are other files.
    write_npz(&path, &[("weights", npy("<f8", "False", "(2,)", &[0; 16]))]);
    assert_eq!(read_header(&path), None);
}

#[test]
fn hostile_arrays_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npz");
    let code = |array: Vec<u8>| {
        write_npz(&path, &[("data", array)]);
        read_file(&path).unwrap_err().code()
    };
    assert_eq!(code(npy("<f4", "False", "(5, 4, 6)", &[0; 480])), "bad-header");
    assert_eq!(code(npy("<i2", "False", "(5, 4)", &[0; 40])), "not-one-volume");
    assert_eq!(code(npy("<i2", "False", "(5, 4, 6)", &[0; 239])), "truncated");
    assert_eq!(code(npy("<i2", "False", "(99999999, 99999999, 9999999)", &[])), "truncated");
    assert_eq!(code(npy("<i2", "False", "(-5, 4, 6)", &[0; 480])), "truncated");
    assert_eq!(code(b"\x93NUMPY\x02\0\xff\xff\xff\xff".to_vec()), "bad-header");
    assert_eq!(code(b"\x93NUM".to_vec()), "undecodable");
    std::fs::write(&path, b"PK\x03\x04rest").unwrap();
    assert_eq!(read_file(&path).unwrap_err().code(), "undecodable");
}

#[test]
fn files_cut_short_anywhere_are_refused_and_never_read_past() {
    let volume = TestVolume::axial();
    let nifti = volume.nifti();
    let local = [volume.metaimage("LOCAL").into_bytes(), volume.bytes()].concat();
    let packed =
        volume.metaimage("LOCAL").replace("CompressedData = False", "CompressedData = True");
    let packed = [packed.into_bytes(), zlib(&volume.bytes())].concat();
    for (name, whole) in [
        ("a.nii", nifti.one()),
        ("a.nii", nifti.two()),
        ("a.nii.gz", gzip(&nifti.one())),
        ("a.mha", local),
        ("a.mha", packed),
    ] {
        assert!(read(name, &whole).is_ok());
        for length in (0..whole.len()).rev().step_by(11) {
            assert!(read(name, &whole[..length]).is_err(), "{name} {length}");
        }
    }
    let error = refusal("a.nii", &nifti.one()[..500]);
    assert_eq!(error.1, ": 148 bytes of voxels, expected 240: the file is cut short");
}

#[test]
fn a_header_with_absurd_lengths_is_refused_before_memory_is_allocated() {
    let mut nifti = TestVolume::axial().nifti();
    nifti.dim = [3, 4000, 4000, 4000, 1, 1, 1, 1];
    assert_eq!(refusal("a.nii", &nifti.one()).0, "bad-header");
    // 1024³ in a small gzip file: more than deflate can pack.
    nifti.dim = [3, 1024, 1024, 1024, 1, 1, 1, 1];
    assert_eq!(refusal("a.nii", &nifti.one()).0, "truncated");
    assert_eq!(refusal("a.nii.gz", &gzip(&nifti.one())).0, "truncated");
    nifti.dim = [3, i64::MAX, i64::MIN, -1, 1, 1, 1, 1];
    assert_eq!(refusal("a.nii", &nifti.two()).0, "bad-header");
    let head = TestVolume::axial().metaimage("LOCAL");
    let head = head.replace("DimSize = 6 4 5", "DimSize = 99999999999 9 9");
    assert_eq!(refusal("a.mha", head.as_bytes()).0, "bad-header");
}

#[test]
fn damage_within_compressed_voxels_is_an_error() {
    let volume = TestVolume::axial();
    let mut bytes = gzip(&volume.nifti().one());
    let end = bytes.len() - 6; // the checksum
    bytes[end] ^= 1;
    assert_eq!(refusal("a.nii.gz", &bytes).0, "undecodable");
}

#[test]
fn names_identify_volume_files_and_their_series() {
    for (name, series) in [
        ("1.3.6.1.4.mhd", "1.3.6.1.4"),
        ("1.2.nii.gz", "1.2"),
        ("Ct.NII", "Ct"),
        ("a.mha", "a"),
        ("a.npz", "a"),
    ] {
        assert!(is_volume_name(name));
        assert_eq!(stem(name), series);
    }
    for name in ["a.dcm", "a.gz", "a.raw", "nii", "a.mhd.txt"] {
        assert!(!is_volume_name(name), "{name}");
    }
}

proptest! {
    #[test]
    fn any_order_of_axes_gives_the_same_volume(
        permutation in 0usize..6,
        flips: [bool; 3],
        shape in prop::array::uniform3(2usize..5),
        two: bool,
    ) {
        let permutation =
            [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]][permutation];
        // At least four slices, so that there is air and tissue.
        let shape = [shape[0] + 2, shape[1], shape[2]];
        let plain = TestVolume { shape, ..TestVolume::axial() };
        let order = std::array::from_fn(|axis| (permutation[axis], flips[axis]));
        let stored = TestVolume { order, ..plain.clone() };
        let nifti = stored.nifti();
        let bytes = if two { nifti.two() } else { nifti.one() };
        let expected = read("a.nii", &plain.nifti().two()).unwrap().0.volume;
        let head = stored.metaimage("LOCAL").into_bytes();
        for (name, bytes) in [("a.nii", bytes), ("a.mha", [head, stored.bytes()].concat())] {
            let found = read(name, &bytes).unwrap().0.volume;
            prop_assert_eq!(&found.hu, &expected.hu);
            assert_same_place(&found.geometry, &expected.geometry);
        }
    }

    #[test]
    fn damaged_headers_never_panic(
        at in prop::collection::vec((0usize..540, any::<u8>()), 1..6),
        kind in 0usize..3,
    ) {
        let volume = TestVolume::axial();
        let (name, mut bytes) = match kind {
            0 => ("a.nii", volume.nifti().one()),
            1 => ("a.nii", volume.nifti().two()),
            _ => ("a.mha", [volume.metaimage("LOCAL").into_bytes(), volume.bytes()].concat()),
        };
        for (index, byte) in at {
            bytes[index] = byte;
        }
        let _ = read(name, &bytes);
    }
}
