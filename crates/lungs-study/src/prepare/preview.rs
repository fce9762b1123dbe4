//! The preview picture of a series for visual inspection: axial and coronal slice through the centre of the
//! lungs, and the sagittal slice with most lung (the centre lies between the lungs), at one scale.
//!
//! Head up, patient's right on the left of the picture (the radiological convention), front of the
//! body up in the axial and to the left in the sagittal slice. Green: outline of the lung mask;
//! yellow: bounding box of the lungs; blue: the crop; outside the crop, the picture is dimmed. Lines are
//! two pixels wide, so that they stay visible at half size.

use lungs_image::volume::{Lungs, Volume, Window};
use lungs_spec::spec::Compat;

use super::Settings;

/// Width of the whole picture in pixels.
const WIDTH: usize = 900;
/// Pixels between and around the panels.
const GAP: usize = 4;

/// Width of box lines in pixels.
const LINE: i64 = 2;

const LUNGS: [u8; 3] = [60, 220, 100];
const LUNG_BOX: [u8; 3] = [255, 210, 0];
const CROP_BOX: [u8; 3] = [70, 150, 255];

/// An RGB picture, rows one after another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Red, green, blue of each pixel; `3 · width · height` bytes.
    pub rgb: Vec<u8>,
}

/// One panel: the volume axes that run down and across, and the axis that is cut.
struct Panel {
    down: usize,
    across: usize,
    cut: usize,
    /// Depth runs up: the head is at the top.
    upwards: bool,
}

const PANELS: [Panel; 3] = [
    Panel { down: 1, across: 2, cut: 0, upwards: false }, // axial
    Panel { down: 0, across: 2, cut: 1, upwards: true },  // coronal
    Panel { down: 0, across: 1, cut: 2, upwards: true },  // sagittal
];

/// Draws the panels; `crop_start` is the crop's first voxel, which may be outside the volume.
pub(super) fn draw(
    volume: &Volume,
    lungs: &Lungs,
    crop_start: [i64; 3],
    settings: &Settings,
) -> Picture {
    let dim: [usize; 3] = volume.hu.dim().into();
    let spacing = volume.geometry.spacing_mm;
    let length_mm: [f64; 3] = std::array::from_fn(|axis| dim[axis] as f64 * spacing[axis]);
    let total_mm: f64 = PANELS.iter().map(|panel| length_mm[panel.across]).sum();
    let mm_per_pixel = total_mm / (WIDTH - GAP * (PANELS.len() + 1)) as f64;
    let pixels = |axis: usize| ((length_mm[axis] / mm_per_pixel) as usize).clamp(1, WIDTH);
    let height = 2 * GAP + PANELS.iter().map(|panel| pixels(panel.down)).max().unwrap_or(0);

    let cuts = match settings.compat {
        // Without lungs, the sagittal slice is where the right one usually is.
        Compat::Sybil => [dim[0] / 2, dim[1] / 2, dim[2] / 3],
        Compat::None | Compat::Lungs015 => cuts(lungs),
    };
    let mut picture = Picture { width: WIDTH, height, rgb: vec![24; 3 * WIDTH * height] };
    let mut left = GAP;
    for panel in &PANELS {
        let size = [pixels(panel.down), pixels(panel.across)];
        let mut view = View {
            picture: &mut picture,
            panel,
            top: (height - size[0]) / 2,
            left,
            size,
            voxels: [dim[panel.down], dim[panel.across]],
        };
        view.fill(volume, lungs, cuts[panel.cut], settings);
        let last = |axis: usize| crop_start[axis] + settings.size[axis] as i64 - 1;
        let crop = [panel.down, panel.across].map(|axis| [crop_start[axis], last(axis)]);
        view.dim_outside(crop);
        view.outline(crop, LINE, CROP_BOX);
        let lung_box = [panel.down, panel.across]
            .map(|axis| lungs.bounding_box[axis].map(|voxel| voxel as i64));
        view.outline(lung_box, LINE, LUNG_BOX);
        left += size[1] + GAP;
    }
    picture
}

/// The window of the picture.
fn window(settings: &Settings) -> Window {
    match settings.compat {
        Compat::Sybil => Window { amplitude: 1.0, ..Window::SYBIL },
        Compat::None | Compat::Lungs015 => {
            Window { lower_hu: settings.lower_hu, upper_hu: settings.upper_hu, amplitude: 1.0 }
        }
    }
}

/// The voxel at which each axis is cut.
fn cuts(lungs: &Lungs) -> [usize; 3] {
    let [depth, height, width] = lungs.mask.dim();
    let mut lung = vec![0usize; width];
    for (z, y) in (0..depth).flat_map(|z| (0..height).map(move |y| (z, y))) {
        lungs.mask.for_runs(z, y, |start, end| {
            lung[start..end].iter_mut().for_each(|count| *count += 1);
        });
    }
    let [z, y, centre] = lungs.centre_voxel;
    // `rev` selects the first of equal counts.
    let most = (0..width).rev().max_by_key(|&x| lung[x]).unwrap_or(centre);
    [z, y, most]
}

/// A panel with its position in the picture.
struct View<'a> {
    picture: &'a mut Picture,
    panel: &'a Panel,
    top: usize,
    left: usize,
    /// Pixels down and across.
    size: [usize; 2],
    /// Voxels down and across.
    voxels: [usize; 2],
}

impl View<'_> {
    /// Draws the windowed slice at voxel `cut` with the lungs' outline.
    fn fill(&mut self, volume: &Volume, lungs: &Lungs, cut: usize, settings: &Settings) {
        let window = window(settings);
        let [rows, columns] = self.size;
        let axes = [self.panel.down, self.panel.across, self.panel.cut];
        let index = |down: usize, across: usize| {
            let mut index = [0; 3];
            for (axis, value) in axes.into_iter().zip([down, across, cut]) {
                index[axis] = value;
            }
            index
        };
        let grey = |down: usize, across: usize| {
            volume.hu.get(index(down, across)).map_or(0.0, |&hu| (window.value(hu) + 1.0) * 127.5)
        };
        for row in 0..rows {
            let (down, down_fraction) = self.sample(row, 0);
            for column in 0..columns {
                let (across, across_fraction) = self.sample(column, 1);
                let next =
                    [(down + 1).min(self.voxels[0] - 1), (across + 1).min(self.voxels[1] - 1)];
                let mix = |a: f32, b: f32, fraction: f32| a + (b - a) * fraction;
                let value = mix(
                    mix(grey(down, across), grey(down, next[1]), across_fraction),
                    mix(grey(next[0], across), grey(next[0], next[1]), across_fraction),
                    down_fraction,
                );
                let nearest = [
                    if down_fraction < 0.5 { down } else { next[0] },
                    if across_fraction < 0.5 { across } else { next[1] },
                ];
                let inside = |down, across| lungs.mask.get(index(down, across));
                // Voxels beyond the volume count as outside, so a lung at the volume's face has an edge.
                let edge = inside(nearest[0], nearest[1])
                    && !(inside(nearest[0].wrapping_sub(1), nearest[1])
                        && inside(nearest[0] + 1, nearest[1])
                        && inside(nearest[0], nearest[1].wrapping_sub(1))
                        && inside(nearest[0], nearest[1] + 1));
                let colour = if edge { LUNGS } else { [value.round() as u8; 3] };
                self.put(row, column, colour);
            }
        }
    }

    /// The voxel before a pixel's centre along one side, and the fraction of a voxel from it to the centre.
    fn sample(&self, pixel: usize, side: usize) -> (usize, f32) {
        let (pixels, voxels) = (self.size[side], self.voxels[side]);
        let pixel = if side == 0 && self.panel.upwards { pixels - 1 - pixel } else { pixel };
        let voxel = (pixel as f32 + 0.5) * voxels as f32 / pixels as f32 - 0.5;
        let voxel = voxel.clamp(0.0, (voxels - 1) as f32);
        (voxel as usize, voxel.fract())
    }

    /// The pixel that contains a voxel's edge.
    fn pixel(&self, voxel_edge: i64, side: usize) -> i64 {
        let (pixels, voxels) = (self.size[side] as f64, self.voxels[side] as f64);
        let pixel = voxel_edge as f64 * pixels / voxels;
        let pixel = if side == 0 && self.panel.upwards { pixels - pixel } else { pixel };
        pixel.floor() as i64
    }

    /// Halves the brightness outside the ranges of first and last voxels, down and across.
    fn dim_outside(&mut self, ranges: [[i64; 2]; 2]) {
        let [rows, columns] = [0, 1].map(|side| {
            let [first, last] = ranges[side];
            let (a, b) = (self.pixel(first, side), self.pixel(last + 1, side));
            a.min(b)..=a.max(b)
        });
        for row in 0..self.size[0] {
            for column in 0..self.size[1] {
                if !(rows.contains(&(row as i64)) && columns.contains(&(column as i64))) {
                    let offset = 3 * ((self.top + row) * self.picture.width + self.left + column);
                    if let Some(pixel) = self.picture.rgb.get_mut(offset..offset + 3) {
                        pixel.iter_mut().for_each(|value| *value /= 2);
                    }
                }
            }
        }
    }

    /// Draws a rectangle around first and last voxels, down and across, clipped to the panel.
    fn outline(&mut self, ranges: [[i64; 2]; 2], thickness: i64, colour: [u8; 3]) {
        let mut edges = [[0; 2]; 2];
        for side in 0..2 {
            let [first, last] = ranges[side];
            let (a, b) = (self.pixel(first, side), self.pixel(last + 1, side));
            // The far edge of a box that ends with the volume is inside the panel.
            let inside = |edge: i64, voxel: i64| {
                let at_end = (0..=self.voxels[side] as i64).contains(&voxel);
                if at_end { edge.clamp(0, self.size[side] as i64 - 1) } else { edge }
            };
            let (a, b) = (inside(a, first), inside(b, last + 1));
            edges[side] = [a.min(b), a.max(b)];
        }
        let [[top, bottom], [left, right]] = edges;
        for inset in 0..thickness {
            for column in left..=right {
                self.put_inside(top + inset, column, colour);
                self.put_inside(bottom - inset, column, colour);
            }
            for row in top..=bottom {
                self.put_inside(row, left + inset, colour);
                self.put_inside(row, right - inset, colour);
            }
        }
    }

    fn put_inside(&mut self, row: i64, column: i64, colour: [u8; 3]) {
        let (Ok(row), Ok(column)) = (usize::try_from(row), usize::try_from(column)) else { return };
        if row < self.size[0] && column < self.size[1] {
            self.put(row, column, colour);
        }
    }

    fn put(&mut self, row: usize, column: usize, colour: [u8; 3]) {
        let offset = 3 * ((self.top + row) * self.picture.width + self.left + column);
        if let Some(pixel) = self.picture.rgb.get_mut(offset..offset + 3) {
            pixel.copy_from_slice(&colour);
        }
    }
}

impl Picture {
    /// The picture as a PNG file.
    pub fn to_png(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::Fast);
        encoder
            .write_header()
            .and_then(|mut writer| writer.write_image_data(&self.rgb))
            .expect("a vector takes every byte, and the sizes agree by construction");
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lungs_image::volume::{Geometry, segment_lungs};
    use ndarray::Array3;

    /// 2 mm voxels: a body of water with two lungs, the right one (low x) larger.
    fn chest() -> Volume {
        let inside = |at: [usize; 3], centre: [f64; 3], radius: [f64; 3]| {
            let part = |axis: usize| ((at[axis] as f64 - centre[axis]) / radius[axis]).powi(2);
            part(0) + part(1) + part(2) < 1.0
        };
        let hu = Array3::from_shape_fn((130, 130, 170), |(z, y, x)| {
            let at = [z, y, x];
            let lung = inside(at, [65.0, 65.0, 52.0], [55.0, 40.0, 28.0])
                || inside(at, [65.0, 65.0, 116.0], [50.0, 34.0, 24.0]);
            let body = inside([65, y, x], [65.0, 65.0, 85.0], [1.0, 60.0, 80.0]);
            if lung {
                -850
            } else if body {
                40
            } else {
                -1000
            }
        });
        let axes = [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]];
        Volume { hu, geometry: Geometry { spacing_mm: [2.0; 3], origin_mm: [0.0; 3], axes } }
    }

    #[test]
    fn the_sagittal_slice_shows_the_larger_lung_and_the_picture_is_dimmed_outside_the_crop() {
        let volume = chest();
        let lungs = segment_lungs(&volume).unwrap();
        assert_eq!(cuts(&lungs)[..2], lungs.centre_voxel[..2]);
        assert!(cuts(&lungs)[2].abs_diff(52) <= 2, "{:?}", cuts(&lungs));
        let settings = Settings { size: [60, 60, 60], ..Settings::default() };
        let start = lungs.centre_voxel.map(|centre| centre as i64 - 30);
        let picture = draw(&volume, &lungs, start, &settings);
        assert_eq!(picture.width, WIDTH);
        let count =
            |colour: [u8; 3]| picture.rgb.chunks_exact(3).filter(|pixel| *pixel == colour).count();
        assert!(count(LUNG_BOX) > 1000 && count(CROP_BOX) > 1000 && count(LUNGS) > 200);
        // Water is 1040 / 1400 of the window: bright inside the crop, half as bright outside.
        let water = 189;
        assert!(count([water; 3]) > 1000, "{}", count([water; 3]));
        assert!(count([water / 2; 3]) > 5000, "{}", count([water / 2; 3]));
    }
}
