//! The tables and the frame of a JPEG file.

use super::super::Shape;
use super::dct::read_quantisation;
use super::huffman::{Bits, EncodedTable, Table, read_tables};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Process {
    Sequential,
    Lossless,
}

/// All values before the entropy-coded data of the single scan.
pub(super) struct Header<'a> {
    pub(super) process: Process,
    pub(super) precision: u32,
    /// Samples (lossless) or blocks between restart markers; 0: none.
    pub(super) restart_interval: usize,
    /// Quantisation table of the component, in zigzag order.
    pub(super) quantisation: [u16; 64],
    pub(super) dc: Table,
    pub(super) ac: Option<Table>,
    /// Ss, the predictor of lossless scans.
    pub(super) predictor: u8,
    /// Al, the point transform of lossless scans.
    pub(super) point_transform: u32,
    pub(super) scan: &'a [u8],
}

/// Values of the frame header (SOF).
struct Frame {
    process: Process,
    precision: u32,
    quantisation: usize,
}

impl<'a> Header<'a> {
    pub(super) fn read(bytes: &'a [u8], shape: Shape) -> Result<Self, String> {
        if !bytes.starts_with(&[0xFF, 0xD8]) {
            return Err("no JPEG image, expected an SOI marker at its start".to_owned());
        }
        let mut at = 2;
        let mut frame = None;
        let mut restart_interval = 0;
        let mut quantisation: [Option<[u16; 64]>; 4] = [None; 4];
        let mut tables: [[Option<EncodedTable>; 4]; 2] = [[None; 4]; 2];
        loop {
            let cut = || "the frame is cut short in its header".to_owned();
            let &[0xFF, marker] = bytes.get(at..at + 2).ok_or_else(cut)? else {
                return Err(format!("no marker at byte {at} of the frame"));
            };
            if marker == 0xFF {
                at += 1;
                continue;
            }
            let length = bytes.get(at + 2..at + 4).ok_or_else(cut)?;
            let length = usize::from(u16::from_be_bytes([length[0], length[1]])).max(2);
            let segment = bytes.get(at + 4..at + 2 + length).ok_or_else(cut)?;
            at += 2 + length;
            match marker {
                0xC0 | 0xC1 | 0xC3 => frame = Some(read_frame(marker, segment, shape)?),
                0xC2 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => {
                    return Err(format!(
                        "JPEG process SOF{} is not supported, expected sequential (SOF0, SOF1) or \
                         lossless (SOF3)",
                        marker - 0xC0
                    ));
                }
                0xC4 => read_tables(segment, &mut tables)?,
                0xDB => read_quantisation(segment, &mut quantisation).ok_or_else(cut)?,
                0xDD => {
                    let &[high, low] = segment else { return Err(cut()) };
                    restart_interval = usize::from(u16::from_be_bytes([high, low]));
                }
                0xDA => {
                    let frame = frame.ok_or("a scan without frame header (SOF marker)")?;
                    let &[1, _, select, ss, _, approximation] = segment else {
                        return Err("a damaged SOS segment, expected one component".to_owned());
                    };
                    let [dc, ac] = tables;
                    let pick = |tables: [Option<EncodedTable>; 4], index: u8| {
                        let table = tables.into_iter().nth(usize::from(index)).flatten();
                        table.map(Table::new).transpose()
                    };
                    return Ok(Self {
                        process: frame.process,
                        precision: frame.precision,
                        restart_interval,
                        quantisation: quantisation
                            .get(frame.quantisation)
                            .copied()
                            .flatten()
                            .or((frame.process == Process::Lossless).then_some([1; 64]))
                            .ok_or("the quantisation table is absent")?,
                        dc: pick(dc, select >> 4)?.ok_or("the Huffman table is absent")?,
                        ac: pick(ac, select & 15)?,
                        predictor: ss,
                        point_transform: u32::from(approximation & 15),
                        scan: bytes.get(at..).unwrap_or_default(),
                    });
                }
                0xD8 | 0xD9 => return Err("no scan before the end of the image".to_owned()),
                _ => {}
            }
        }
    }

    /// A reader of the scan, at its start.
    pub(super) fn bits(&self) -> Bits<'a> {
        Bits::new(self.scan)
    }
}

fn read_frame(marker: u8, segment: &[u8], shape: Shape) -> Result<Frame, String> {
    let &[precision, r1, r0, c1, c0, components, _, _, quantisation, ..] = segment else {
        return Err("the frame header is cut short".to_owned());
    };
    if components != 1 {
        return Err(format!("{components} components, expected 1"));
    }
    let rows = usize::from(u16::from_be_bytes([r1, r0]));
    let columns = usize::from(u16::from_be_bytes([c1, c0]));
    let precision = u32::from(precision);
    shape.check(rows, columns, precision)?;
    let process = if marker == 0xC3 { Process::Lossless } else { Process::Sequential };
    let possible = match process {
        Process::Lossless => (2..=16).contains(&precision),
        Process::Sequential => precision == 8 || precision == 12,
    };
    if !possible {
        return Err(format!("{precision} bits per sample are impossible with this JPEG process"));
    }
    Ok(Frame { process, precision, quantisation: usize::from(quantisation) })
}
