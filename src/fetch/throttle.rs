//! A limit on bytes per second, shared by all connections.

/// Hands out time: bytes that came are paid for by waiting. No clock here: seconds are given.
#[derive(Clone, Debug)]
pub(super) struct Throttle {
    bytes_per_second: Option<f64>,
    /// When all bytes so far are paid for.
    paid_until: f64,
}

/// What may come at once after a pause, seconds.
const BURST_SECONDS: f64 = 0.25;

impl Throttle {
    pub fn new(bytes_per_second: Option<f64>) -> Self {
        Self { bytes_per_second, paid_until: 0.0 }
    }

    /// Seconds to wait after so many bytes that came at `now`.
    pub fn took(&mut self, bytes: usize, now: f64) -> f64 {
        let Some(rate) = self.bytes_per_second else { return 0.0 };
        self.paid_until = self.paid_until.max(now - BURST_SECONDS) + bytes as f64 / rate;
        (self.paid_until - now).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_take_their_time_and_a_pause_saves_little() {
        let mut free = Throttle::new(None);
        assert_eq!(free.took(1 << 30, 0.0), 0.0);
        let mut throttle = Throttle::new(Some(1000.0));
        let mut now = 0.0;
        for _ in 0..100 {
            now += throttle.took(100, now);
        }
        // Ten thousand bytes at a thousand a second, less the burst.
        assert!((9.7..=10.0).contains(&now), "{now}");
        now += 60.0;
        assert_eq!(throttle.took(250, now), 0.0);
        assert!((throttle.took(250, now) - 0.25).abs() < 1e-9);
    }
}
