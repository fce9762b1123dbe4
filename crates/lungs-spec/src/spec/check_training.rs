//! Ranges of the values of `[loss]` and `[train]`.

use super::check::Checks;
use super::{ClassWeights, Document, SelectEpoch};

impl Checks {
    pub(super) fn outcome(&mut self, document: &Document) {
        let outcome = &document.outcome;
        let horizons = &outcome.horizons_years;
        let ascending = horizons.windows(2).all(|pair| pair[0] < pair[1]);
        let in_range = horizons.iter().all(|years| *years > 0.0 && *years <= 100.0);
        self.need(
            (1..=100).contains(&horizons.len()) && ascending && in_range,
            "outcome.horizons_years",
            horizons,
            "1 to 100 numbers of years in ascending order, more than 0 and at most 100",
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

    pub(super) fn loss(&mut self, document: &Document) {
        let loss = &document.loss;
        self.need(
            loss.gamma >= 0.0 && loss.gamma.is_finite(),
            "loss.gamma",
            loss.gamma,
            "0 or more",
        );
        self.need(
            loss.alpha > 0.0 && loss.alpha < 1.0,
            "loss.alpha",
            loss.alpha,
            "greater than 0 and less than 1",
        );
        if let ClassWeights::PerClass(weights) = loss.class_weights {
            self.need(
                weights.iter().all(|weight| *weight > 0.0 && weight.is_finite()),
                "loss.class_weights",
                weights,
                "two positive numbers, for exams without and with cancer",
            );
        }
    }

    pub(super) fn train(&mut self, document: &Document) {
        let train = &document.train;
        let rate = train.learning_rate;
        self.need(rate > 0.0 && rate <= 1.0, "train.learning_rate", rate, "more than 0, at most 1");
        let factor = train.step_factor;
        self.need(
            factor > 0.0 && factor <= 1.0,
            "train.step_factor",
            factor,
            "more than 0, at most 1",
        );
        let factor = train.head_rate_factor;
        self.need(
            factor > 0.0 && factor <= 1e4,
            "train.head_rate_factor",
            factor,
            "more than 0, at most 10000",
        );
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
        for (key, count) in [
            ("batch_size", train.batch_size),
            ("accumulate", train.accumulate),
            ("epochs", train.epochs),
            ("step_every", train.step_every),
        ] {
            self.need(count >= 1, &format!("train.{key}"), count, "1 or more");
        }
        let minutes = train.checkpoint_minutes;
        self.need(
            (0.0..=1e6).contains(&minutes),
            "train.checkpoint_minutes",
            minutes,
            "minutes, or 0 (at the end of each epoch only)",
        );
        for (key, value) in [("clip_norm", train.clip_norm), ("weight_decay", train.weight_decay)] {
            self.need(
                value >= 0.0 && value.is_finite(),
                &format!("train.{key}"),
                value,
                "a positive number, or 0 (off)",
            );
        }
        let decay = train.ema_decay;
        self.need(
            (0.0..1.0).contains(&decay),
            "train.ema_decay",
            decay,
            "0 (off), or less than 1, for example 0.999",
        );
    }

    pub(super) fn augment(&mut self, document: &Document) {
        let augment = &document.train.augment;
        for (key, value, max, expected) in [
            ("rotate_degrees", augment.rotate_degrees, 180.0, "0 (off) to 180 degrees"),
            ("scale", augment.scale, 1.0, "0 (off) to 1; 0.1 is up to 10 % larger or smaller"),
            ("shift_hu", augment.shift_hu, 1000.0, "0 (off) to 1000 Hounsfield units"),
            ("noise_hu", augment.noise_hu, 1000.0, "0 (off) to 1000 Hounsfield units"),
        ] {
            let key = format!("train.augment.{key}");
            self.need((0.0..=max).contains(&value), &key, value, expected);
        }
    }
}
