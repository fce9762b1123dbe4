//! Where a network looked: axial, coronal and sagittal slice of the CT through the place of
//! highest weight, in the lung window, with the map over them.
//!
//! Head up, patient's right on the left of the page, front of the body up in the axial and to the
//! left in the sagittal slice, all at one scale. The map goes from clear over vermilion to yellow
//! (Okabe & Ito's), which differ from grey, and in brightness, under the common colour-vision
//! deficiencies too.

use crate::explain::Field;
use crate::volume::{Affine, Volume, Window};

use super::render::{self, Pixels};
use super::scene::{Anchor, Text, fit};
use super::style::Colour;

/// Width of the picture.
const WIDTH: usize = 1200;
const MARGIN: usize = 24;
const GAP: usize = 12;
/// Above the panels: name, facts, panels' titles.
const HEAD: usize = 116;
/// Below the panels: legend and what this is for.
const FOOT: usize = 74;
const TALLEST: f64 = 900.0;
/// Side of the squares behind the letters of a panel's edges.
const SIDE: usize = 22;

const LOW: Colour = (0xD5, 0x5E, 0x00);
const HIGH: Colour = (0xF0, 0xE4, 0x42);
/// Okabe & Ito's sky blue, for marks.
const MARK: Colour = (0x56, 0xB4, 0xE9);
const PAPER: u8 = 0xFF;
/// Opacity of the highest weight.
const OPACITY: f64 = 0.7;

/// What the picture says besides showing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Caption {
    /// The exam.
    pub name: String,
    /// A line of facts: probability, method, models.
    pub facts: String,
    /// What the highest weight is, with its unit.
    pub highest: String,
}

/// One panel: which volume axes run down and across, and which is cut.
struct Panel {
    title: &'static str,
    down: usize,
    across: usize,
    cut: usize,
    /// Depth runs up: the head is at the top.
    upwards: bool,
    /// Letters of the left and right edge.
    sides: [&'static str; 2],
}

const PANELS: [Panel; 3] = [
    Panel { title: "Axial", down: 1, across: 2, cut: 0, upwards: false, sides: ["R", "L"] },
    Panel { title: "Coronal", down: 0, across: 2, cut: 1, upwards: true, sides: ["R", "L"] },
    Panel { title: "Sagittal", down: 0, across: 1, cut: 2, upwards: true, sides: ["A", "P"] },
];

/// The picture as a PNG. Without a place of positive weight, the slices go through the middle of
/// what the network saw, and the caption says so.
pub fn explained(ct: &Volume, field: &Field, window: Window, caption: &Caption) -> Vec<u8> {
    let dim: [usize; 3] = ct.hu.dim().into();
    let spacing = ct.geometry.spacing_mm;
    let length_mm: [f64; 3] = std::array::from_fn(|axis| dim[axis] as f64 * spacing[axis]);
    let peak = field.peak();
    let middle = field.shape.map(|length| (length as f64 - 1.0) / 2.0);
    let (place, highest) = peak.unwrap_or((middle, 0.0));
    let place = ct.geometry.index_at(field.geometry.position_mm(place));
    let cuts: [usize; 3] =
        std::array::from_fn(|axis| place[axis].round().clamp(0.0, dim[axis] as f64 - 1.0) as usize);
    let across_mm: f64 = PANELS.iter().map(|panel| length_mm[panel.across]).sum();
    let room = (WIDTH - 2 * MARGIN - GAP * (PANELS.len() - 1)) as f64;
    let tallest_mm = PANELS.iter().map(|panel| length_mm[panel.down]).fold(0.0, f64::max);
    let mm_per_pixel = (across_mm / room).max(tallest_mm / TALLEST);
    let pixels = |axis: usize| ((length_mm[axis] / mm_per_pixel) as usize).max(1);
    let tallest = PANELS.iter().map(|panel| pixels(panel.down)).max().unwrap_or(1);
    let mut sheet = Pixels::filled(WIDTH, HEAD + tallest + FOOT, PAPER);

    let to_field = ct.geometry.indices_in(&field.geometry);
    let mut texts = head(caption);
    let mut left = MARGIN;
    for panel in &PANELS {
        let size = [pixels(panel.down), pixels(panel.across)];
        let view = View { ct, field, to_field, window, highest, panel, cut: cuts[panel.cut], size };
        for row in 0..size[0] {
            for column in 0..size[1] {
                sheet.put(left + column, HEAD + row, view.colour(row, column));
            }
        }
        let [row, column] = [view.pixel(place, 0), view.pixel(place, 1)];
        if peak.is_some() {
            cross(&mut sheet, (left, HEAD), size, row, column);
        }
        let at = ct.geometry.position_mm(cuts.map(|cut| cut as f64))[2 - panel.cut];
        // A minus sign, not a hyphen.
        let at = format!("{at:.0}").replace('-', "−");
        let title = format!("{}, {} = {at} mm", panel.title, ["z", "y", "x"][panel.cut]);
        let (x, y) = (left as f64, HEAD as f64);
        texts.push(Text::new(title, (x, y - 8.0), 16.0));
        for (letter, at) in panel.sides.into_iter().zip([left, left + size[1] - SIDE.min(size[1])])
        {
            let top = HEAD + (size[0] - SIDE.min(size[0])) / 2;
            for (row, column) in (0..SIDE).flat_map(|row| (0..SIDE).map(move |at| (row, at))) {
                sheet.put(at + column, top + row, (0, 0, 0));
            }
            let place = ((at + SIDE / 2) as f64, (top + SIDE - 6) as f64);
            let text = Text::new(letter, place, 16.0).bold().anchor(Anchor::Middle);
            texts.push(text.colour((255, 255, 255)));
        }
        left += size[1] + GAP;
    }
    scale_bar(&mut sheet, &mut texts, pixels(PANELS[0].down), mm_per_pixel);
    legend(&mut sheet, &mut texts, HEAD + tallest, peak.is_some(), caption);
    render::write_texts(&mut sheet, &texts);
    sheet.to_png()
}

/// Name and facts.
fn head(caption: &Caption) -> Vec<Text> {
    let (x, room) = (MARGIN as f64, (WIDTH - 2 * MARGIN) as f64);
    vec![
        Text::new(fit(&caption.name, room, 24.0, true), (x, 38.0), 24.0).bold(),
        Text::new(fit(&caption.facts, room, 17.0, false), (x, 66.0), 17.0),
    ]
}

/// 50 mm in the corner of the axial panel.
fn scale_bar(sheet: &mut Pixels, texts: &mut Vec<Text>, height: usize, mm_per_pixel: f64) {
    let (length, bottom) = ((50.0 / mm_per_pixel).round() as usize, HEAD + height);
    let left = MARGIN + 10;
    for column in left..left + length {
        (4..8).for_each(|up| sheet.put(column, bottom - up.min(height), (255, 255, 255)));
    }
    let at = ((left + length / 2) as f64, bottom as f64 - 13.0);
    let text = Text::new("50 mm", at, 15.0).anchor(Anchor::Middle).colour((255, 255, 255));
    texts.push(text);
}

/// The colours with their meaning, and what this must not be used for.
fn legend(sheet: &mut Pixels, texts: &mut Vec<Text>, top: usize, any: bool, caption: &Caption) {
    const LENGTH: usize = 220;
    let (left, y) = (MARGIN, top + 18);
    for column in 0..LENGTH {
        let colour = over(128.0, column as f64 / (LENGTH - 1) as f64);
        (0..14).for_each(|row| sheet.put(left + column, y + row, colour));
    }
    let below = (y + 34) as f64;
    let text = |content: &str, x: f64| Text::new(content, (x, below), 15.0);
    texts.push(text("0", left as f64));
    texts.push(text("highest weight", (left + LENGTH) as f64).anchor(Anchor::End));
    let told = if any {
        format!("Highest weight {}; blue marks: its place. Window of the lungs.", caption.highest)
    } else {
        "No place speaks for cancer in this map.".to_owned()
    };
    let x = (left + LENGTH + 24) as f64;
    texts.push(Text::new(told, (x, y as f64 + 12.0), 15.0));
    let note = "Research use only: not a medical device.";
    texts.push(text(note, x).bold());
}

/// Four ticks around the place of highest weight, which leave it free.
fn cross(sheet: &mut Pixels, corner: (usize, usize), size: [usize; 2], row: f64, column: f64) {
    let mut put = |down: f64, across: f64| {
        let within =
            |at: f64, length: usize| (at >= 0.0 && at < length as f64).then_some(at as usize);
        if let (Some(down), Some(across)) = (within(down, size[0]), within(across, size[1])) {
            sheet.put(corner.0 + across, corner.1 + down, MARK);
        }
    };
    for away in 14..30 {
        for thick in [-0.5, 0.5] {
            for way in [-1.0, 1.0] {
                put(row + way * f64::from(away), column + thick);
                put(row + thick, column + way * f64::from(away));
            }
        }
    }
}

/// A grey value under the colour of a weight from 0 to 1.
fn over(grey: f64, weight: f64) -> Colour {
    let opacity = OPACITY * weight;
    let mix = |low: u8, high: u8| {
        let colour = f64::from(low) + (f64::from(high) - f64::from(low)) * weight;
        (grey + (colour - grey) * opacity).round() as u8
    };
    (mix(LOW.0, HIGH.0), mix(LOW.1, HIGH.1), mix(LOW.2, HIGH.2))
}

/// A panel and how it is filled.
struct View<'a> {
    ct: &'a Volume,
    field: &'a Field,
    /// From voxels of the CT to those of the prepared volume.
    to_field: Affine,
    window: Window,
    highest: f32,
    panel: &'a Panel,
    cut: usize,
    /// Pixels down and across.
    size: [usize; 2],
}

impl View<'_> {
    fn colour(&self, row: usize, column: usize) -> Colour {
        let (down, across) = (self.voxel(row, 0), self.voxel(column, 1));
        let grey = self.grey(down, across);
        let mut index = [0.0; 3];
        index[self.panel.down] = down;
        index[self.panel.across] = across;
        index[self.panel.cut] = self.cut as f64;
        let weight = self.field.at(self.to_field.source(index));
        if self.highest > 0.0 && weight > 0.0 {
            over(grey, f64::from((weight / self.highest).min(1.0)))
        } else {
            over(grey, 0.0)
        }
    }

    /// The CT between its voxels, in the window.
    fn grey(&self, down: f64, across: f64) -> f64 {
        let value = |down: usize, across: usize| {
            let mut index = [0; 3];
            index[self.panel.down] = down;
            index[self.panel.across] = across;
            index[self.panel.cut] = self.cut;
            let hu = self.ct.hu.get(index).copied().unwrap_or(i16::MIN);
            (f64::from(self.window.value(hu)) + 1.0) * 127.5
        };
        let (d, a) = (down as usize, across as usize);
        let last = |axis: usize| self.ct.hu.len_of(ndarray::Axis(axis)) - 1;
        let next = [(d + 1).min(last(self.panel.down)), (a + 1).min(last(self.panel.across))];
        let mix = |low: f64, high: f64, part: f64| low + (high - low) * part;
        mix(
            mix(value(d, a), value(d, next[1]), across.fract()),
            mix(value(next[0], a), value(next[0], next[1]), across.fract()),
            down.fract(),
        )
    }

    fn axis(&self, side: usize) -> usize {
        if side == 0 { self.panel.down } else { self.panel.across }
    }

    /// The voxel at a pixel's centre, down (0) or across (1).
    fn voxel(&self, pixel: usize, side: usize) -> f64 {
        let (pixels, voxels) = (self.size[side], self.ct.hu.len_of(ndarray::Axis(self.axis(side))));
        let pixel = if side == 0 && self.panel.upwards { pixels - 1 - pixel } else { pixel };
        let at = (pixel as f64 + 0.5) * voxels as f64 / pixels as f64 - 0.5;
        at.clamp(0.0, voxels as f64 - 1.0)
    }

    /// The pixel at a voxel.
    fn pixel(&self, index: [f64; 3], side: usize) -> f64 {
        let (pixels, voxels) = (self.size[side], self.ct.hu.len_of(ndarray::Axis(self.axis(side))));
        let at = (index[self.axis(side)] + 0.5) * pixels as f64 / voxels as f64;
        if side == 0 && self.panel.upwards { pixels as f64 - at } else { at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::Geometry;
    use ndarray::Array3;

    /// A CT of 3 × 1 × 2 mm voxels whose prepared volume is a part of it at 4 mm, with one weight.
    fn example(weight: f32) -> (Volume, Field) {
        let axes = [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]];
        let geometry =
            Geometry { spacing_mm: [3.0, 1.0, 2.0], origin_mm: [-80.0, -60.0, -300.0], axes };
        let ct = Volume { hu: Array3::from_elem((60, 120, 90), -300), geometry };
        let mut values = Array3::zeros((10, 10, 10));
        values[[2, 7, 4]] = weight;
        let origin_mm = geometry.position_mm([10.0, 20.0, 15.0]);
        let prepared = Geometry { spacing_mm: [4.0; 3], origin_mm, axes };
        let field =
            Field { values, first: [1.0; 3], step: [2.0; 3], shape: [20; 3], geometry: prepared };
        (ct, field)
    }

    fn drawn(weight: f32) -> (Vec<u8>, usize, usize) {
        let (ct, field) = example(weight);
        let caption = Caption {
            name: "an exam".to_owned(),
            facts: "probability 0.93".to_owned(),
            highest: "2.1".to_owned(),
        };
        let png = explained(&ct, &field, Window::default(), &caption);
        assert_eq!(png, explained(&ct, &field, Window::default(), &caption));
        let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
        let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut rgb).unwrap();
        (rgb, info.width as usize, info.height as usize)
    }

    #[test]
    fn the_brightest_colour_is_at_the_place_of_highest_weight_in_each_panel() {
        let (rgb, width, height) = drawn(3.0);
        let yellow = |pixel: &[u8]| i32::from(pixel[0]) - i32::from(pixel[2]);
        // Voxel (5, 15, 9) of the prepared volume is (20, 60, 36) mm into it: with its start, voxel
        // 16.7, 80, 33 of the CT, in fractions of its 60, 120 and 90 voxels from the corner.
        let places = [80.5 / 120.0, 33.5 / 90.0, 17.0 / 60.0];
        // Panels are 180, 180 and 120 mm wide.
        let per_mm = (WIDTH - 2 * MARGIN - 2 * GAP) as f64 / 480.0;
        let expected = [
            (MARGIN as f64 + places[1] * 180.0 * per_mm, HEAD as f64 + places[0] * 120.0 * per_mm),
            (
                (MARGIN + GAP) as f64 + (1.0 + places[1]) * 180.0 * per_mm,
                HEAD as f64 + (1.0 - places[2]) * 180.0 * per_mm,
            ),
            (
                (MARGIN + 2 * GAP) as f64 + (360.0 + places[0] * 120.0) * per_mm,
                HEAD as f64 + (1.0 - places[2]) * 180.0 * per_mm,
            ),
        ];
        let panels =
            [0.0, 180.0 * per_mm + MARGIN as f64, 360.0 * per_mm + MARGIN as f64 + 6.0, 1e9];
        for (panel, expected) in expected.iter().enumerate() {
            let here: Vec<(f64, f64, i32)> = rgb
                .chunks_exact(3)
                .enumerate()
                .map(|(at, pixel)| ((at % width) as f64, (at / width) as f64, yellow(pixel)))
                .filter(|(column, row, _)| {
                    (panels[panel]..panels[panel + 1]).contains(column)
                        && (HEAD as f64..(height - FOOT) as f64).contains(row)
                })
                .collect();
            let most = here.iter().map(|(.., yellow)| *yellow).max().unwrap();
            assert!(most > 60, "panel {panel}: {most}");
            let (mut x, mut y, mut count) = (0.0, 0.0, 0.0);
            for (column, row, _) in here.iter().filter(|(.., yellow)| *yellow > most * 7 / 10) {
                (x, y, count) = (x + column + 0.5, y + row + 0.5, count + 1.0);
            }
            let (x, y) = (x / count, y / count);
            // Within a voxel of 3 mm.
            let limit = 3.0 * per_mm;
            assert!(
                (x - expected.0).abs() < limit && (y - expected.1).abs() < limit,
                "{x} {y} {expected:?}"
            );
        }
    }

    #[test]
    fn without_weights_it_is_the_scan_alone() {
        let (rgb, width, height) = drawn(0.0);
        let grey = over(127.5, 0.0);
        let panel = |at: &usize| (HEAD..height - FOOT).contains(&(at / width));
        let coloured = rgb
            .chunks_exact(3)
            .enumerate()
            .filter(|(at, pixel)| panel(at) && pixel[0].saturating_sub(pixel[2]) > 20);
        assert_eq!(coloured.count(), 0);
        assert!(rgb.chunks_exact(3).filter(|p| **p == [grey.0, grey.1, grey.2]).count() > 100_000);
    }
}
