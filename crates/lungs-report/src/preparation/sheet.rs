//! The contact sheet: one picture per series with its geometry, lung volumes and flags.

use super::histograms::lung_ml;
use super::{Pictures, Preparation, picture_name};
use crate::page::{link, number, short_uid};
use lungs_base::text::counted;
use lungs_image::codes::{Flag, Weight, Words};
use lungs_study::prepare::Row;
use maud::{Markup, html};
use std::collections::BTreeMap;

pub(super) const STYLE: &str = include_str!("sheet.css");
pub(super) const SCRIPT: &str = include_str!("sheet.js");

/// Maximum number of pictures; browsers become slow with more.
const MAX_PICTURES: usize = 2000;

/// The section with the pictures of the first [`MAX_PICTURES`] rows.
pub(super) fn sheet(rows: &[&Row], preparation: &Preparation) -> Markup {
    let pictures = &preparation.pictures;
    let no_patient = if preparation.anonymous { "" } else { "no patient ID" };
    let missing = rows
        .iter()
        .filter(|row| picture_name(row).is_none_or(|name| !pictures.sizes.contains_key(&name)))
        .count();
    html! {
        section #pictures {
            h2 { "Prepared series" }
            @if rows.is_empty() { p.soft { "No series was prepared." } }
            @else {
                (legend(rows))
                @if missing > 0 { (missing_pictures(missing, rows.len(), pictures)) }
                @let first_rows = &rows[..rows.len().min(MAX_PICTURES)];
                (tools(first_rows))
                @if rows.len() > MAX_PICTURES {
                    p.notice {
                        "Showing the first " (MAX_PICTURES) " of " (rows.len()) " series, flagged series first; \
                         preparation.csv lists all."
                    }
                }
                ul #sheet {
                    @for row in first_rows { "\n" (card(row, pictures, no_patient)) }
                }
            }
        }
    }
}

/// Legend of the pictures and of the flags.
fn legend(rows: &[&Row]) -> Markup {
    html! {
        p.key {
            span.lungs { "lung mask" } span.box { "bounding box" } span.crop { "crop" }
            span.soft {
                "Axial and coronal slice through the middle of the lungs, sagittal slice with most \
                 lung; the patient's right is on the left, the head is up. Outside the crop, the \
                 picture is dimmed."
            }
        }
        @let counts = counts(rows);
        @if !counts.is_empty() {
            dl.flags {
                @for ((_, flag), count) in counts {
                    @let words = flag.words();
                    div class=(class(words.weight)) {
                        dt { span.count { (count) } " " (words.name) }
                        dd { (words.meaning) }
                    }
                }
            }
        }
        "\n"
    }
}

/// Number of rows with each flag, flags to inspect first.
fn counts<'a>(rows: &[&'a Row]) -> BTreeMap<(std::cmp::Reverse<Weight>, &'a Flag), usize> {
    let mut counts = BTreeMap::new();
    for flag in rows.iter().flat_map(|row| &row.flags) {
        *counts.entry((std::cmp::Reverse(flag.words().weight), flag)).or_default() += 1;
    }
    counts
}

fn class(weight: Weight) -> &'static str {
    match weight {
        Weight::Look => "look",
        Weight::Note => "note",
    }
}

fn missing_pictures(missing: usize, total: usize, pictures: &Pictures) -> Markup {
    html! {
        p.notice {
            @if missing == total { "All pictures are missing" }
            @else { (counted(missing, "picture is", "pictures are")) " missing" }
            " from the cache " span.path { (pictures.cache) }
            "; prepare again to restore them. Tables and histograms are complete."
        }
    }
}

/// Controls for sorting and filtering; the script that implements them also shows them.
fn tools(rows: &[&Row]) -> Markup {
    let flagged = rows.iter().filter(|row| !row.flags.is_empty()).count();
    html! {
        div #tools hidden {
            label {
                "Sort by "
                select #by {
                    option value="flags" { "flags" }
                    option value="patient" { "patient" }
                    option value="slices" { "slices" }
                    option value="spacing" { "slice spacing" }
                    option value="volume" { "lung volume" }
                }
            }
            button #direction type="button" { "↑ ascending" }
            label {
                "Show "
                select #filter {
                    option value="" { "all (" (rows.len()) ")" }
                    option value="any" { "any flag (" (flagged) ")" }
                    option value="none" { "no flags (" (rows.len() - flagged) ")" }
                    @for ((_, flag), count) in counts(rows) {
                        option value=(flag) { (flag.words().name) " (" (count) ")" }
                    }
                }
            }
            output #shown {}
        }
        "\n"
    }
}

fn card(row: &Row, pictures: &Pictures, no_patient: &str) -> Markup {
    let flag_words: Vec<Words> = row.flags.iter().map(Flag::words).collect();
    let weight = flag_words.iter().map(|words| words.weight).max();
    let file = picture_name(row);
    let picture = file.as_ref().and_then(|name| Some((name, pictures.sizes.get(name)?)));
    let patient = if row.patient_id.is_empty() { no_patient } else { &row.patient_id };
    let litres = |ml: Option<f64>| {
        ml.map_or_else(|| "–".to_owned(), |ml| format!("{:.2}\u{a0}L", ml / 1000.0))
    };
    let attribute = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    html! {
        li class=[weight.map(class)]
            data-p=(row.patient_id)
            data-n=(row.slices.unwrap_or_default())
            data-d=(attribute(row.spacing_d_mm))
            data-v=(attribute(lung_ml(row)))
            data-f=(row.flags.iter().map(Flag::code).collect::<Vec<_>>().join(" "))
        {
            @if let Some((name, [width, height])) = picture {
                @let address = link(&pictures.folder, name);
                a href=(address) {
                    img src=(address) width=(width) height=(height) loading="lazy"
                        alt={ "Lungs of " (patient) " in three slices, outlined" };
                }
            } @else {
                div.gone { "picture missing" }
            }
            p { b { (patient) } " " (short_uid(&row.series_uid)) }
            p { (geometry(row)) }
            p { "Lungs: left " (litres(row.lung_left_ml)) ", right " (litres(row.lung_right_ml)) }
            @for words in &flag_words { p class=(class(words.weight)) { (words.sentence()) } }
            @if let Some(sides) = row.beyond_crop() { p.look { "Lungs outside the crop: " (sides) } }
        }
    }
}

/// `120 slices × 2.5 mm, pixels 0.7 mm`, with non-breaking spaces before units.
fn geometry(row: &Row) -> String {
    let mm = |value: Option<f64>| value.map_or_else(|| "?".to_owned(), |value| number(value, 2));
    format!(
        "{} × {}\u{a0}mm, pixels {}\u{a0}mm",
        counted(row.slices.unwrap_or_default(), "slice", "slices"),
        mm(row.spacing_d_mm),
        mm(row.spacing_w_mm)
    )
}
