//! Heatmap picture: axial, coronal and sagittal slice of the CT through the voxel of highest weight, in
//! the lung window, with the heatmap as an overlay.
//!
//! Head up, patient's right on the left of the page, front of the body up in the axial and to the
//! left in the sagittal slice, all at one scale. The heatmap goes from transparent over vermilion to yellow
//! (Okabe & Ito's), which differ in brightness and from grey under the common colour-vision
//! deficiencies too.

use lungs_image::volume::{Affine, Field, Volume, Window};

use super::render::{self, Pixels};
use super::scene::{Anchor, Text, fit};
use super::style::Colour;

/// Width of the picture.
const WIDTH: usize = 1200;
const MARGIN: usize = 24;
const GAP: usize = 12;
/// Height above the panels, for name, facts and panel titles.
const HEAD: usize = 116;
/// Height below the panels, for legend and disclaimer.
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

/// Texts of the picture.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Caption {
    /// Name of the exam.
    pub name: String,
    /// Probability, method and models in one line.
    pub facts: String,
    /// The highest weight with its unit.
    pub highest: String,
}

/// One panel: the volume axes that run down and across, and the axis that is cut.
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

/// Draws the picture as a PNG. Without a positive weight, the slices go through the middle of the prepared
/// volume, and the legend reports that.
pub fn draw_heatmap(ct: &Volume, field: &Field, window: Window, caption: &Caption) -> Vec<u8> {
    let dim: [usize; 3] = ct.hu.dim().into();
    let spacing = ct.geometry.spacing_mm;
    let length_mm: [f64; 3] = std::array::from_fn(|axis| dim[axis] as f64 * spacing[axis]);
    let peak = field.peak();
    let middle = field.shape.map(|length| (length as f64 - 1.0) / 2.0);
    let (voxel, highest) = peak.unwrap_or((middle, 0.0));
    let centre = ct.geometry.index_at(field.geometry.position_mm(voxel));
    let cuts: [usize; 3] = std::array::from_fn(|axis| {
        centre[axis].round().clamp(0.0, dim[axis] as f64 - 1.0) as usize
    });
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
        let [row, column] = [view.pixel(centre, 0), view.pixel(centre, 1)];
        if peak.is_some() {
            cross(&mut sheet, (left, HEAD), size, row, column);
        }
        let position_mm = ct.geometry.position_mm(cuts.map(|cut| cut as f64))[2 - panel.cut];
        // A minus sign, not a hyphen.
        let position = format!("{position_mm:.0}").replace('-', "−");
        let title = format!("{}, {} = {position} mm", panel.title, ["z", "y", "x"][panel.cut]);
        let (x, y) = (left as f64, HEAD as f64);
        texts.push(Text::new(title, (x, y - 8.0), 16.0));
        for (letter, edge) in
            panel.sides.into_iter().zip([left, left + size[1] - SIDE.min(size[1])])
        {
            let top = HEAD + (size[0] - SIDE.min(size[0])) / 2;
            for (row, column) in
                (0..SIDE).flat_map(|row| (0..SIDE).map(move |column| (row, column)))
            {
                sheet.put(edge + column, top + row, (0, 0, 0));
            }
            let anchor = ((edge + SIDE / 2) as f64, (top + SIDE - 6) as f64);
            let text = Text::new(letter, anchor, 16.0).bold().anchor(Anchor::Middle);
            texts.push(text.colour((255, 255, 255)));
        }
        left += size[1] + GAP;
    }
    scale_bar(&mut sheet, &mut texts, pixels(PANELS[0].down), mm_per_pixel);
    legend(&mut sheet, &mut texts, HEAD + tallest, peak.is_some(), caption);
    render::write_texts(&mut sheet, &texts);
    sheet.to_png()
}

/// The texts above the panels.
fn head(caption: &Caption) -> Vec<Text> {
    let (x, room) = (MARGIN as f64, (WIDTH - 2 * MARGIN) as f64);
    vec![
        Text::new(fit(&caption.name, room, 24.0, true), (x, 38.0), 24.0).bold(),
        Text::new(fit(&caption.facts, room, 17.0, false), (x, 66.0), 17.0),
    ]
}

/// Draws a bar of 50 mm in the corner of the axial panel.
fn scale_bar(sheet: &mut Pixels, texts: &mut Vec<Text>, height: usize, mm_per_pixel: f64) {
    let (length, bottom) = ((50.0 / mm_per_pixel).round() as usize, HEAD + height);
    let left = MARGIN + 10;
    for column in left..left + length {
        (4..8).for_each(|up| sheet.put(column, bottom - up.min(height), (255, 255, 255)));
    }
    let centre = ((left + length / 2) as f64, bottom as f64 - 13.0);
    let text = Text::new("50 mm", centre, 15.0).anchor(Anchor::Middle).colour((255, 255, 255));
    texts.push(text);
}

/// Draws the colour scale, the caption and the disclaimer.
fn legend(
    sheet: &mut Pixels,
    texts: &mut Vec<Text>,
    top: usize,
    has_peak: bool,
    caption: &Caption,
) {
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
    let message = if has_peak {
        format!("Highest weight {}, at the blue marks. Lung window.", caption.highest)
    } else {
        "The heatmap has no positive weight.".to_owned()
    };
    let x = (left + LENGTH + 24) as f64;
    texts.push(Text::new(message, (x, y as f64 + 12.0), 15.0));
    let note = "Research use only: not a medical device.";
    texts.push(text(note, x).bold());
}

/// Draws four ticks around the voxel of highest weight without covering it.
fn cross(sheet: &mut Pixels, corner: (usize, usize), size: [usize; 2], row: f64, column: f64) {
    let mut put = |down: f64, across: f64| {
        let within = |pixel: f64, length: usize| {
            (pixel >= 0.0 && pixel < length as f64).then_some(pixel as usize)
        };
        if let (Some(down), Some(across)) = (within(down, size[0]), within(across, size[1])) {
            sheet.put(corner.0 + across, corner.1 + down, MARK);
        }
    };
    for distance in 14..30 {
        for offset in [-0.5, 0.5] {
            for sign in [-1.0, 1.0] {
                put(row + sign * f64::from(distance), column + offset);
                put(row + offset, column + sign * f64::from(distance));
            }
        }
    }
}

/// The colour of a grey value with the overlay of a weight from 0 to 1.
fn over(grey: f64, weight: f64) -> Colour {
    let opacity = OPACITY * weight;
    let mix = |low: u8, high: u8| {
        let colour = f64::from(low) + (f64::from(high) - f64::from(low)) * weight;
        (grey + (colour - grey) * opacity).round() as u8
    };
    (mix(LOW.0, HIGH.0), mix(LOW.1, HIGH.1), mix(LOW.2, HIGH.2))
}

/// A panel with the data that it shows.
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

    /// The CT at a fractional voxel, interpolated linearly within the slice, as a grey value.
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
        let mix = |low: f64, high: f64, share: f64| low + (high - low) * share;
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
        let voxel = (pixel as f64 + 0.5) * voxels as f64 / pixels as f64 - 0.5;
        voxel.clamp(0.0, voxels as f64 - 1.0)
    }

    /// The pixel of a voxel, down (0) or across (1).
    fn pixel(&self, index: [f64; 3], side: usize) -> f64 {
        let (pixels, voxels) = (self.size[side], self.ct.hu.len_of(ndarray::Axis(self.axis(side))));
        let pixel = (index[self.axis(side)] + 0.5) * pixels as f64 / voxels as f64;
        if side == 0 && self.panel.upwards { pixels as f64 - pixel } else { pixel }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lungs_image::volume::Geometry;
    use ndarray::Array3;

    /// A CT of 3 × 1 × 2 mm voxels with a prepared volume of 4 mm voxels inside, with one weight.
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

    fn draw_example(weight: f32) -> (Vec<u8>, usize, usize) {
        let (ct, field) = example(weight);
        let caption = Caption {
            name: "an exam".to_owned(),
            facts: "probability 0.93".to_owned(),
            highest: "2.1".to_owned(),
        };
        let png = draw_heatmap(&ct, &field, Window::default(), &caption);
        assert_eq!(png, draw_heatmap(&ct, &field, Window::default(), &caption));
        let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
        let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut rgb).unwrap();
        (rgb, info.width as usize, info.height as usize)
    }

    #[test]
    fn the_brightest_colour_is_at_the_highest_weight_in_each_panel() {
        let (rgb, width, height) = draw_example(3.0);
        let yellow = |pixel: &[u8]| i32::from(pixel[0]) - i32::from(pixel[2]);
        // Voxel (5, 15, 9) of the prepared volume is (20, 60, 36) mm into it: with its start, voxel
        // 16.7, 80, 33 of the CT, in fractions of its 60, 120 and 90 voxels from the corner.
        let fractions = [80.5 / 120.0, 33.5 / 90.0, 17.0 / 60.0];
        // Panels are 180, 180 and 120 mm wide.
        let per_mm = (WIDTH - 2 * MARGIN - 2 * GAP) as f64 / 480.0;
        let expected = [
            (
                MARGIN as f64 + fractions[1] * 180.0 * per_mm,
                HEAD as f64 + fractions[0] * 120.0 * per_mm,
            ),
            (
                (MARGIN + GAP) as f64 + (1.0 + fractions[1]) * 180.0 * per_mm,
                HEAD as f64 + (1.0 - fractions[2]) * 180.0 * per_mm,
            ),
            (
                (MARGIN + 2 * GAP) as f64 + (360.0 + fractions[0] * 120.0) * per_mm,
                HEAD as f64 + (1.0 - fractions[2]) * 180.0 * per_mm,
            ),
        ];
        let panels =
            [0.0, 180.0 * per_mm + MARGIN as f64, 360.0 * per_mm + MARGIN as f64 + 6.0, 1e9];
        for (panel, expected) in expected.iter().enumerate() {
            let pixels: Vec<(f64, f64, i32)> = rgb
                .chunks_exact(3)
                .enumerate()
                .map(|(at, pixel)| ((at % width) as f64, (at / width) as f64, yellow(pixel)))
                .filter(|(column, row, _)| {
                    (panels[panel]..panels[panel + 1]).contains(column)
                        && (HEAD as f64..(height - FOOT) as f64).contains(row)
                })
                .collect();
            let most = pixels.iter().map(|(.., yellow)| *yellow).max().unwrap();
            assert!(most > 60, "panel {panel}: {most}");
            let (mut x, mut y, mut count) = (0.0, 0.0, 0.0);
            for (column, row, _) in pixels.iter().filter(|(.., yellow)| *yellow > most * 7 / 10) {
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
    fn without_weights_the_picture_is_the_scan_alone() {
        let (rgb, width, height) = draw_example(0.0);
        let grey = over(127.5, 0.0);
        let in_panel = |index: &usize| (HEAD..height - FOOT).contains(&(index / width));
        let coloured = rgb
            .chunks_exact(3)
            .enumerate()
            .filter(|(index, pixel)| in_panel(index) && pixel[0].saturating_sub(pixel[2]) > 20);
        assert_eq!(coloured.count(), 0);
        assert!(rgb.chunks_exact(3).filter(|p| **p == [grey.0, grey.1, grey.2]).count() > 100_000);
    }
}
