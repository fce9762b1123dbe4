//! The meaning of the columns of a prediction table.

use super::RequestedColumns;
use super::error::PredictionsError;
use std::path::Path;

/// The scale of a column of predictions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// Probabilities of cancer.
    Probability,
    /// Log-odds of cancer.
    LogOdds,
    /// Any numbers that rank the exams.
    Ranking,
}

/// The columns of one model, by index.
pub(super) struct ModelColumns {
    /// Name of the model.
    pub name: String,
    /// The column of probabilities.
    pub probability: Option<usize>,
    /// The column of log-odds or ranking scores.
    pub score: Option<(usize, Scale)>,
}

/// The columns of a table, by index.
pub(super) struct TableColumns {
    pub label: usize,
    pub exam: Option<usize>,
    pub patient: Option<usize>,
    pub weight: Option<usize>,
    pub models: Vec<ModelColumns>,
    /// The columns of the requested groups, in their order.
    pub groups: Vec<usize>,
}

/// The header of a file.
struct Header<'a> {
    path: &'a Path,
    names: &'a [String],
}

impl Header<'_> {
    /// The index of the only column with one of these names.
    fn find(&self, names: &[&str], meaning: &str) -> Result<Option<usize>, PredictionsError> {
        let mut matching =
            (0..self.names.len()).filter(|&index| names.contains(&self.names[index].as_str()));
        match (matching.next(), matching.next()) {
            (Some(first), Some(second)) => Err(self.two(first, second, meaning)),
            (first, _) => Ok(first),
        }
    }

    fn required(&self, name: &str, meaning: &str) -> Result<usize, PredictionsError> {
        self.find(&[name], meaning)?.ok_or_else(|| PredictionsError::NoColumn {
            path: self.path.to_owned(),
            column: name.to_owned(),
            columns: self.names.join(", "),
        })
    }

    fn two(&self, first: usize, second: usize, meaning: &str) -> PredictionsError {
        PredictionsError::TwoColumns {
            path: self.path.to_owned(),
            first: self.names[first].clone(),
            second: self.names[second].clone(),
            meaning: meaning.to_owned(),
        }
    }
}

impl TableColumns {
    /// Finds the columns of a header; the model without a name is called as the file.
    pub(super) fn find(
        path: &Path,
        names: &[String],
        requested: &RequestedColumns,
    ) -> Result<Self, PredictionsError> {
        let header = Header { path, names };
        let label = header.required("label", "the label")?;
        let models = if requested.probabilities.is_empty() && requested.scores.is_empty() {
            models_by_name(&header)?
        } else {
            requested_models(&header, requested)?
        };
        if models.is_empty() {
            let columns = names.join(", ");
            return Err(PredictionsError::NoPredictions { path: path.to_owned(), columns });
        }
        let group = |by: &lungs_spec::spec::SubgroupBy| header.required(by.column(), "groups");
        Ok(Self {
            label,
            exam: header.find(&["exam", "exam_id"], "the exam")?,
            patient: header.find(&["patient", "patient_id"], "the patient")?,
            weight: header.find(&["weight"], "the weight")?,
            groups: requested.groups.iter().map(group).collect::<Result<_, _>>()?,
            models,
        })
    }
}

/// The models of the columns that the user names, each a model of its own.
fn requested_models(
    header: &Header,
    requested: &RequestedColumns,
) -> Result<Vec<ModelColumns>, PredictionsError> {
    let names: Vec<&String> = requested.probabilities.iter().chain(&requested.scores).collect();
    let repeated = names.iter().enumerate().find(|(index, name)| names[..*index].contains(name));
    if let Some((_, name)) = repeated {
        let column = (*name).clone();
        return Err(PredictionsError::RepeatedColumn { path: header.path.to_owned(), column });
    }
    let mut models = Vec::new();
    for name in &requested.probabilities {
        let probability = Some(header.required(name, "predictions")?);
        models.push(ModelColumns { name: name.clone(), probability, score: None });
    }
    for name in &requested.scores {
        let scale = if name.starts_with("logit") { Scale::LogOdds } else { Scale::Ranking };
        let score = Some((header.required(name, "predictions")?, scale));
        models.push(ModelColumns { name: name.clone(), probability: None, score });
    }
    Ok(models)
}

/// The models of `probability`, `logit`, `score` and of these names with `_NAME`.
fn models_by_name(header: &Header) -> Result<Vec<ModelColumns>, PredictionsError> {
    const SCALES: [(&str, Scale); 3] =
        [("probability", Scale::Probability), ("logit", Scale::LogOdds), ("score", Scale::Ranking)];
    let unnamed = header.path.file_stem().map_or_else(
        || header.path.display().to_string(),
        |stem| stem.to_string_lossy().into_owned(),
    );
    let mut models: Vec<ModelColumns> = Vec::new();
    for (index, column) in header.names.iter().enumerate() {
        let scale_and_model = SCALES.iter().find_map(|(prefix, scale)| {
            let rest = column.strip_prefix(prefix)?;
            let name = if rest.is_empty() { unnamed.as_str() } else { rest.strip_prefix('_')? };
            Some((*scale, name)).filter(|(_, name)| !name.is_empty())
        });
        let Some((scale, name)) = scale_and_model else { continue };
        let position = models.iter().position(|model| model.name == name).unwrap_or_else(|| {
            models.push(ModelColumns { name: name.to_owned(), probability: None, score: None });
            models.len() - 1
        });
        let model = &mut models[position];
        let earlier = match scale {
            Scale::Probability => model.probability.replace(index),
            _ => model.score.replace((index, scale)).map(|(index, _)| index),
        };
        if let Some(earlier) = earlier {
            return Err(header.two(earlier, index, &format!("the predictions of {name}")));
        }
    }
    Ok(models)
}
