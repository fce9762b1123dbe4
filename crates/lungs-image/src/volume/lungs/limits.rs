//! Limits of Hounsfield units and sizes that several steps share.

/// Upper limit of air; tissue is above.
pub(super) const AIR_HU: i16 = -320;

/// Dilation of airways and bowel gas, in working voxels, that includes their wall.
pub(super) const WALL: [usize; 3] = [2; 3];

/// Upper limit of gas without lung tissue (air is −1000, inflated lung about −850).
pub(super) const GAS_HU: i16 = -950;

/// A region with a larger share of gas is bowel, or air around the body. Even in severe emphysema at
/// least a third of the lung is above [`GAS_HU`].
pub(super) const MOST_GAS: f64 = 0.7;

/// A region of this volume is a lung or a large part of one.
pub(super) const LUNG_ML: f64 = 150.0;
