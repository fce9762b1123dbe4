//! The standard normal distribution, to double precision.

use libm::erfc;
use std::f64::consts::{PI, SQRT_2};

/// The probability that a standard normal variable is at most `x`.
pub(super) fn cdf(x: f64) -> f64 {
    0.5 * erfc(-x / SQRT_2)
}

/// The two-sided p-value of a standard normal statistic.
pub(super) fn two_sided_p(statistic: f64) -> f64 {
    erfc(statistic.abs() / SQRT_2)
}

/// The probability that a chi-squared variable with `degrees` (at least one) of freedom exceeds `x`: the
/// finite sums for integer degrees (Abramowitz & Stegun 26.4.4 and 26.4.5).
pub(super) fn chi_squared_tail(x: f64, degrees: usize) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    let half = x / 2.0;
    // Terms half^s · exp(−half) / Γ(s + 1), with s from 0 or from one half.
    let (mut sum, mut term, mut s) = match degrees % 2 {
        0 => (0.0, (-half).exp(), 0.0),
        _ => (erfc(half.sqrt()), (-half).exp() * half.sqrt() * 2.0 / PI.sqrt(), 0.5),
    };
    for _ in 0..degrees / 2 {
        sum += term;
        s += 1.0;
        term *= half / s;
    }
    sum.min(1.0)
}

/// The quantile of the standard normal distribution at `p` in (0, 1).
///
/// Newton's method on the tail's logarithm, which is concave, from a start on the right side of
/// the root: it converges from there without overshooting.
pub(super) fn quantile(p: f64) -> f64 {
    if p > 0.5 {
        return -quantile(1.0 - p);
    }
    let mut x = -(-2.0 * p.ln()).sqrt();
    for _ in 0..100 {
        let density = (-0.5 * x * x).exp() / (2.0 * PI).sqrt();
        let tail = cdf(x);
        let step = (tail / p).ln() * tail / density;
        x -= step;
        if step.abs() <= 1e-15 * x.abs().max(1.0) {
            break;
        }
    }
    x
}

/// Half the width, in standard errors, of a two-sided interval at `level` (0.95 gives 1.96).
pub(super) fn critical_value(level: f64) -> f64 {
    assert!(level > 0.0 && level < 1.0, "a confidence level lies between 0 and 1, not {level}");
    -quantile((1.0 - level) / 2.0)
}

/// [`critical_value`] of Student's distribution with `degrees` of freedom, by the first terms of its expansion
/// (Abramowitz & Stegun 26.7.5): within 0.3 % from 5 degrees at 0.95.
pub(super) fn critical_value_of_student(level: f64, degrees: f64) -> f64 {
    let z = critical_value(level);
    let (z3, z5, z7) = (z.powi(3), z.powi(5), z.powi(7));
    let first = (z3 + z) / 4.0;
    let second = (5.0 * z5 + 16.0 * z3 + 3.0 * z) / 96.0;
    let third = (3.0 * z7 + 19.0 * z5 + 17.0 * z3 - 15.0 * z) / 384.0;
    z + first / degrees + second / degrees.powi(2) + third / degrees.powi(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_r() {
        // R 4.2: pnorm(c(-1.96, -5, .3, -10)), qnorm(c(.975, .95, .995, 1e-10, .3))
        for (x, p) in [
            (-1.96, 2.49978951482e-02),
            (-5.0, 2.86651571879e-07),
            (0.3, 6.17911422189e-01),
            (-10.0, 7.61985302416e-24),
        ] {
            assert!((cdf(x) / p - 1.0).abs() < 1e-11, "cdf({x}) = {}", cdf(x));
        }
        for (p, x) in [
            (0.975, 1.959963984540),
            (0.95, 1.644853626951),
            (0.995, 2.575829303549),
            (1e-10, -6.361340902404),
            (0.3, -0.524400512708),
        ] {
            assert!((quantile(p) - x).abs() < 1e-11, "quantile({p}) = {}", quantile(p));
        }
        // scipy.stats.chi2.sf
        for (x, degrees, p) in [
            (3.2, 1, 0.07363827012030258),
            (3.2, 2, 0.2018965179946554),
            (7.5, 3, 0.0575584519726364),
            (7.5, 4, 0.11170929281604328),
            (40.0, 5, 1.493367900050393e-07),
            (0.1, 7, 0.9999976885812014),
        ] {
            let tail = chi_squared_tail(x, degrees);
            assert!((tail / p - 1.0).abs() < 1e-11, "{x}, {degrees}: {tail}");
        }
        assert!((critical_value(0.95) - 1.959963984540).abs() < 1e-11);
        // R: qt(.975, c(5, 20, 100))
        for (degrees, t) in [(5.0, 2.5705818356), (20.0, 2.0859634473), (100.0, 1.9839715185)] {
            let found = critical_value_of_student(0.95, degrees);
            assert!((found / t - 1.0).abs() < 0.003, "{degrees}: {found}");
        }
    }
}
