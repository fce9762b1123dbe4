//! Texts of a report: its title, its sentences and its table.

use super::metrics::Metrics;
use super::points::SubgroupMetrics;
use super::{ScoreReport, ScoredModel};
use crate::paired::percent;
use lungs_base::text::counted;

impl ScoreReport {
    /// The name of the file without its folder.
    pub(super) fn title(&self) -> String {
        let name = std::path::Path::new(&self.file).file_name();
        name.map_or(self.file.clone(), |name| name.to_string_lossy().into_owned())
    }

    /// The title of a plot of one model.
    pub(super) fn title_of(&self, model: &ScoredModel) -> String {
        if self.models.0.len() > 1 {
            format!("{}: {}", self.title(), model.name)
        } else {
            self.title()
        }
    }

    /// The level of the intervals in percent.
    pub fn percent(&self) -> f64 {
        percent(self.confidence)
    }

    /// `200 exams of 150 patients, 60 positive`
    pub fn exams_text(&self) -> String {
        let exams = counted(self.exams, "exam", "exams");
        let patients = self.patients.map_or(String::new(), |patients| {
            format!(" of {}", counted(patients, "patient", "patients"))
        });
        format!("{exams}{patients}, {} positive", self.positives)
    }

    /// The main result of a model as a sentence for a paper.
    pub(super) fn sentence_of(&self, model: &ScoredModel) -> String {
        let name = &model.name;
        let patients = self.patients.map_or(String::new(), |patients| {
            format!(" of {}", counted(patients, "patient", "patients"))
        });
        let exams = format!(
            "On {}{patients} ({} positive)",
            counted(self.exams, "exam", "exams"),
            self.positives
        );
        let auc = &model.evaluation.auc;
        match (auc.value, auc.interval) {
            (Some(value), Some(interval)) => format!(
                "{exams}, {name} reached an AUC of {value:.3} ({} % CI {:.3} to {:.3}).",
                self.percent(),
                interval.low,
                interval.high
            ),
            (Some(value), None) => format!("{exams}, {name} reached an AUC of {value:.3}."),
            (None, _) => format!(
                "{exams}, the AUC of {name} is undefined: {}.",
                auc.reason.as_deref().unwrap_or("reason unknown")
            ),
        }
    }

    /// The column of the weights.
    pub(super) fn weight_column(&self) -> Option<&str> {
        let mut weighted = self.models.0.iter().filter_map(|it| it.evaluation.weighted.as_ref());
        weighted.next().map(|weighted| weighted.column.as_str())
    }

    /// A table of metrics with a column for each model.
    pub(super) fn rows_of<'a>(
        &'a self,
        metrics: impl Fn(&'a ScoredModel) -> &'a Metrics,
    ) -> Vec<Vec<String>> {
        self.joined(|model| {
            let reason = model.undefined_reason.as_deref();
            let named = metrics(model).0.iter();
            named.map(|named| (named.name.to_owned(), named.metric.cell(reason))).collect()
        })
    }

    /// All metrics as a table with a column for each model: those of all exams, of thresholds, weighted ones and the
    /// AUCs of subgroups.
    pub fn rows(&self) -> Vec<Vec<String>> {
        self.joined(ScoredModel::named_texts)
    }

    fn joined<'a>(
        &'a self,
        texts: impl Fn(&'a ScoredModel) -> Vec<(String, String)>,
    ) -> Vec<Vec<String>> {
        let models = &self.models.0;
        let mut rows: Vec<Vec<String>> = Vec::new();
        for (index, model) in models.iter().enumerate() {
            for (name, text) in texts(model) {
                let row = rows.iter().position(|row| row[0] == name).unwrap_or_else(|| {
                    rows.push([vec![name], vec!["–".to_owned(); models.len()]].concat());
                    rows.len() - 1
                });
                rows[row][index + 1] = text;
            }
        }
        rows
    }

    /// Names of the models.
    pub fn names(&self) -> Vec<String> {
        self.models.0.iter().map(|model| model.name.clone()).collect()
    }
}

impl ScoredModel {
    fn named_texts(&self) -> Vec<(String, String)> {
        let reason = self.undefined_reason.as_deref();
        let metrics = self.metrics.0.iter();
        let mut rows: Vec<(String, String)> =
            metrics.map(|named| (named.name.to_owned(), named.metric.cell(reason))).collect();
        for point in &self.operating_points {
            rows.extend(point.named_texts());
        }
        for named in self.weighted.iter().flat_map(|weighted| &weighted.0) {
            rows.push((format!("{}, weighted", named.name), named.metric.cell(reason)));
        }
        for column in &self.subgroups {
            for group in &column.groups {
                rows.push((format!("AUC, {} {}", column.by, group.group), group.auc.text()));
            }
        }
        rows
    }
}

impl SubgroupMetrics {
    /// The result of the test of heterogeneity, as a sentence.
    pub(super) fn test_text(&self) -> String {
        crate::run_page::test_result(&self.heterogeneity)
    }
}
