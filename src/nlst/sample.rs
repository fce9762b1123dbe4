//! Draws a sample of the exams of each class, and computes their weights.

use super::rows::LabelRow;
use super::rules::Sample;
use lungs_base::random;
use rand::seq::SliceRandom;

/// Keeps the requested number of exams of each class, drawn from the sample's seed, and returns the others.
/// Each kept exam has the inverse of its probability of being drawn as its weight. The draw does not depend
/// on the order of rows.
pub(super) fn draw(rows: &mut Vec<LabelRow>, sample: &Sample) -> Vec<LabelRow> {
    let (mut kept, mut others) = (Vec::new(), Vec::new());
    let (positive, negative) = std::mem::take(rows).into_iter().partition(LabelRow::is_positive);
    for (name, members, requested) in
        [("positives", positive, sample.positives), ("negatives", negative, sample.negatives)]
    {
        let mut members: Vec<LabelRow> = members;
        let available = members.len();
        let count = requested.unwrap_or(available).min(available);
        if count < available {
            members.sort_by(|a, b| (&a.patient_id, &a.exam_id).cmp(&(&b.patient_id, &b.exam_id)));
            members.shuffle(&mut random::stream(sample.seed, &format!("nlst/{name}")));
        }
        let weight = if count > 0 { available as f64 / count as f64 } else { 1.0 };
        others.extend(members.split_off(count));
        kept.extend(members.into_iter().map(|row| LabelRow { weight, ..row }));
    }
    *rows = kept;
    others
}
