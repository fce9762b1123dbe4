//! JPEG (ITU-T T.81) as DICOM uses it for grey images: sequential DCT of 8 and 12 bits (processes
//! 1, 2, 4) and lossless (process 14), Huffman-coded, one component. Names follow the standard.

mod dct;
mod header;
mod huffman;
mod lossless;

use header::{Header, Process};

use super::Shape;

pub(super) fn decode(frame: &[u8], shape: Shape) -> Result<Vec<u16>, String> {
    let header = Header::read(frame, shape)?;
    let mut out = vec![0_u16; shape.pixels()];
    match header.process {
        Process::Sequential => dct::decode(&header, shape, &mut out)?,
        Process::Lossless => lossless::decode(&header, shape, &mut out)?,
    }
    Ok(out)
}
