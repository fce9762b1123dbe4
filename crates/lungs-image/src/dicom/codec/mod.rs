//! Decodes compressed frames to stored values: one grey image each, in memory, from untrusted bytes.
//!
//! Every decoder compares the size in the frame's header with that of the image before it allocates,
//! reads only within its input, and fails if the input ends early: no pixel is filled in. Samples are
//! the bit patterns of the stored values.

mod jpeg;
mod jpeg2000;
mod jpeg_ls;
mod jpeg_xl;
mod rle;
mod shape;

/// A compression of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    Rle,
    Jpeg,
    JpegLs,
    Jpeg2000,
    /// High-Throughput JPEG 2000.
    Htj2k,
    JpegXl,
}

/// The codec of a transfer syntax, `None` without decoder, and the name of the syntax.
pub(super) fn of(uid: &str) -> (Option<Codec>, &'static str) {
    use Codec::{Htj2k, Jpeg, Jpeg2000, JpegLs, JpegXl, Rle};
    match uid {
        "1.2.840.10008.1.2.5" => (Some(Rle), "RLE Lossless"),
        "1.2.840.10008.1.2.4.50" => (Some(Jpeg), "JPEG Baseline (Process 1)"),
        "1.2.840.10008.1.2.4.51" => (Some(Jpeg), "JPEG Extended (Process 2 & 4)"),
        "1.2.840.10008.1.2.4.57" => (Some(Jpeg), "JPEG Lossless (Process 14)"),
        "1.2.840.10008.1.2.4.70" => (Some(Jpeg), "JPEG Lossless (Process 14, Selection Value 1)"),
        "1.2.840.10008.1.2.4.80" => (Some(JpegLs), "JPEG-LS Lossless"),
        "1.2.840.10008.1.2.4.81" => (Some(JpegLs), "JPEG-LS Lossy (Near-Lossless)"),
        "1.2.840.10008.1.2.4.90" => (Some(Jpeg2000), "JPEG 2000 (Lossless Only)"),
        "1.2.840.10008.1.2.4.91" => (Some(Jpeg2000), "JPEG 2000"),
        "1.2.840.10008.1.2.4.53" => (None, "JPEG Spectral Selection (Process 6 & 8, retired)"),
        "1.2.840.10008.1.2.4.55" => (None, "JPEG Full Progression (Process 10 & 12, retired)"),
        "1.2.840.10008.1.2.4.92" | "1.2.840.10008.1.2.4.93" => (None, "JPEG 2000 Part 2"),
        "1.2.840.10008.1.2.4.201" => (Some(Htj2k), "High-Throughput JPEG 2000 (Lossless Only)"),
        "1.2.840.10008.1.2.4.202" => {
            (Some(Htj2k), "High-Throughput JPEG 2000 with RPCL (Lossless Only)")
        }
        "1.2.840.10008.1.2.4.203" => (Some(Htj2k), "High-Throughput JPEG 2000"),
        "1.2.840.10008.1.2.4.110" => (Some(JpegXl), "JPEG XL Lossless"),
        "1.2.840.10008.1.2.4.111" => (Some(JpegXl), "JPEG XL JPEG Recompression"),
        "1.2.840.10008.1.2.4.112" => (Some(JpegXl), "JPEG XL"),
        _ if uid.starts_with("1.2.840.10008.1.2.4.10") => (None, "MPEG video"),
        _ if uid.starts_with("1.2.840.10008.1.2.4.") => (None, "a retired JPEG process"),
        _ => (None, "unknown"),
    }
}

/// Decodes one frame.
///
/// # Errors
/// The damage of the frame, as a sentence.
pub(super) fn decode(codec: Codec, frame: &[u8], shape: Shape) -> Result<Vec<u16>, String> {
    match codec {
        Codec::Rle => rle::decode(frame, shape),
        Codec::Jpeg => jpeg::decode(frame, shape),
        Codec::JpegLs => jpeg_ls::decode(frame, shape),
        Codec::Jpeg2000 => jpeg2000::decode(frame, shape),
        Codec::Htj2k => jpeg2000::decode_high_throughput(frame, shape),
        Codec::JpegXl => jpeg_xl::decode(frame, shape),
    }
}

#[cfg(test)]
mod tests;

pub(super) use shape::Shape;
