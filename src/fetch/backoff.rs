//! How long to wait before trying again.

use std::time::Duration;

use rand::RngExt;

use crate::random::stream;

/// Longest wait.
const LONGEST: Duration = Duration::from_secs(30);

/// The wait before the try after so many failures (from 1): the first wait doubled each time, up to
/// half a minute, of which between a half and the whole is drawn, so that many who failed together do
/// not come back together.
pub(super) fn wait(first: Duration, failures: u32, name: &str) -> Duration {
    let doubled = first.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LONGEST);
    let mut random = stream(0, &format!("fetch/wait/{name}/{failures}"));
    doubled.mul_f64(random.random_range(0.5..1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_differ_between_names() {
        let first = Duration::from_millis(500);
        for failures in 1..40 {
            let whole = first.mul_f64(2_f64.powi(failures as i32 - 1)).min(LONGEST);
            let drawn = wait(first, failures, "a/1.dcm");
            assert!(drawn >= whole / 2 && drawn <= whole, "{failures}: {drawn:?} of {whole:?}");
            assert_eq!(drawn, wait(first, failures, "a/1.dcm"));
            assert_ne!(drawn, wait(first, failures, "a/2.dcm"));
        }
    }
}
