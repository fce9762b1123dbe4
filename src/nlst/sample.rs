//! Drawing fewer exams of a class than there are, and the weights that make up for it.

use super::rows::LabelRow;
use super::rules::Sample;
use crate::random;
use rand::seq::SliceRandom;

/// Keeps so many exams of each class, drawn from the sample's seed, gives each the weight that its
/// class stands for, and returns the others. The draw does not depend on the order of rows.
pub(super) fn draw(rows: &mut Vec<LabelRow>, sample: &Sample) -> Vec<LabelRow> {
    let (mut kept, mut others) = (Vec::new(), Vec::new());
    let (positive, negative) = std::mem::take(rows).into_iter().partition(|row| row.label == 1);
    for (name, members, most) in
        [("positives", positive, sample.positives), ("negatives", negative, sample.negatives)]
    {
        let mut members: Vec<LabelRow> = members;
        let all = members.len();
        let taken = most.unwrap_or(all).min(all);
        if taken < all {
            members.sort_by(|a, b| (&a.patient_id, &a.exam_id).cmp(&(&b.patient_id, &b.exam_id)));
            members.shuffle(&mut random::stream(sample.seed, &format!("nlst/{name}")));
        }
        let weight = if taken > 0 { all as f64 / taken as f64 } else { 1.0 };
        others.extend(members.split_off(taken));
        kept.extend(members.into_iter().map(|row| LabelRow { weight, ..row }));
    }
    *rows = kept;
    others
}
