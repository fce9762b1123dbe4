//! Structure of all plots: texts are inside and do not overlap, scales are equal when both axes are shares,
//! colours are distinguishable.

use super::scene::text_width;
use super::style::PALETTE;
use super::tests::gallery;

/// Units of the SVG per pixel.
const SCALE: f64 = 10.0;

/// An attribute of a tag.
fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    tag.split_once(&format!(" {name}=\""))?.1.split('"').next()
}

fn number(tag: &str, name: &str) -> f64 {
    attribute(tag, name)
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| panic!("{name}: {tag}"))
}

/// A horizontal text of an SVG.
struct SvgText {
    text: String,
    size: f64,
    /// Left, top, right, bottom in pixels.
    sides: [f64; 4],
}

/// The horizontal texts of an SVG.
fn horizontal_texts(svg: &str) -> Vec<SvgText> {
    let tags = svg.split("<text").skip(1).filter_map(|rest| rest.split_once('>'));
    tags.filter(|(tag, _)| attribute(tag, "transform").is_none())
        .map(|(tag, rest)| {
            let text = rest.split('<').next().unwrap_or_default().trim();
            let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
            let size = number(tag, "font-size") / SCALE;
            let (x, top) = (number(tag, "x") / SCALE, number(tag, "y") / SCALE);
            let width = text_width(&text, size, attribute(tag, "font-weight") == Some("bold"));
            let left = match attribute(tag, "text-anchor") {
                Some("end") => x - width,
                Some("middle") => x - width / 2.0,
                _ => x,
            };
            // From the capitals' top to below the baseline: descenders may touch.
            SvgText { text, size, sides: [left, top + 0.05 * size, left + width, top + 0.8 * size] }
        })
        .collect()
}

#[test]
fn texts_are_large_enough_inside_the_picture_and_apart() {
    for (name, drawing, _) in gallery() {
        let svg = &drawing.svg;
        let (width, height) = (number(svg, "width"), number(svg, "height"));
        let texts = horizontal_texts(svg);
        assert!(!texts.is_empty(), "{name}");
        for (index, one) in texts.iter().enumerate() {
            let [left, top, right, bottom] = one.sides;
            let inside = left >= 0.0 && top >= 0.0 && right <= width && bottom <= height;
            assert!(inside, "{name}: {:?} at {:?} of {width} × {height}", one.text, one.sides);
            // A picture is 560 to 720 pixels wide: at the width of a column, 85 mm, this is 5 points.
            assert!(one.size >= 11.0, "{name}: {:?} is {} pixels", one.text, one.size);
            for other in &texts[index + 1..] {
                let [l, t, r, b] = other.sides;
                let apart = right <= l || r <= left || bottom <= t || b <= top;
                assert!(apart, "{name}: {:?} and {:?} overlap", one.text, other.text);
            }
        }
    }
}

#[test]
fn shares_against_shares_have_equal_scales_and_units() {
    let position = |texts: &[SvgText], label: &str, horizontal: bool| -> f64 {
        let mut positions: Vec<f64> = texts
            .iter()
            .filter(|one| one.text == label)
            .map(|one| {
                let [left, top, right, bottom] = one.sides;
                if horizontal { f64::midpoint(left, right) } else { f64::midpoint(top, bottom) }
            })
            .collect();
        positions.sort_by(f64::total_cmp);
        // The tick of the lower axis lies right of that of the left axis, and below it.
        *if horizontal { positions.last() } else { positions.first() }.unwrap()
    };
    let mut squares = 0;
    for (name, drawing, _) in gallery() {
        if !["roc", "precision", "calibration"].iter().any(|kind| name.starts_with(kind)) {
            continue;
        }
        squares += 1;
        let texts = horizontal_texts(&drawing.svg);
        let across = position(&texts, "0.8", true) - position(&texts, "0.2", true);
        let up = position(&texts, "0.2", false) - position(&texts, "0.8", false);
        assert!((across - up).abs() < 0.3, "{name}: {across} across, {up} up");
        assert!(across > 200.0, "{name}");
    }
    assert!(squares >= 12);
}

/// Perceived colour without one kind of cones, in linear light (Machado, Oliveira & Fernandes 2009,
/// severity 1.0).
fn perceived((red, green, blue): (u8, u8, u8), deficiency: &[[f64; 3]; 3]) -> [f64; 3] {
    let linear = [red, green, blue].map(|value| (f64::from(value) / 255.0).powf(2.2));
    let mix = |row: &[f64; 3]| -> f64 { row.iter().zip(linear).map(|(a, b)| a * b).sum() };
    // Perception of lightness and colour is about a cube root.
    deficiency.each_ref().map(|row| mix(row).clamp(0.0, 1.0).cbrt())
}

#[test]
fn colours_of_curves_are_distinguishable_under_colour_vision_deficiencies() {
    const NORMAL: [[f64; 3]; 3] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    const PROTANOPIA: [[f64; 3]; 3] = [
        [0.152_286, 1.052_583, -0.204_868],
        [0.114_503, 0.786_281, 0.099_216],
        [-0.003_882, -0.048_116, 1.051_998],
    ];
    const DEUTERANOPIA: [[f64; 3]; 3] = [
        [0.367_322, 0.860_646, -0.227_968],
        [0.280_085, 0.672_501, 0.047_413],
        [-0.011_820, 0.042_940, 0.968_881],
    ];
    const TRITANOPIA: [[f64; 3]; 3] = [
        [1.255_528, -0.076_749, -0.178_779],
        [-0.078_411, 0.930_809, 0.147_602],
        [0.004_733, 0.691_367, 0.303_900],
    ];
    for deficiency in [NORMAL, PROTANOPIA, DEUTERANOPIA, TRITANOPIA] {
        for (index, one) in PALETTE.iter().enumerate() {
            for other in &PALETTE[index + 1..] {
                let (a, b) = (perceived(*one, &deficiency), perceived(*other, &deficiency));
                let distance: f64 =
                    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
                assert!(distance > 0.1, "{one:?} and {other:?} look alike: {distance}");
            }
        }
    }
}
