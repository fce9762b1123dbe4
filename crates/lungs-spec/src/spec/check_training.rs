//! Combinations of values of `[outcome]` and `[train]`.

use super::check::Checks;
use super::{Document, SelectEpoch};
use std::ops::RangeInclusive;

/// Number of `outcome.horizons_years`.
pub const HORIZON_COUNT: RangeInclusive<usize> = 1..=100;

impl Checks {
    pub(super) fn outcome(&mut self, document: &Document) {
        let outcome = &document.outcome;
        let horizons = &outcome.horizons_years;
        let ascending = horizons.windows(2).all(|pair| pair[0] < pair[1]);
        self.need(
            HORIZON_COUNT.contains(&horizons.len()) && ascending,
            "outcome.horizons_years",
            horizons,
            &format!(
                "{} to {} numbers of years in ascending order",
                HORIZON_COUNT.start(),
                HORIZON_COUNT.end()
            ),
        );
        let is_survival = outcome.is_survival();
        let needs_survival = matches!(document.train.select, SelectEpoch::BestValidCIndex);
        self.need_or(
            is_survival || !needs_survival,
            "train.select",
            "\"best-valid-c-index\" needs risks of several years, but outcome.name is \"binary\"",
            "set outcome.name = \"survival\", or select by another metric, such as \"best-valid-auc\"",
        );
        if let Some(horizon) = document.train.select_horizon_years {
            let known: Vec<String> = horizons.iter().map(f64::to_string).collect();
            self.need(
                is_survival && horizons.contains(&horizon),
                "train.select_horizon_years",
                horizon,
                &format!(
                    "one of outcome.horizons_years ({}), with outcome.name = \"survival\"",
                    known.join(", ")
                ),
            );
        }
        let data = &document.data;
        self.need_or(
            !is_survival || (data.positives.is_none() && data.train_list.is_none()),
            "data.labels",
            "outcome.name is \"survival\", but class folders and lists have no follow-up",
            "set data.labels to a CSV file with `years_to_event` and `years_followed` for each exam",
        );
    }

    pub(super) fn train(&mut self, document: &Document) {
        let train = &document.train;
        let (architecture, pool) = (document.model.architecture(), document.model.network_pool());
        if let Some(unknown) =
            train.freeze.iter().find(|name| !architecture.knows_layer(pool, name))
        {
            let known = architecture.layer_groups(pool).join(", ");
            let example = architecture.layer_example();
            self.need_or(
                false,
                "train.freeze",
                &format!("the network has no layer \"{unknown}\""),
                &format!("its layers are {known}; a part of a layer is, for example, `{example}`"),
            );
        }
    }
}
