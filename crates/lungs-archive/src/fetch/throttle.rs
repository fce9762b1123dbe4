//! A limit on bytes per second, shared by all connections.

/// Computes the waits that keep the total rate below the limit. The caller gives the time in seconds.
#[derive(Clone, Debug)]
pub(super) struct Throttle {
    bytes_per_second: Option<f64>,
    /// Time at which the bytes so far reach the limit, seconds.
    due_seconds: f64,
}

/// Seconds of traffic that may arrive at once after a pause.
const BURST_SECONDS: f64 = 0.25;

impl Throttle {
    pub(super) fn new(bytes_per_second: Option<f64>) -> Self {
        Self { bytes_per_second, due_seconds: 0.0 }
    }

    /// Seconds to wait after `bytes` arrived at `now`.
    pub(super) fn wait_seconds(&mut self, bytes: usize, now: f64) -> f64 {
        let Some(rate) = self.bytes_per_second else { return 0.0 };
        self.due_seconds = self.due_seconds.max(now - BURST_SECONDS) + bytes as f64 / rate;
        (self.due_seconds - now).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_limited_and_a_pause_allows_only_a_burst() {
        let mut unlimited = Throttle::new(None);
        assert_eq!(unlimited.wait_seconds(1 << 30, 0.0), 0.0);
        let mut throttle = Throttle::new(Some(1000.0));
        let mut now = 0.0;
        for _ in 0..100 {
            now += throttle.wait_seconds(100, now);
        }
        // Ten thousand bytes at a thousand a second, less the burst.
        assert!((9.7..=10.0).contains(&now), "{now}");
        now += 60.0;
        assert_eq!(throttle.wait_seconds(250, now), 0.0);
        assert!((throttle.wait_seconds(250, now) - 0.25).abs() < 1e-9);
    }
}
