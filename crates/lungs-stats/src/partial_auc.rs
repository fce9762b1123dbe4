//! The area under the ROC curve in a range of specificities.

use serde::{Deserialize, Serialize};

use super::interval::Estimate;

/// Specificities of the partial area under the ROC curve: the range that matters for screening.
pub(super) const PARTIAL_SPECIFICITY: (f64, f64) = (0.9, 1.0);

/// The area under the ROC curve in a range of specificities.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartialAuc {
    /// Lower end of the range.
    pub specificity_low: f64,
    /// Upper end of the range.
    pub specificity_high: f64,
    /// The raw partial AUC: the area; at most the width of the range.
    pub area: Estimate,
    /// The standardised partial AUC: the area scaled so that chance is 0.5 and a perfect classifier 1 (McClish 1989).
    pub standardised: Estimate,
}

impl Default for PartialAuc {
    fn default() -> Self {
        Self::undefined("not computed")
    }
}

impl PartialAuc {
    pub(super) fn undefined(reason: &str) -> Self {
        let (specificity_low, specificity_high) = PARTIAL_SPECIFICITY;
        let undefined = || Estimate::undefined(reason);
        Self { specificity_low, specificity_high, area: undefined(), standardised: undefined() }
    }
}

/// A partial area scaled so that chance is 0.5 and a perfect classifier 1 (McClish 1989).
pub(super) fn standardised(area: f64) -> f64 {
    let (low, high) = PARTIAL_SPECIFICITY;
    let width = high - low;
    let chance = ((1.0 - low) * (1.0 - low) - (1.0 - high) * (1.0 - high)) / 2.0;
    0.5 * (1.0 + (area - chance) / (width - chance))
}
