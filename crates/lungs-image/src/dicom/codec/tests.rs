//! Tests of the codecs with images that other programs compressed (tests/vectors).

use super::*;

const ROWS: usize = 19;
const COLUMNS: usize = 23;

/// The test picture: a slope with texture, a flat band, the least and the greatest 12-bit value.
fn picture() -> Vec<i32> {
    let mut values: Vec<i32> = (0..(ROWS * COLUMNS) as i32)
        .map(|pixel| {
            let (y, x) = (pixel / COLUMNS as i32, pixel % COLUMNS as i32);
            match y {
                6..12 => 500,
                _ => 400 + 37 * x + 53 * y + (x * x * 7 + y * 31) % 29,
            }
        })
        .collect();
    values[3 * COLUMNS + 4] = 4095;
    values[3 * COLUMNS + 5] = 0;
    values
}

fn shape(bits_allocated: u32) -> Shape {
    Shape { rows: ROWS, columns: COLUMNS, bits_allocated }
}

macro_rules! vector {
    ($name:literal) => {
        include_bytes!(concat!("../../../../../tests/vectors/", $name)).as_slice()
    };
}

fn assert_decodes(
    codec: Codec,
    bytes: &[u8],
    bits: u32,
    expected_value: impl Fn(i32) -> i32,
    tolerance: u16,
) {
    let decoded = decode(codec, bytes, shape(bits)).unwrap();
    let expected: Vec<u16> =
        picture().into_iter().map(|value| expected_value(value) as u16).collect();
    let off = decoded.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
    assert!(off <= tolerance, "{codec:?} is off by {off}");
}

#[test]
fn jpeg_ls_of_charls_decodes() {
    assert_decodes(Codec::JpegLs, vector!("jpeg-ls-16.jls"), 16, |value| value * 16, 0);
    assert_decodes(Codec::JpegLs, vector!("jpeg-ls-8.jls"), 8, |value| value >> 4, 0);
    assert_decodes(Codec::JpegLs, vector!("jpeg-ls-near-3.jls"), 16, |value| value * 16, 3);
}

#[test]
fn jpeg_2000_of_openjpeg_decodes_signed_and_unsigned() {
    let codec = Codec::Jpeg2000;
    assert_decodes(codec, vector!("jpeg-2000-unsigned-16.j2k"), 16, |value| value * 16, 0);
    assert_decodes(codec, vector!("jpeg-2000-unsigned-12.j2k"), 16, |value| value, 0);
    assert_decodes(codec, vector!("jpeg-2000-signed-16.j2k"), 16, |value| value - 1000, 0);
}

#[test]
fn high_throughput_jpeg_2000_of_openjph_decodes() {
    let codec = Codec::Htj2k;
    assert_decodes(codec, vector!("htj2k-unsigned-16.jhc"), 16, |value| value * 16, 0);
    assert_decodes(codec, vector!("htj2k-signed-16.jhc"), 16, |value| value - 1000, 0);
    assert_decodes(codec, vector!("htj2k-unsigned-8.jhc"), 8, |value| value >> 4, 0);
    assert_decodes(codec, vector!("htj2k-tiles-16.jhc"), 16, |value| value * 16, 0);
    // OpenJPH itself is off by 13, a quantization step; where in a step values lie is each decoder's choice.
    assert_decodes(codec, vector!("htj2k-lossy-16.jhc"), 16, |value| value * 16, 32);
    for syntax in ["201", "202", "203"] {
        assert_eq!(of(&format!("1.2.840.10008.1.2.4.{syntax}")).0, Some(codec));
    }
}

#[test]
fn jpeg_xl_of_libjxl_decodes() {
    let codec = Codec::JpegXl;
    assert_decodes(codec, vector!("jpeg-xl-16.jxl"), 16, |value| value * 16, 0);
    assert_decodes(codec, vector!("jpeg-xl-12.jxl"), 16, |value| value, 0);
    assert_decodes(codec, vector!("jpeg-xl-8.jxl"), 8, |value| value >> 4, 0);
    for syntax in ["110", "111", "112"] {
        assert_eq!(of(&format!("1.2.840.10008.1.2.4.{syntax}")).0, Some(codec));
    }
}

#[test]
fn every_lossless_jpeg_predictor_decodes() {
    let vectors = [
        vector!("jpeg-lossless-predictor-1.jpg"),
        vector!("jpeg-lossless-predictor-2.jpg"),
        vector!("jpeg-lossless-predictor-3.jpg"),
        vector!("jpeg-lossless-predictor-4.jpg"),
        vector!("jpeg-lossless-predictor-5.jpg"),
        vector!("jpeg-lossless-predictor-6.jpg"),
        vector!("jpeg-lossless-predictor-7.jpg"),
        vector!("jpeg-lossless-lj92.jpg"),
    ];
    for bytes in vectors {
        assert_decodes(Codec::Jpeg, bytes, 16, |value| value, 0);
    }
    assert_decodes(Codec::Jpeg, vector!("jpeg-lossless-16.jpg"), 16, |value| value * 16, 0);
}

/// The pixels of a lossy file as decoded by another program.
fn reference_pixels(name: &str) -> Vec<u16> {
    let text = include_str!("../../../../../tests/vectors/jpeg-decoded.txt");
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.split_whitespace().map(|value| value.parse().unwrap()).collect()
}

#[test]
fn lossy_jpeg_xl_decodes_as_libjxl_does() {
    let lossy = |name: &str, bytes: &[u8], bits: u32, tolerance: u16| {
        let values = decode(Codec::JpegXl, bytes, shape(bits)).unwrap();
        let reference = reference_pixels(name);
        let off = values.iter().zip(&reference).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(off.unwrap() <= tolerance && values.len() == reference.len(), "{name}: {off:?}");
    };
    lossy("jpeg-xl-of-jpeg-8", vector!("jpeg-xl-of-jpeg-8.jxl"), 8, 1);
    lossy("jpeg-xl-lossy-16", vector!("jpeg-xl-lossy-16.jxl"), 16, 2);
}

/// Compared with the output of libjpeg-turbo, for one file with a restart marker before each row of
/// blocks.
#[test]
fn sequential_dct_of_8_and_12_bits_decodes() {
    for (name, bytes, bits) in [
        ("jpeg-extended-12", vector!("jpeg-extended-12.jpg"), 16),
        ("jpeg-baseline-8", vector!("jpeg-baseline-8.jpg"), 8),
        ("jpeg-restarts-8", vector!("jpeg-restarts-8.jpg"), 8),
    ] {
        let decoded = decode(Codec::Jpeg, bytes, shape(bits)).unwrap();
        let reference = reference_pixels(name);
        assert_eq!(reference.len(), decoded.len());
        // The transform of libjpeg-turbo is in integers, ours in floats.
        assert!(decoded.iter().zip(&reference).all(|(a, b)| a.abs_diff(*b) <= 1), "{name}");
    }
}

#[test]
fn a_frame_of_another_size_is_refused_before_it_is_decoded() {
    let huge = |bytes: &[u8], at: usize| {
        let mut bytes = bytes.to_vec();
        bytes[at..at + 4].fill(0xFF);
        bytes
    };
    let sof = |bytes: &[u8], marker: u8| {
        bytes.windows(2).position(|pair| pair == [0xFF, marker]).unwrap() + 5
    };
    let jpeg = vector!("jpeg-lossless-16.jpg");
    let ls = vector!("jpeg-ls-16.jls");
    for (codec, bytes) in
        [(Codec::Jpeg, huge(jpeg, sof(jpeg, 0xC3))), (Codec::JpegLs, huge(ls, sof(ls, 0xF7)))]
    {
        let refusal = decode(codec, &bytes, shape(16)).unwrap_err();
        assert!(
            refusal.starts_with("the frame header gives 65535 rows × 65535 columns"),
            "{refusal}"
        );
    }
    let wide = huge(vector!("jpeg-2000-unsigned-16.j2k"), 8);
    let refusal = decode(Codec::Jpeg2000, &wide, shape(16)).unwrap_err();
    assert!(refusal.contains("4294967295 columns") || refusal.contains("tiles"), "{refusal}");
    let wide = huge(vector!("htj2k-unsigned-16.jhc"), 8);
    let refusal = decode(Codec::Htj2k, &wide, shape(16)).unwrap_err();
    assert!(refusal.contains("4294967295 columns") || refusal.contains("tiles"), "{refusal}");
    let other = Shape { rows: ROWS - 1, ..shape(16) };
    let refusal = decode(Codec::JpegXl, vector!("jpeg-xl-16.jxl"), other).unwrap_err();
    assert!(refusal.starts_with("the frame header gives 19 rows × 23 columns"), "{refusal}");
    let deep = decode(Codec::JpegLs, ls, shape(8)).unwrap_err();
    assert!(deep.starts_with("the frame has 16 bits per sample, expected at most 8"), "{deep}");
}

#[test]
fn frames_cut_short_are_refused_and_never_filled_in() {
    for (codec, bytes) in [
        (Codec::Jpeg, vector!("jpeg-lossless-predictor-4.jpg")),
        (Codec::Jpeg, vector!("jpeg-extended-12.jpg")),
        (Codec::JpegLs, vector!("jpeg-ls-16.jls")),
        (Codec::Jpeg2000, vector!("jpeg-2000-unsigned-16.j2k")),
        (Codec::Htj2k, vector!("htj2k-unsigned-16.jhc")),
        (Codec::Htj2k, vector!("htj2k-lossy-16.jhc")),
        (Codec::JpegXl, vector!("jpeg-xl-16.jxl")),
        (Codec::JpegXl, vector!("jpeg-xl-lossy-16.jxl")),
    ] {
        let whole = decode(codec, bytes, shape(16)).unwrap();
        for length in 0..bytes.len() {
            if let Ok(decoded) = decode(codec, &bytes[..length], shape(16)) {
                assert!(decoded == whole, "{codec:?} of {length} bytes is filled in");
            }
        }
    }
}
