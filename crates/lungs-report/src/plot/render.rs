//! Renders a scene with plotters' SVG and bitmap backends.

use ab_glyph::{Font, PxScale, point};
use plotters::backend::{BitMapBackend, DrawingBackend, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{
    Color, FontDesc, FontFamily, FontStyle, FontTransform, RGBColor, ShapeStyle, TextStyle,
};
use plotters_backend::BackendColor;

use super::Drawing;
use super::scene::{Anchor, Point, Scene, Shape, Text, font, text_width, units_per_em};
use super::style::{Colour, WHITE};

/// Fallback fonts are not wider than Inter, so texts do not overlap on any system.
const FAMILY: &str = "Inter, Helvetica Neue, Helvetica, Arial, Liberation Sans, sans-serif";

/// plotters' coordinates are integers: ten units per pixel keep curves smooth in the SVG.
const SVG_SCALE: f64 = 10.0;
/// Device pixels per CSS pixel in the PNG.
const PNG_SCALE: u32 = 2;
/// Factor by which the PNG is drawn larger before it is averaged down.
const OVERSAMPLING: u32 = 2;

/// Message for plotters' errors, which cannot occur when drawing into memory.
const IN_MEMORY: &str = "drawing into memory does not fail";

/// Renders a scene as SVG and PNG.
pub(super) fn draw(scene: &Scene) -> Drawing {
    Drawing { svg: svg(scene), png: png(scene) }
}

/// The scene as a complete SVG document.
pub(super) fn svg(scene: &Scene) -> String {
    let mut body = String::new();
    {
        let size = (scaled(scene.width, SVG_SCALE) as u32, scaled(scene.height, SVG_SCALE) as u32);
        let mut backend = SVGBackend::with_string(&mut body, size);
        replay(scene, &mut backend, SVG_SCALE, svg_text);
        backend.present().expect(IN_MEMORY);
    }
    // plotters' opening tag, with the size in pixels, rounded joins and a description.
    let content = body.split_once('\n').map_or("", |(_, content)| content);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" \
         viewBox=\"0 0 {vw} {vh}\" role=\"img\" stroke-linejoin=\"round\" \
         stroke-linecap=\"butt\">\n<title>{description}</title>\n{content}",
        w = scene.width,
        h = scene.height,
        vw = scene.width * SVG_SCALE,
        vh = scene.height * SVG_SCALE,
        description = escape(&scene.description),
    )
}

fn escape(text: &str) -> String {
    let text = text.replace(|c: char| c.is_control(), " ");
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn png(scene: &Scene) -> Vec<u8> {
    let scale = PNG_SCALE * OVERSAMPLING;
    let (width, height) = (scene.width.ceil() as u32 * scale, scene.height.ceil() as u32 * scale);
    let mut pixels = vec![0xFF; (width * height * 3) as usize];
    {
        let mut backend = BitMapBackend::with_buffer(&mut pixels, (width, height));
        replay(scene, &mut backend, f64::from(scale), bitmap_text);
        backend.present().expect(IN_MEMORY);
    }
    let (small, (w, h)) = average_down(&pixels, width, height);
    // 96 CSS pixels per inch, in device pixels per metre.
    let density = (96.0 * f64::from(PNG_SCALE) / 0.0254).round() as u32;
    encode(&small, (w, h), density)
}

/// RGB pixels as a PNG of `density` pixels per metre.
fn encode(rgb: &[u8], (w, h): (u32, u32), density: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, w, h);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_pixel_dims(Some(png::PixelDimensions {
        xppu: density,
        yppu: density,
        unit: png::Unit::Meter,
    }));
    let mut writer = encoder.write_header().expect(IN_MEMORY);
    writer.write_image_data(rgb).expect(IN_MEMORY);
    writer.finish().expect(IN_MEMORY);
    bytes
}

/// An RGB picture that is drawn pixel by pixel.
pub(super) struct Pixels {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
}

impl Pixels {
    /// A picture filled with one grey.
    pub(super) fn filled(width: usize, height: usize, grey: u8) -> Self {
        Self { width, height, rgb: vec![grey; 3 * width * height] }
    }

    /// Colours a pixel; pixels outside the picture are ignored.
    pub(super) fn put(&mut self, column: usize, row: usize, (red, green, blue): Colour) {
        if column < self.width && row < self.height {
            let offset = 3 * (row * self.width + column);
            self.rgb[offset..offset + 3].copy_from_slice(&[red, green, blue]);
        }
    }

    /// The picture as a PNG with two device pixels per CSS pixel.
    pub(super) fn to_png(&self) -> Vec<u8> {
        let density = (192.0 / 0.0254_f64).round() as u32;
        encode(&self.rgb, (self.width as u32, self.height as u32), density)
    }
}

/// Draws texts, with positions in pixels, over a picture.
pub(super) fn write_texts(picture: &mut Pixels, texts: &[Text]) {
    let size = (picture.width as u32, picture.height as u32);
    let mut backend = BitMapBackend::with_buffer(&mut picture.rgb, size);
    for text in texts {
        bitmap_text(&mut backend, text, 1.0);
    }
    backend.present().expect(IN_MEMORY);
}

/// Means of `OVERSAMPLING`² blocks of RGB pixels.
fn average_down(pixels: &[u8], width: u32, height: u32) -> (Vec<u8>, (u32, u32)) {
    let (w, h) = (width / OVERSAMPLING, height / OVERSAMPLING);
    let mut small = Vec::with_capacity((w * h * 3) as usize);
    for y in 0..h {
        for x in 0..w {
            for channel in 0..3 {
                let mut sum = 0u32;
                for dy in 0..OVERSAMPLING {
                    for dx in 0..OVERSAMPLING {
                        let pixel = (y * OVERSAMPLING + dy) * width + x * OVERSAMPLING + dx;
                        sum += u32::from(pixels[(pixel * 3 + channel) as usize]);
                    }
                }
                let count = OVERSAMPLING * OVERSAMPLING;
                small.push(((sum + count / 2) / count) as u8);
            }
        }
    }
    (small, (w, h))
}

fn scaled(value: f64, scale: f64) -> i32 {
    (value * scale).round() as i32
}

fn at((x, y): Point, scale: f64) -> (i32, i32) {
    (scaled(x, scale), scaled(y, scale))
}

fn rgb((red, green, blue): Colour) -> RGBColor {
    RGBColor(red, green, blue)
}

fn replay<B: DrawingBackend>(
    scene: &Scene,
    backend: &mut B,
    scale: f64,
    draw_text: impl Fn(&mut B, &Text, f64),
) {
    let corner = (scene.width, scene.height);
    let filled = |colour: Colour, opacity: f64| rgb(colour).mix(opacity).filled();
    backend
        .draw_rect((0, 0), at(corner, scale), &filled(WHITE, 1.0), true)
        .unwrap_or_else(|_| unreachable!("{IN_MEMORY}"));
    for shape in &scene.shapes {
        let result = match shape {
            Shape::Line { points, width, colour } => {
                let style = ShapeStyle::from(rgb(*colour))
                    .stroke_width(scaled(*width, scale).max(1) as u32);
                backend.draw_path(points.iter().map(|&point| at(point, scale)), &style)
            }
            Shape::Polygon { points, colour, opacity } => backend.fill_polygon(
                points.iter().map(|&point| at(point, scale)),
                &filled(*colour, *opacity),
            ),
            Shape::Disc { centre, radius, colour } => backend.draw_circle(
                at(*centre, scale),
                scaled(*radius, scale) as u32,
                &filled(*colour, 1.0),
                true,
            ),
            Shape::Text(text) => {
                draw_text(backend, text, scale);
                Ok(())
            }
        };
        result.unwrap_or_else(|_| unreachable!("{IN_MEMORY}"));
    }
}

fn svg_text(backend: &mut SVGBackend<'_>, text: &Text, scale: f64) {
    // The backend shifts "top" texts down by 0.76 em; undoing that puts the baseline at `text.at`.
    let lift = 0.76 * text.size;
    let position =
        if text.upwards { (text.at.0 - lift, text.at.1) } else { (text.at.0, text.at.1 - lift) };
    let style = if text.bold { FontStyle::Bold } else { FontStyle::Normal };
    // The backend divides the font size by 1.24.
    let size = text.size * scale * 1.24;
    let mut face = FontDesc::new(FontFamily::Name(FAMILY), size, style);
    if text.upwards {
        face = face.transform(FontTransform::Rotate270);
    }
    let horizontal = match text.anchor {
        Anchor::Start => HPos::Left,
        Anchor::Middle => HPos::Center,
        Anchor::End => HPos::Right,
    };
    let colour = rgb(text.colour);
    let style = TextStyle::from(face).color(&colour).pos(Pos::new(horizontal, VPos::Top));
    backend.draw_text(&text.content, &style, at(position, scale)).expect(IN_MEMORY);
}

/// Draws glyphs with their side bearings at fractions of a pixel; plotters' own text rounds both.
fn bitmap_text(backend: &mut BitMapBackend<'_>, text: &Text, scale: f64) {
    let font = font(text.bold);
    let em = text.size * scale;
    // The font's scale is its height in pixels, not its em.
    let px = PxScale::from((em * f64::from(font.height_unscaled()) / units_per_em(font)) as f32);
    let width = text_width(&text.content, em, text.bold);
    let mut pen = match text.anchor {
        Anchor::Start => 0.0,
        Anchor::Middle => -width / 2.0,
        Anchor::End => -width,
    };
    let (x0, y0) = at(text.at, scale);
    let (red, green, blue) = text.colour;
    for character in text.content.chars() {
        let id = font.glyph_id(character);
        let glyph = id.with_scale_and_position(px, point(pen as f32, 0.0));
        pen += f64::from(font.h_advance_unscaled(id)) * em / units_per_em(font);
        let Some(outline) = font.outline_glyph(glyph) else { continue };
        let corner = outline.px_bounds().min;
        outline.draw(|dx, dy, coverage| {
            let (dx, dy) = (corner.x as i32 + dx as i32, corner.y as i32 + dy as i32);
            let pixel = if text.upwards { (x0 + dy, y0 - dx - 1) } else { (x0 + dx, y0 + dy) };
            let colour =
                BackendColor { alpha: f64::from(coverage.min(1.0)), rgb: (red, green, blue) };
            backend.draw_pixel(pixel, colour).expect(IN_MEMORY);
        });
    }
}
