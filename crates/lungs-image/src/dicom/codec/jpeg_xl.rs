//! JPEG XL with the `jxl` crate of the JPEG XL project.

use std::panic::{AssertUnwindSafe, catch_unwind};

use jxl::api::{
    Endianness, Event, JxlBasicInfo, JxlBitDepth, JxlColorType, JxlDataFormat, JxlDecoder,
    JxlDecoderOptions, JxlOutputBuffer, JxlPixelFormat, ProfileLevel,
};

use super::Shape;

/// Working channels per sample of a grey image: lossy images are coded in three.
const WORKING_CHANNELS: usize = 4;

pub(super) fn decode(frame: &[u8], shape: Shape) -> Result<Vec<u16>, String> {
    // A panic on a damaged file must not stop the other series.
    catch_unwind(AssertUnwindSafe(|| samples(frame, shape)))
        .unwrap_or_else(|_| Err("the decoder failed on damaged data".to_owned()))
}

fn samples(frame: &[u8], shape: Shape) -> Result<Vec<u16>, String> {
    let mut options = JxlDecoderOptions::default();
    // In DICOM the header gives the orientation.
    options.adjust_orientation = false;
    options.high_precision = true;
    options.max_profile_level = ProfileLevel::Main10;
    options.sample_limit = Some(shape.pixels().saturating_mul(WORKING_CHANNELS));
    let mut decoder = JxlDecoder::new(options);
    let mut input = frame;
    let bytes_per_row = shape.columns * size_of::<u16>();
    let mut buffer = Vec::new();
    let mut complete = false;
    loop {
        let event = if buffer.is_empty() {
            decoder.process(&mut input, None, None)
        } else {
            let mut rows = [JxlOutputBuffer::new(&mut buffer, shape.rows, bytes_per_row)];
            decoder.process(&mut input, Some(&mut rows), None)
        };
        match event.map_err(|error| error.to_string())? {
            Event::NeedMoreInput { .. } => return Err("the data ends early".to_owned()),
            Event::BasicInfo => {
                let info = decoder.basic_info().ok_or("no header")?;
                let format = format(info, shape)?;
                decoder.set_pixel_format(format).map_err(|error| error.to_string())?;
                buffer = vec![0; shape.rows * bytes_per_row];
            }
            Event::FrameHeader => {}
            Event::FrameComplete { has_more_frames: true } => {
                return Err("several frames, expected 1".to_owned());
            }
            Event::FrameComplete { .. } => complete = true,
            Event::Complete if complete => break,
            Event::Complete => return Err("no frame".to_owned()),
        }
    }
    Ok(buffer.as_chunks().0.iter().map(|&pair| u16::from_le_bytes(pair)).collect())
}

/// The format of stored samples, after a comparison of the header with the expected size.
fn format(info: &JxlBasicInfo, shape: Shape) -> Result<JxlPixelFormat, String> {
    let JxlBitDepth::Int { bits_per_sample } = info.bit_depth else {
        return Err("floating-point samples, expected whole numbers".to_owned());
    };
    let (columns, rows) = info.size;
    shape.check(rows, columns, bits_per_sample)?;
    if !info.extra_channels.is_empty() {
        return Err(format!("{} extra channels, expected none", info.extra_channels.len()));
    }
    let bit_depth = u8::try_from(bits_per_sample).unwrap_or(u8::MAX);
    let data = JxlDataFormat::U16 { endianness: Endianness::LittleEndian, bit_depth };
    Ok(JxlPixelFormat {
        // The decoder refuses to convert colour images to grey.
        color_type: JxlColorType::Grayscale,
        color_data_format: Some(data),
        extra_channel_format: Vec::new(),
    })
}
