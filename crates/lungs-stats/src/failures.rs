//! False negatives and false positives at a threshold, by groups of exams.

use super::grouping::Grouping;
use super::interval::Proportion;

/// Errors in one group of exams.
#[derive(Clone, Debug, PartialEq)]
pub struct FailureTally {
    /// Name of the grouping; empty for all exams.
    pub by: String,
    /// Name of the group; empty for all exams.
    pub group: String,
    /// False negatives of the positive exams.
    pub false_negatives: Proportion,
    /// False positives of the negative exams.
    pub false_positives: Proportion,
}

/// Decisions at a threshold; all slices are `[exam]`.
#[derive(Clone, Copy, Debug)]
pub struct Decisions<'a> {
    /// Log-odds; an exam with at least `threshold` is predicted positive.
    pub logits: &'a [f64],
    /// Whether the exam is positive.
    pub labels: &'a [bool],
    /// Index of each exam's patient where patients have several exams.
    pub patients: Option<&'a [usize]>,
    /// Threshold of the log-odds.
    pub threshold: f64,
}

impl Decisions<'_> {
    /// The errors among some exams.
    fn tally(&self, by: &str, group: &str, exams: &[usize], level: f64) -> FailureTally {
        let share = |class: bool, denominator: &str| {
            let of_class = exams.iter().filter(|&&exam| self.labels[exam] == class);
            let is_wrong = |exam: usize| (self.logits[exam] >= self.threshold) != class;
            let outcomes: Vec<(usize, bool)> = of_class
                .map(|&exam| (self.patients.map_or(exam, |of| of[exam]), is_wrong(exam)))
                .collect();
            let wrong = outcomes.iter().filter(|(_, is_wrong)| *is_wrong).count();
            let share = Proportion::new(wrong, outcomes.len(), level, denominator);
            if self.patients.is_some() { share.of_patients(&outcomes, level) } else { share }
        };
        FailureTally {
            by: by.to_owned(),
            group: group.to_owned(),
            false_negatives: share(true, "positive exams"),
            false_positives: share(false, "negative exams"),
        }
    }
}

/// Errors of all exams, then of every group that has exams, in the order of `groupings`.
///
/// # Panics
/// When the slices differ in length, or `level` is not between 0 and 1.
pub fn failures(decisions: &Decisions, groupings: &[Grouping], level: f64) -> Vec<FailureTally> {
    assert_eq!(decisions.logits.len(), decisions.labels.len(), "one label per score");
    let all: Vec<usize> = (0..decisions.labels.len()).collect();
    let mut tallies = vec![decisions.tally("", "", &all, level)];
    for grouping in groupings {
        for (index, group) in grouping.groups.iter().enumerate() {
            let is_member = |exam: &usize| grouping.of.get(*exam) == Some(&Some(index));
            let members: Vec<usize> = all.iter().copied().filter(is_member).collect();
            if !members.is_empty() {
                tallies.push(decisions.tally(&grouping.by, group, &members, level));
            }
        }
    }
    tallies
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_counted_in_every_group_of_every_grouping() {
        // Exams 0 to 3 are positive; at 0.5 exams 1 and 3 are missed, and exam 5 is a false alarm.
        let logits = [2.0, 0.4, 0.5, -1.0, -2.0, 0.9, 0.1, 0.0];
        let labels = [true, true, true, true, false, false, false, false];
        let kernel = Grouping {
            by: "kernel".to_owned(),
            groups: vec!["sharp".to_owned(), "unused".to_owned(), "soft".to_owned()],
            of: [0, 0, 2, 0, 2, 2, 2, 2].map(Some).to_vec(),
        };
        let size = Grouping {
            by: "size".to_owned(),
            groups: vec!["small".to_owned()],
            of: vec![None, Some(0), None, Some(0), None, None, None, None],
        };
        let decisions =
            Decisions { logits: &logits, labels: &labels, patients: None, threshold: 0.5 };
        let tallies = failures(&decisions, &[kernel, size], 0.95);
        let counts: Vec<_> = tallies
            .iter()
            .map(|it| {
                let [fn_, fp] = [&it.false_negatives, &it.false_positives];
                (&*it.by, &*it.group, fn_.successes, fn_.total, fp.successes, fp.total)
            })
            .collect();
        let expected = [
            ("", "", 2, 4, 1, 4),
            ("kernel", "sharp", 2, 3, 0, 0),
            ("kernel", "soft", 0, 1, 1, 4),
            ("size", "small", 2, 2, 0, 0),
        ];
        assert_eq!(counts, expected);
        // R 4.2: prop.test(2, 4, correct = FALSE)$conf.int, as wilson_agrees_with_r does for other counts.
        let interval = tallies[0].false_negatives.interval.unwrap();
        assert!(
            (interval.low - 0.150_039).abs() < 1e-6 && (interval.high - 0.849_961).abs() < 1e-6
        );
        let reason = tallies[1].false_positives.reason.as_deref();
        assert_eq!(reason, Some("there are no negative exams"));
        // Two exams of one patient are less information than two of different patients.
        let patients = [0, 0, 0, 0, 1, 2, 3, 4];
        let repeated = Decisions { patients: Some(&patients), ..decisions };
        let wider = &failures(&repeated, &[], 0.95)[0].false_negatives;
        assert!(wider.interval.unwrap().high > interval.high && wider.effective_total.is_some());
    }
}
