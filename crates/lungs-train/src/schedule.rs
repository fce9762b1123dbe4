//! The learning rate as a function of the step.

use lungs_spec::spec::{Schedule, Train};

/// Learning rate of optimizer step `step` (from 1) of `steps`.
///
/// Warm-up multiplies the rate by `step / warmup_steps` during the first `warmup_steps` steps. The
/// schedule `step` is the original's: the rate is multiplied by `step_factor` after every
/// `step_every` steps.
pub fn learning_rate(train: &Train, step: usize, steps: usize) -> f64 {
    let completed = step.saturating_sub(1);
    let scale = match train.schedule {
        Schedule::Constant => 1.0,
        Schedule::Step => train.step_factor.powi((completed / train.step_every) as i32),
        Schedule::Cosine => {
            let progress = completed as f64 / steps.max(1) as f64;
            0.5 * (1.0 + (std::f64::consts::PI * progress).cos())
        }
    };
    let warmup = match train.warmup_steps {
        0 => 1.0,
        steps => (step as f64 / steps as f64).min(1.0),
    };
    train.learning_rate * scale * warmup
}

#[cfg(test)]
mod tests {
    use super::*;

    fn train(schedule: Schedule) -> Train {
        Train { schedule, learning_rate: 1e-4, ..Train::default() }
    }

    #[test]
    fn the_step_schedule_divides_the_rate_by_ten_every_5000_steps() {
        let train = train(Schedule::Step);
        let rate = |step| learning_rate(&train, step, 20_000);
        assert_eq!(rate(1), 1e-4);
        assert_eq!(rate(5000), 1e-4);
        assert!((rate(5001) - 1e-5).abs() < 1e-18);
        assert!((rate(10_001) - 1e-6).abs() < 1e-18);
    }

    #[test]
    fn the_cosine_schedule_starts_at_the_rate_and_ends_near_zero() {
        let train = train(Schedule::Cosine);
        assert_eq!(learning_rate(&train, 1, 100), 1e-4);
        assert!((learning_rate(&train, 51, 100) - 0.5e-4).abs() < 1e-15);
        assert!(learning_rate(&train, 100, 100) < 1e-6 * 0.1);
    }

    #[test]
    fn warm_up_rises_linearly() {
        let train = Train { warmup_steps: 4, ..train(Schedule::Constant) };
        let rates: Vec<f64> = (1..=6).map(|step| learning_rate(&train, step, 10) / 1e-4).collect();
        assert_eq!(rates, [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]);
    }
}
