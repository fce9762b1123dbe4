//! The current time.

/// The current time, to the second, as `2026-01-31T10:15:02Z`.
pub fn now_utc() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The current time in seconds since 1970.
pub(super) fn unix_seconds() -> f64 {
    jiff::Timestamp::now().as_microsecond() as f64 * 1e-6
}
