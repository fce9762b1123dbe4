//! Colours and sizes of all plots.

/// Red, green, blue.
pub(super) type Colour = (u8, u8, u8);

/// Texts and axis lines.
pub(super) const INK: Colour = (0x22, 0x22, 0x22);
/// Secondary texts.
pub(super) const SOFT_INK: Colour = (0x59, 0x59, 0x59);
/// Axis lines and ticks.
pub(super) const AXIS: Colour = (0x70, 0x70, 0x70);
/// Grid lines.
pub(super) const GRID: Colour = (0xE8, 0xE8, 0xE8);
/// Reference lines: chance, perfect calibration, the selected epoch.
pub(super) const REFERENCE: Colour = (0x8C, 0x8C, 0x8C);
/// Background.
pub(super) const WHITE: Colour = (0xFF, 0xFF, 0xFF);

/// Okabe & Ito's blue.
pub(super) const BLUE: Colour = (0x00, 0x72, 0xB2);
/// Okabe & Ito's vermilion.
pub(super) const VERMILION: Colour = (0xD5, 0x5E, 0x00);

/// Colours of several curves, in order of use (Okabe & Ito 2008, without yellow, which has too little contrast
/// on white).
pub(super) const PALETTE: [Colour; 7] = [
    BLUE,
    VERMILION,
    (0x00, 0x9E, 0x73),
    (0xCC, 0x79, 0xA7),
    (0xE6, 0x9F, 0x00),
    (0x56, 0xB4, 0xE9),
    (0x00, 0x00, 0x00),
];

/// On and off lengths of dashes, in pixels.
pub(super) type Dash = (f64, f64);

/// Dashes of several curves, in order of use.
pub(super) const DASHES: [Option<Dash>; 4] =
    [None, Some((7.0, 3.0)), Some((2.5, 2.5)), Some((11.0, 3.0))];

/// Font sizes (the em, in pixels).
pub(super) const TITLE: f64 = 15.0;
/// Axis labels and legends.
pub(super) const LABEL: f64 = 12.5;
/// Tick labels and annotations.
pub(super) const SMALL: f64 = 11.5;

/// Width of data lines.
pub(super) const CURVE: f64 = 2.0;

/// Opacity of interval bands.
pub(super) const BAND: f64 = 0.16;

/// CSS rules that map the colours of an embedded plot to the page's variables, so that it follows the light or
/// dark theme.
pub(crate) fn page_colours() -> String {
    let named = [
        (INK, "ink"),
        (SOFT_INK, "soft"),
        (AXIS, "soft"),
        (GRID, "grid"),
        (REFERENCE, "grey"),
        (WHITE, "card"),
        (BLUE, "blue"),
        (VERMILION, "vermilion"),
    ];
    let rules = named.map(|((red, green, blue), name)| {
        let colour = format!("#{red:02X}{green:02X}{blue:02X}");
        format!(
            "svg [fill=\"{colour}\"]{{fill:var(--{name})}}\n\
             svg [stroke=\"{colour}\"]{{stroke:var(--{name})}}\n"
        )
    });
    rules.concat()
}
