//! One pass over the training exams.

use super::batches::{Purpose, Reading, read_ahead};
use super::objective::Objective;
use super::order::{Draw, epoch_order};
use super::scoring::Scored;
use super::windowing::Windowing;
use super::{Batch, Exam, Position, TrainingError, Watch, learning_rate, optimizer};
use crate::model::{self, I3d};
use crate::random;
use crate::results::StepRow;
use crate::spec::Spec;
use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams, ModuleOptimizer};
use burn::tensor::Device;
use burn::train::{Interrupter, TrainStep};
use std::time::{Duration, Instant};

/// What training changes.
pub(super) struct Learner {
    pub network: I3d,
    /// Moving average of the weights, without gradients, where the spec wants one.
    pub average: Option<I3d>,
    pub optimizer: ModuleOptimizer,
    pub position: Position,
    /// Exams of the unfinished epoch with the logits they got while training.
    pub seen: Vec<Scored>,
    /// Rows of `steps.csv` so far.
    pub steps: Vec<StepRow>,
    /// How long this process has waited for exams in the epoch.
    pub waited: Duration,
}

impl Learner {
    /// The network that is validated and kept for prediction.
    pub fn judged(&self) -> I3d {
        self.average.clone().unwrap_or_else(|| self.network.valid())
    }
}

/// What training does not change.
pub(super) struct Setting<'a> {
    pub spec: &'a Spec,
    pub exams: &'a [Exam],
    pub objective: Objective,
    pub device: &'a Device,
    pub interrupter: &'a Interrupter,
    pub watch: &'a dyn Watch,
}

impl Setting<'_> {
    /// Batches of one epoch.
    pub fn batches_per_epoch(&self) -> usize {
        self.exams.len().div_ceil(self.spec.train.batch_size)
    }

    /// Optimizer steps of the whole run.
    fn steps_in_all(&self) -> usize {
        self.batches_per_epoch().div_ceil(self.spec.train.accumulate) * self.spec.train.epochs
    }
}

/// Why training pauses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pause {
    /// The epoch is complete.
    Complete,
    /// A checkpoint is due; then the epoch goes on.
    CheckpointDue,
    /// The interrupter asks to stop.
    Stopped,
}

/// Trains until the end of the epoch, until a step ends after `due`, or until the interrupter asks
/// to stop. It pauses only between optimizer steps and goes on as if it had not paused, so that the
/// clock decides when a checkpoint is written and nothing else.
pub(super) fn train_epoch(
    learner: &mut Learner,
    setting: &Setting,
    due: Option<Instant>,
) -> Result<Pause, TrainingError> {
    let train = &setting.spec.train;
    let seed = setting.spec.experiment.seed;
    let epoch = learner.position.epochs_done + 1;
    let labels: Vec<bool> = setting.exams.iter().map(|exam| exam.label == 1).collect();
    let order = epoch_order(&labels, train.sampling, train.batch_size, seed, epoch);
    let todo: Vec<Vec<Draw>> = order[learner.position.batches_done..].to_vec();
    // Batches of one optimizer step, so that each gets its share of the step's exams.
    let groups: Vec<Vec<usize>> =
        todo.chunks(train.accumulate).map(|group| group.iter().map(Vec::len).collect()).collect();
    std::thread::scope(|scope| {
        let reading = Reading {
            spec: setting.spec,
            exams: setting.exams,
            purpose: Purpose::Train { epoch },
            windowing: Windowing::of(setting.device),
        };
        let mut batches = read_ahead(scope, reading, todo);
        for (done, group) in groups.into_iter().enumerate() {
            if setting.interrupter.should_stop() {
                return Ok(Pause::Stopped);
            }
            // One step at least lies between two checkpoints.
            if done > 0 && due.is_some_and(|due| Instant::now() >= due) {
                return Ok(Pause::CheckpointDue);
            }
            let exams_in_step: usize = group.iter().sum();
            let mut gradients = GradientsAccumulator::new();
            let mut moments = Vec::with_capacity(group.len());
            let mut loss_of_step = 0.0;
            let step = learner.position.steps_done + 1;
            for exams_in_batch in &group {
                let before = batches.waited();
                let Some(host) = batches.next() else { break };
                learner.waited += batches.waited() - before;
                let host = host?;
                let places = host.exams.clone();
                let labels = places.iter().map(|p| usize::from(setting.exams[*p].label)).collect();
                let (spec, device) = (setting.spec, setting.device);
                let mut batch = Batch::new(host, labels, setting.objective, spec, device);
                batch.share = *exams_in_batch as f64 / exams_in_step as f64;
                let batch_number = learner.position.batches_done + 1;
                let stream = format!("dropout/epoch-{epoch}/batch-{batch_number}");
                batch.dropout_seed = random::stream_seed(seed, &stream);
                let share = batch.share;
                let output = TrainStep::step(&learner.network, batch);
                let scores = output.item.scores;
                if !scores.loss.is_finite() {
                    return Err(TrainingError::Diverged { loss: scores.loss, step, epoch });
                }
                gradients.accumulate(&learner.network, output.grads);
                moments.push(output.item.moments);
                loss_of_step += scores.loss * share;
                learner.seen.extend(
                    places
                        .iter()
                        .zip(scores.logits)
                        .map(|(exam, logits)| Scored { exam: *exam, logits }),
                );
                learner.position.batches_done += 1;
                setting.watch.batch_done(places.len(), scores.loss);
            }
            let rate = learning_rate(train, step, setting.steps_in_all());
            let network = learner.network.clone();
            let (gradients, norm) =
                optimizer::clip(&network, gradients.grads(), train, (step, epoch))?;
            let rates = [rate, rate * train.head_rate_factor];
            let network = step_optimizer(&mut learner.optimizer, rates, network, gradients);
            learner.network = moments.iter().fold(network, I3d::absorb);
            let average = learner.average.take();
            learner.average = average.map(|average| {
                optimizer::average(average, &learner.network, train.weight_average, step)
            });
            learner.position.steps_done = step;
            let row = StepRow {
                step,
                epoch,
                loss: loss_of_step,
                learning_rate: rate,
                gradient_norm: Some(norm),
            };
            setting.watch.step_done(&row);
            learner.steps.push(row);
        }
        Ok(Pause::Complete)
    })
}

/// One step of the optimizer, with learning rates for the network and for its classifier.
fn step_optimizer(
    optimizer: &mut ModuleOptimizer,
    [rate, head_rate]: [f64; 2],
    network: I3d,
    mut gradients: GradientsParams,
) -> I3d {
    if rate == head_rate {
        return optimizer.step(rate, network, gradients);
    }
    let mut of_head = GradientsParams::new();
    let [kernel, bias] = model::head_names().map(|name| model::parameter_id(&name));
    if let Some(gradient) = gradients.remove::<2>(kernel) {
        of_head.register(kernel, gradient);
    }
    if let Some(gradient) = gradients.remove::<1>(bias) {
        of_head.register(bias, gradient);
    }
    let network = optimizer.step(rate, network, gradients);
    optimizer.step(head_rate, network, of_head)
}
