//! Thresholds in words.

use super::digits;
use super::page::number;
use lungs_stats::{OperatingPoint, Rule};

/// A threshold in words: `p ≥ 0.5`.
pub(crate) fn text_of_threshold(point: &OperatingPoint) -> String {
    match (point.rule, point.threshold_probability) {
        (Rule::Probability(probability), _) => format!("p ≥ {}", number(probability, 4)),
        (_, Some(probability)) => format!("p ≥ {}", digits::value(probability)),
        (_, None) => "no threshold".to_owned(),
    }
}

/// A rule that chooses a threshold, in words.
pub(crate) fn name_of_rule(rule: Rule) -> String {
    match rule {
        Rule::Probability(probability) => format!("p ≥ {}", number(probability, 4)),
        Rule::SensitivityAtSpecificity(share) => format!("specificity ≥ {}", number(share, 3)),
        Rule::SpecificityAtSensitivity(share) => format!("sensitivity ≥ {}", number(share, 3)),
        Rule::Youden => "Youden's index".to_owned(),
    }
}

/// A rule's threshold after "at" or "of": `p ≥ 0.5`, `the threshold for specificity ≥ 0.9`.
pub fn threshold_of_rule(rule: Rule) -> String {
    match rule {
        Rule::Probability(_) => name_of_rule(rule),
        Rule::Youden => "the threshold of Youden's index".to_owned(),
        rule => format!("the threshold for {}", name_of_rule(rule)),
    }
}
