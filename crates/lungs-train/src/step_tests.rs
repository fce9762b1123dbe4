//! Optimizer steps, compared with the formulas in double precision.

use super::epoch::{Learner, Pause, TrainingContext, train_epoch};
use super::objective::Objective;
use super::testing::{prepared_exams, spec};
use super::{Exam, Position, TrainingError, checkpoint, optimizer};
use burn::module::Module;
use burn::tensor::Device;
use burn::train::Interrupter;
use lungs_net::model::{Network, Variable};
use lungs_spec::spec::Spec;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

fn learner(spec: &Spec) -> Learner {
    let network = super::network(spec, &Device::flex().autodiff()).unwrap();
    Learner {
        optimizer: optimizer::new(spec, &network),
        ema: (spec.train.ema_decay > 0.0).then(|| network.valid()),
        network,
        position: Position::default(),
        logits: Vec::new(),
        steps: Vec::new(),
        wait_time: Duration::ZERO,
    }
}

/// Trains one epoch, and calls `inspect` after every step.
fn epoch(
    spec: &Spec,
    exams: &[Exam],
    learner: &mut Learner,
    mut inspect: impl FnMut(&Learner),
) -> Result<(), TrainingError> {
    let device = Device::flex().autodiff();
    let context = TrainingContext {
        spec,
        exams,
        objective: Objective::new(spec, exams),
        devices: std::slice::from_ref(&device),
        interrupter: &Interrupter::new(),
        observe: &|_| (),
    };
    loop {
        let pause = train_epoch(learner, &context, Some(Instant::now()))?;
        inspect(learner);
        if pause == Pause::Complete {
            return Ok(());
        }
    }
}

fn values(network: &Network) -> BTreeMap<String, Vec<f64>> {
    let wide = |variable: Variable| {
        (variable.name, variable.values.into_iter().map(f64::from).collect::<Vec<f64>>())
    };
    network.variables().into_iter().map(wide).collect()
}

/// The gradient of the first step, by variable: ten times Adam's first moment.
fn gradient(learner: &Learner) -> BTreeMap<String, Vec<f64>> {
    let moments = checkpoint::first_moments(&learner.optimizer);
    let gradients = learner.network.variables().into_iter().filter_map(|variable| {
        let id = lungs_net::model::parameter_id(&variable.name).val();
        let moment = moments.get(&id)?;
        let factor = f64::from(1.0_f32 - 0.9_f32);
        Some((variable.name, moment.iter().map(|m| f64::from(*m) / factor).collect()))
    });
    gradients.collect()
}

/// The largest absolute difference, and the largest absolute value of `a`.
fn compare(a: &BTreeMap<String, Vec<f64>>, b: &BTreeMap<String, Vec<f64>>) -> (f64, f64) {
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    let pairs = a.iter().flat_map(|(name, values)| values.iter().zip(&b[name]));
    pairs.fold((0.0, 0.0), |(most, largest), (a, b)| {
        (f64::max(most, (a - b).abs()), f64::max(largest, a.abs()))
    })
}

/// A structured volume, the same for every exam.
fn pattern(_: usize, [d, h, w]: [usize; 3]) -> i16 {
    ((d * 37 + h * 61 + w * 17) % 1400) as i16 - 1000
}

fn different(index: usize, [d, h, w]: [usize; 3]) -> i16 {
    pattern(index, [d + 3 * index, h * (index + 1), w])
}

fn norm(gradient: &BTreeMap<String, Vec<f64>>) -> f64 {
    gradient.values().flatten().map(|g| g * g).sum::<f64>().sqrt()
}

/// Every exam has the same volume, so that the batch statistics do not depend on the size of the
/// batch.
#[test]
fn accumulated_batches_give_the_gradient_of_the_joined_batch() {
    let folder = tempfile::tempdir().unwrap();
    let exams = prepared_exams(folder.path(), &[1, 0, 1], pattern);
    let after = |batch_size: usize, accumulate: usize| {
        let batch_size = format!("train.batch_size={batch_size}");
        let spec = spec(&[&batch_size, &format!("train.accumulate={accumulate}")]);
        let mut learner = learner(&spec);
        epoch(&spec, &exams, &mut learner, |_| ()).unwrap();
        assert_eq!(learner.position.steps_done, 1);
        (gradient(&learner), learner.steps[0].loss)
    };
    let (joined, loss) = after(3, 1);
    // Unequal parts (two exams and one) and equal parts: every exam has the same weight.
    for (batch_size, accumulate) in [(2, 2), (1, 3)] {
        let (parts, loss_of_parts) = after(batch_size, accumulate);
        let (most, largest) = compare(&joined, &parts);
        assert!(largest > 1e-3 && most < 1e-4 * largest, "{most} of {largest}");
        assert!((loss - loss_of_parts).abs() < 1e-6);
    }
}

#[test]
fn a_step_of_adam_with_and_without_decay_matches_the_formula() {
    let folder = tempfile::tempdir().unwrap();
    let exams = prepared_exams(folder.path(), &[1, 0], different);
    for decay in [0.0, 0.3] {
        let set = ["train.learning_rate=0.01", &format!("train.weight_decay={decay}")];
        let spec = spec(&set);
        let mut learner = learner(&spec);
        let before = values(&learner.network);
        epoch(&spec, &exams, &mut learner, |_| ()).unwrap();
        let after = values(&learner.network);
        let mut kernels = 0;
        for (name, gradient) in gradient(&learner) {
            let decays = if name.ends_with("/w") { decay } else { 0.0 };
            kernels += usize::from(decays > 0.0);
            for (index, g) in gradient.iter().enumerate() {
                // After one step, the bias-corrected moments are the gradient and its square.
                let step = g / (g.abs() + 1e-8);
                let expected = before[&name][index] * (1.0 - 0.01 * decays) - 0.01 * step;
                let actual = after[&name][index];
                // Gradients of the size of ε magnify rounding errors.
                let slack = if g.abs() < 1e-5 { 1e-3 } else { 2e-6 };
                assert!(
                    (actual - expected).abs() < slack,
                    "{name} {index}: {actual} {expected} {g}"
                );
            }
        }
        assert_eq!(kernels, if decay > 0.0 { 58 } else { 0 });
    }
}

#[test]
fn frozen_layers_do_not_decay() {
    let folder = tempfile::tempdir().unwrap();
    let exams = prepared_exams(folder.path(), &[1, 0], different);
    let i3d = ["model.name=i3d", "model.pool=average"];
    let r3d = ["model.name=r3d-18", "model.pool=sybil"];
    for (network, layers) in [(i3d, ["Conv3d_1a_7x7", "Mixed_4c"]), (r3d, ["layer1", "Pool"])] {
        let freeze = format!("train.freeze={layers:?}");
        let rates = ["train.learning_rate=0.01", "train.weight_decay=0.3"];
        let spec = spec(&[network[0], network[1], rates[0], rates[1], &freeze]);
        let mut learner = learner(&spec);
        let before = values(&learner.network);
        epoch(&spec, &exams, &mut learner, |_| ()).unwrap();
        let after = values(&learner.network);
        let mut frozen = 0;
        for (name, value) in &before {
            let is_frozen = layers.iter().any(|layer| name.starts_with(&format!("{layer}/")));
            frozen += usize::from(is_frozen);
            if is_frozen || name.ends_with("/w") {
                assert_eq!(after[name] == *value, is_frozen, "{name}");
            }
        }
        assert!(frozen >= 14, "{frozen}");
    }
}

/// Every kernel is trained, the EMA follows, and gradient checkpointing gives the same bytes.
#[test]
fn residual_networks_train_with_ema_clipping_and_gradient_checkpointing() {
    let folder = tempfile::tempdir().unwrap();
    let exams = prepared_exams(folder.path(), &[1, 0, 1], different);
    let after = |checkpointing: bool| {
        let checkpointing = format!("train.gradient_checkpointing={checkpointing}");
        let spec = spec(&[
            "model.name=i3resnet-152",
            "model.pool=sybil",
            "train.ema_decay=0.5",
            "train.clip_norm=1",
            "train.head_rate_factor=10",
            &checkpointing,
        ]);
        let mut learner = learner(&spec);
        let before = values(&learner.network);
        epoch(&spec, &exams, &mut learner, |_| ()).unwrap();
        let ema = values(learner.ema.as_ref().unwrap());
        let network = values(&learner.network);
        // Attention over the single slice or position of these features is 1, and has no gradient.
        let is_constant = |name: &str| name.ends_with("_attention/w");
        for (name, value) in before.iter().filter(|(name, _)| !is_constant(name)) {
            if name.ends_with("/w") || name.ends_with("/moving_mean") {
                assert_ne!(network[name], *value, "{name}");
                assert_ne!(network[name], ema[name], "{name}");
            }
        }
        (network, ema, learner.steps[0].gradient_norm.unwrap())
    };
    assert!(after(false) == after(true));
}

#[test]
fn clipping_scales_all_gradients_by_their_global_norm() {
    let folder = tempfile::tempdir().unwrap();
    let exams = prepared_exams(folder.path(), &[1, 0], different);
    let recorded_norm = std::cell::Cell::new(0.0);
    let clipped = |clip_norm: f64| {
        let spec = spec(&[&format!("train.clip_norm={clip_norm:e}")]);
        let mut learner = learner(&spec);
        epoch(&spec, &exams, &mut learner, |_| ()).unwrap();
        // The table has the norm before clipping.
        recorded_norm.set(learner.steps[0].gradient_norm.unwrap());
        (gradient(&learner), values(&learner.network))
    };
    let (free, weights) = clipped(0.0);
    let full_norm = norm(&free);
    assert!(full_norm > 0.0);
    let is_full_norm = || (recorded_norm.get() / full_norm - 1.0).abs() < 1e-6;
    assert!(is_full_norm(), "{} and {full_norm}", recorded_norm.get());
    // A limit above the norm changes nothing.
    assert_eq!(clipped(full_norm * 1.01), (free.clone(), weights));
    let (half, _) = clipped(full_norm / 2.0);
    assert!(is_full_norm(), "{} and {full_norm}", recorded_norm.get());
    assert!((norm(&half) / full_norm - 0.5).abs() < 1e-6);
    let scaled: BTreeMap<String, Vec<f64>> =
        free.into_iter().map(|(name, g)| (name, g.iter().map(|g| g / 2.0).collect())).collect();
    let (most, largest) = compare(&scaled, &half);
    assert!(most < 1e-6 * largest, "{most} of {largest}");
}

#[test]
fn the_ema_follows_the_weights_after_every_step() {
    let folder = tempfile::tempdir().unwrap();
    let exams = prepared_exams(folder.path(), &[1, 0, 1, 0], different);
    let set = ["train.ema_decay=0.3", "train.batch_size=1", "train.learning_rate=0.01"];
    let spec = spec(&set);
    let mut learner = learner(&spec);
    let mut expected = values(&learner.network);
    let mut steps = 0;
    epoch(&spec, &exams, &mut learner, |learner| {
        steps += 1;
        assert_eq!(learner.position.steps_done, steps);
        let decay = f64::min(0.3, (1.0 + steps as f64) / (10.0 + steps as f64));
        let current = values(&learner.network);
        for (name, ema) in &mut expected {
            for (ema, current) in ema.iter_mut().zip(&current[name]) {
                *ema = *ema * decay + current * (1.0 - decay);
            }
        }
    })
    .unwrap();
    assert_eq!(steps, 4);
    let actual = values(&learner.evaluation_network());
    let (most, largest) = compare(&expected, &actual);
    assert!(most < 1e-6 * largest.max(1.0), "{most} of {largest}");
    let (difference, _) = compare(&values(&learner.network), &actual);
    assert!(difference > 1e-3, "the EMA must differ from the network: {difference}");
}

#[test]
fn a_non_finite_gradient_is_an_error_with_step_and_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let exams = prepared_exams(folder.path(), &[1, 0], different);
    let spec = spec(&["train.clip_norm=1.0", "loss.class_weights=[1e300, 1e300]"]);
    let failure = epoch(&spec, &exams, &mut learner(&spec), |_| ()).unwrap_err().to_string();
    assert!(failure.contains("step 1 (epoch 1)"), "{failure}");
    assert!(failure.contains("train.learning_rate"), "{failure}");
}
