//! Variants of the ordinary chest.

use super::side::Side;

/// Variants of the ordinary chest, for tests of robustness.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Variants {
    /// No bronchi: no air path connects the lungs with each other or with the outside.
    pub unjoined_airways: bool,
    /// A lung without air (collapsed and filled with fluid).
    pub opaque_lung: Option<Side>,
    /// The scan ends 45 mm below the apices.
    pub cut_at_top: bool,
    /// Gas in stomach and colon directly below the left diaphragm.
    pub bowel_gas: bool,
    /// Arms at the sides.
    pub arms_down: bool,
    /// No table in the image.
    pub no_table: bool,
}

impl Variants {
    /// Names of the active variants, joined by `+`; empty for an ordinary chest.
    pub fn names(&self) -> String {
        let flags = [
            (self.unjoined_airways, "unjoined-airways"),
            (self.opaque_lung == Some(Side::Right), "opaque-right-lung"),
            (self.opaque_lung == Some(Side::Left), "opaque-left-lung"),
            (self.cut_at_top, "cut-at-top"),
            (self.bowel_gas, "bowel-gas"),
            (self.arms_down, "arms-down"),
            (self.no_table, "no-table"),
        ];
        let active: Vec<&str> = flags.iter().filter(|flag| flag.0).map(|flag| flag.1).collect();
        active.join("+")
    }
}
