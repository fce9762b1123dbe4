//! The logistic function and the loss of log-odds.

/// `1 / (1 + exp(−z))`, without overflow for any z.
pub(super) fn sigmoid(z: f64) -> f64 {
    if z >= 0.0 { 1.0 / (1.0 + (-z).exp()) } else { z.exp() / (1.0 + z.exp()) }
}

/// The cross-entropy of one exam, `−log p(label)`, from the log-odds z without overflow:
/// `log(1 + exp(∓z))`.
pub(super) fn cross_entropy(z: f64, label: bool) -> f64 {
    let signed = if label { -z } else { z };
    signed.max(0.0) + (-signed.abs()).exp().ln_1p()
}
