//! Rows of the tables of curves.

use lungs_stats::{
    Outcomes, RiskCalibration, RiskTable, SurvivalEvaluation, SurvivalPoint, kaplan_meier,
    risk_group_curves,
};
use serde::{Deserialize, Serialize};

/// Maximum number of groups of similar risk with a Kaplan–Meier curve of their own.
const RISK_GROUPS: usize = 3;

/// A row of `…-kaplan-meier.csv`: a step of the Kaplan–Meier curve of a group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct KaplanMeierRow {
    /// `all exams`, or `low risk`, `middle risk`, `high risk` by the risk at the last horizon.
    pub group: String,
    /// Exams of the group.
    pub exams: usize,
    /// Smallest risk of the group at the last horizon.
    pub lowest_risk: f64,
    /// Largest risk of the group at the last horizon.
    pub highest_risk: f64,
    /// A time at which a follow-up ends, in years.
    pub time_years: f64,
    /// Exams that are followed until then.
    pub at_risk: usize,
    /// Cancers at this time.
    pub events: usize,
    /// Ends of follow-up without cancer at this time.
    pub censored: usize,
    /// Share without cancer from this time on.
    pub survival: f64,
    /// Lower end of its 95 % interval.
    pub low: Option<f64>,
    /// Upper end of its 95 % interval.
    pub high: Option<f64>,
}

/// A row of `…-risk-calibration.csv`: a group of exams of similar risk at a horizon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RiskCalibrationRow {
    /// `network` for the network's risks, `calibrated` for those after recalibration.
    pub risks: String,
    /// The horizon in years.
    pub horizon_years: f64,
    /// Number of the group from 1, by ascending risk.
    pub group: usize,
    /// Exams of the group.
    pub exams: usize,
    /// Smallest risk of the group.
    pub lowest_risk: f64,
    /// Largest risk of the group.
    pub highest_risk: f64,
    /// Mean risk of the group.
    pub mean_risk: f64,
    /// Observed risk, `1 − S(t)` of the group's Kaplan–Meier curve.
    pub observed_risk: Option<f64>,
    /// Lower end of its 95 % interval.
    pub observed_low: Option<f64>,
    /// Upper end of its 95 % interval.
    pub observed_high: Option<f64>,
}

/// Names of groups in ascending order of risk.
fn names_of_groups(count: usize) -> &'static [&'static str] {
    match count {
        0 | 1 => &[],
        2 => &["low risk", "high risk"],
        _ => &["low risk", "middle risk", "high risk"],
    }
}

/// The Kaplan–Meier curves of all exams, and of thirds by the risk at the last horizon.
pub(crate) fn kaplan_meier_rows(
    outcomes: &Outcomes,
    table: &RiskTable,
    level: f64,
) -> Vec<KaplanMeierRow> {
    let risks = table.last_risks();
    let extreme = |pick: fn(f64, f64) -> f64| risks.iter().copied().reduce(pick).unwrap_or(0.0);
    let row = |name: &str, exams: usize, [lowest, highest]: [f64; 2], point: &SurvivalPoint| {
        KaplanMeierRow {
            group: name.to_owned(),
            exams,
            lowest_risk: lowest,
            highest_risk: highest,
            time_years: point.time_years,
            at_risk: point.at_risk,
            events: point.events,
            censored: point.censored,
            survival: point.survival,
            low: point.interval.map(|it| it.low),
            high: point.interval.map(|it| it.high),
        }
    };
    let range = [extreme(f64::min), extreme(f64::max)];
    let all = kaplan_meier(outcomes, level);
    let mut rows: Vec<KaplanMeierRow> =
        all.iter().map(|point| row("all exams", outcomes.len(), range, point)).collect();
    let groups = risk_group_curves(outcomes, risks, RISK_GROUPS, level);
    for (group, name) in groups.iter().zip(names_of_groups(groups.len())) {
        let range = [group.low, group.high];
        rows.extend(group.points.iter().map(|point| row(name, group.exams, range, point)));
    }
    rows
}

/// Observed against predicted risk in groups of similar risk, at every horizon.
pub(crate) fn calibration_rows(evaluation: &SurvivalEvaluation) -> Vec<RiskCalibrationRow> {
    let of = |name: &'static str, years: f64, calibration: &RiskCalibration| {
        let groups = calibration.groups.clone().into_iter().enumerate();
        groups.map(move |(index, group)| RiskCalibrationRow {
            risks: name.to_owned(),
            horizon_years: years,
            group: index + 1,
            exams: group.exams,
            lowest_risk: group.low,
            highest_risk: group.high,
            mean_risk: group.mean_risk,
            observed_risk: group.observed.value,
            observed_low: group.observed.interval.map(|it| it.low),
            observed_high: group.observed.interval.map(|it| it.high),
        })
    };
    let own = evaluation.horizons.iter();
    let own = own.flat_map(|it| of("network", it.horizon_years, &it.calibration));
    let calibrated = evaluation.recalibrated.iter().flat_map(|it| &it.horizons);
    let calibrated = calibrated.flat_map(|it| of("calibrated", it.horizon_years, &it.calibration));
    own.chain(calibrated).collect()
}
