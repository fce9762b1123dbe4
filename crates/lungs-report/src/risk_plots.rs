//! The plots of risks of several years.

use super::ReportError;
use super::plot::{
    Drawing, EpochConcordance, YearSeries, auc_by_year, c_index_curves, observed_risk_curves,
    risk_calibration_panels,
};
use super::survival::KaplanMeierRow;
use lungs_spec::results::{HorizonAuc, MetricsRow, RunFolder, read_csv};
use lungs_spec::spec::{Spec, SplitName, horizon_words};
use lungs_stats::{Evaluation, SurvivalEvaluation};
use std::collections::BTreeMap;
use std::path::Path;

/// The C-index by epoch; `None` for a binary outcome. `valid` has the validation row of each epoch.
pub(crate) fn epoch_plot<'a>(
    title: &str,
    valid: impl Iterator<Item = (u32, &'a MetricsRow)>,
    selected: Option<u32>,
) -> Option<(String, Drawing)> {
    let rows: Vec<_> =
        valid.filter_map(|(epoch, row)| Some((epoch, row.survival.as_ref()?))).collect();
    let (_, last) = rows.last()?;
    let name = |it: Option<&HorizonAuc>| it.map_or(String::new(), |it| horizon_words(it.years));
    let names = [name(last.horizons.first()), name(last.horizons.last())];
    let epochs: Vec<EpochConcordance> = rows
        .iter()
        .map(|(epoch, metrics)| EpochConcordance {
            epoch: *epoch,
            c_index: metrics.c_index,
            low: metrics.c_index_low,
            high: metrics.c_index_high,
            aucs: [metrics.horizons.first(), metrics.horizons.last()]
                .map(|it| it.and_then(|it| it.auc)),
        })
        .collect();
    let drawing = c_index_curves(title, [&names[0], &names[1]], &epochs, selected);
    Some(("c-index".to_owned(), drawing))
}

/// The plots of the evaluated splits of a run: one of the AUC by year with all of them, and for each the observed risk
/// and the calibration; none for a binary outcome.
pub(crate) fn plots(
    run: &RunFolder,
    spec: &Spec,
    splits: &BTreeMap<String, Evaluation>,
) -> Result<Vec<(String, Drawing)>, ReportError> {
    let (mut drawings, mut series) = (Vec::new(), Vec::new());
    for (split, suffix) in
        [(SplitName::Valid, ""), (SplitName::Test, "-test"), (SplitName::External, "")]
    {
        let metrics = splits.get(&split.to_string());
        let Some(survival) = metrics.and_then(|metrics| metrics.survival.as_deref()) else {
            continue;
        };
        let title = format!("{}: {}", spec.experiment.name, split.word());
        drawings.extend(of_exams(&title, suffix, survival, &run.curve(split, "kaplan-meier"))?);
        series.push((split.word(), survival));
    }
    if !series.is_empty() {
        drawings.push(("auc-by-year".to_owned(), by_year(&spec.experiment.name, &series)));
    }
    Ok(drawings)
}

/// The AUC by year of several splits.
pub(crate) fn by_year(title: &str, splits: &[(&str, &SurvivalEvaluation)]) -> Drawing {
    let series = |(name, survival): &(&str, &SurvivalEvaluation)| YearSeries {
        name: (*name).to_owned(),
        points: survival
            .horizons
            .iter()
            .map(|it| (it.horizon_years, it.auc.to_estimate()))
            .collect(),
    };
    auc_by_year(title, &splits.iter().map(series).collect::<Vec<_>>())
}

/// Observed risk and calibration of one split; `steps` is the table of its Kaplan–Meier curves.
pub(crate) fn of_exams(
    title: &str,
    suffix: &str,
    survival: &SurvivalEvaluation,
    steps: &Path,
) -> Result<Vec<(String, Drawing)>, ReportError> {
    let mut drawings =
        vec![(format!("risk-calibration{suffix}"), risk_calibration_panels(title, survival))];
    if steps.is_file() {
        let rows: Vec<KaplanMeierRow> = read_csv(steps)?;
        drawings.push((format!("observed-risk{suffix}"), observed_risk_curves(title, &rows)));
    }
    Ok(drawings)
}
