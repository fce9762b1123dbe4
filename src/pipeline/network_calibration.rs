//! What the calibrated predictions of one network are made with.

use super::calibrated::StoredCalibration;
use lungs_stats::SybilCalibrators;
use std::path::PathBuf;
use std::rc::Rc;

/// Calibrators of the mean risks of an ensemble.
#[derive(Clone, Debug)]
pub(super) struct SybilCalibration {
    /// Their file.
    pub path: PathBuf,
    /// Number of networks of the ensemble.
    pub networks: usize,
    pub calibrators: SybilCalibrators,
}

/// What the calibrated predictions of one network are made with.
#[derive(Clone, Debug, Default)]
pub(super) enum NetworkCalibration {
    /// Nothing.
    #[default]
    None,
    /// The map of its run.
    Stored(Box<StoredCalibration>),
    /// The calibrators of an ensemble, for the mean risks of its networks.
    Ensemble(Rc<SybilCalibration>),
}

impl From<Option<StoredCalibration>> for NetworkCalibration {
    fn from(stored: Option<StoredCalibration>) -> Self {
        stored.map_or(Self::None, |stored| Self::Stored(Box::new(stored)))
    }
}

impl NetworkCalibration {
    pub(super) fn stored(&self) -> Option<&StoredCalibration> {
        match self {
            Self::Stored(stored) => Some(stored),
            Self::None | Self::Ensemble(_) => None,
        }
    }

    pub(super) fn ensemble(&self) -> Option<&Rc<SybilCalibration>> {
        match self {
            Self::Ensemble(calibrators) => Some(calibrators),
            Self::None | Self::Stored(_) => None,
        }
    }
}
