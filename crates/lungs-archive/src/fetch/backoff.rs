//! Waiting time before a retry.

use std::time::Duration;

use rand::RngExt;

use lungs_base::random::stream;

/// Maximum wait.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// The wait after a number of failures (from 1): the first wait doubled with each failure, up to half a minute, times
/// a random factor from 0.5 to 1, so that simultaneous failures are not retried simultaneously.
pub(super) fn wait(first: Duration, failures: u32, name: &str) -> Duration {
    let doubled = first.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(MAX_WAIT);
    let mut random = stream(0, &format!("fetch/wait/{name}/{failures}"));
    doubled.mul_f64(random.random_range(0.5..1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_maximum_and_differ_between_names() {
        let first = Duration::from_millis(500);
        for failures in 1..40 {
            let longest = first.mul_f64(2_f64.powi(failures as i32 - 1)).min(MAX_WAIT);
            let drawn = wait(first, failures, "a/1.dcm");
            assert!(
                drawn >= longest / 2 && drawn <= longest,
                "{failures}: {drawn:?} of {longest:?}"
            );
            assert_eq!(drawn, wait(first, failures, "a/1.dcm"));
            assert_ne!(drawn, wait(first, failures, "a/2.dcm"));
        }
    }
}
