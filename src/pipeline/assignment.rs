//! The assignment of the exams of a cohort to splits.

use lungs_spec::spec::Spec;
use lungs_study::cohort::{self, Cohort, CohortRow, SplitError};

/// How the exams of a cohort get their splits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Assignment {
    /// Training, validation and test, by the spec.
    Splits,
    /// All exams are external: a trained model is evaluated on them.
    External,
}

impl Assignment {
    pub(super) fn assign(self, cohort: &mut Cohort, spec: &Spec) -> Result<(), SplitError> {
        match self {
            Self::Splits => cohort::assign(cohort, spec),
            Self::External => {
                cohort::assign_external(cohort);
                Ok(())
            }
        }
    }

    pub(super) fn check(self, rows: &[CohortRow]) -> Result<(), SplitError> {
        match self {
            Self::Splits => cohort::check_splits(rows),
            Self::External => Ok(()),
        }
    }
}
