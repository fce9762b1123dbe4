//! One pass over the training exams.

use super::averages::MovingAverages;
use super::batches::{HostBatch, Purpose, Reading, read_ahead};
use super::classifier::{Scores, Trained};
use super::footprint::{DeviceFailure, advice, guarded, step_bytes};
use super::objective::Objective;
use super::order::{Draw, epoch_order};
use super::replicas::Replicas;
use super::scoring::Scored;
use super::windowing::Windowing;
use super::{Batch, Exam, Position, TrainingError, Watch, learning_rate, optimizer};
use crate::model::{self, BatchMoments, I3d};
use crate::random;
use crate::results::StepRow;
use crate::spec::Spec;
use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams, ModuleOptimizer};
use burn::tensor::Device;
use burn::train::{Interrupter, TrainOutput, TrainStep};
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
    /// With gradients; the first has the network.
    pub devices: &'a [Device],
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

impl Setting<'_> {
    /// Trains on one batch: its exams, its share of the optimizer step's exams, and what came of it,
    /// on the first device.
    fn batch(
        &self,
        network: &I3d,
        host: HostBatch,
        (epoch, number): (usize, usize),
        exams_in_step: usize,
        device: &Device,
    ) -> Result<Done, DeviceFailure> {
        let places = host.exams.clone();
        let labels = places.iter().map(|p| usize::from(self.exams[*p].label)).collect();
        let mut batch = Batch::new(host, labels, self.objective, self.spec, device);
        let share = places.len() as f64 / exams_in_step as f64;
        batch.share = share;
        let stream = format!("dropout/epoch-{epoch}/batch-{number}");
        batch.dropout_seed = random::stream_seed(self.spec.experiment.seed, &stream);
        guarded(|| {
            let TrainOutput { grads, item } = TrainStep::step(network, batch);
            let Trained { scores, moments } = item;
            let first = self.devices[0].clone().inner();
            Ok(if *device == self.devices[0] {
                Done { places, share, scores: scores?, moments, gradients: grads }
            } else {
                Done {
                    places,
                    share,
                    scores: scores?,
                    moments: moments.to_device(&first),
                    gradients: grads.to_device(&first, network),
                }
            })
        })
    }

    /// The error for a device that failed in a step.
    fn failure(
        &self,
        failure: DeviceFailure,
        network: &I3d,
        step: usize,
        epoch: usize,
    ) -> TrainingError {
        match failure {
            DeviceFailure::OutOfMemory(words) => {
                let bytes = step_bytes(self.spec, network.parameter_count());
                let advice = advice(self.spec, bytes);
                TrainingError::OutOfMemory { step, epoch, words, advice }
            }
            DeviceFailure::Other(words) => TrainingError::Device { words },
        }
    }
}

/// A batch that was trained on.
struct Done {
    /// Its exams.
    places: Vec<usize>,
    /// Its share of the optimizer step's exams.
    share: f64,
    scores: Scores,
    /// On the first device, as are the gradients.
    moments: BatchMoments,
    gradients: GradientsParams,
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
    let batches_before = learner.position.epochs_done * order.len();
    let averages = MovingAverages::of(setting.spec);
    let todo: Vec<Vec<Draw>> = order[learner.position.batches_done..].to_vec();
    // Batches of one optimizer step, so that each gets its share of the step's exams.
    let groups: Vec<Vec<usize>> =
        todo.chunks(train.accumulate).map(|group| group.iter().map(Vec::len).collect()).collect();
    std::thread::scope(|scope| {
        let reading = Reading {
            spec: setting.spec,
            exams: setting.exams,
            purpose: Purpose::Train { epoch },
            windowing: Windowing::of(&setting.devices[0]),
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
            let network = learner.network.clone();
            let replicas = Replicas::new(&network, setting.devices);
            // As many batches at once as there are devices.
            for at_once in group.chunks(setting.devices.len()) {
                let before = batches.waited();
                let hosts = batches.by_ref().take(at_once.len()).collect::<Result<Vec<_>, _>>()?;
                learner.waited += batches.waited() - before;
                let first = learner.position.batches_done + 1;
                let work = hosts.into_iter().zip(first..).zip(setting.devices).collect();
                let all = replicas.each(work, |network, ((host, number), device)| {
                    setting.batch(network, host, (epoch, number), exams_in_step, device)
                });
                for done in all {
                    let Done { places, share, scores, moments: own, gradients: grads } =
                        done.map_err(|failure| setting.failure(failure, &network, step, epoch))?;
                    if !scores.loss.is_finite() {
                        return Err(TrainingError::Diverged { loss: scores.loss, step, epoch });
                    }
                    gradients.accumulate(&learner.network, grads);
                    moments.push(own);
                    loss_of_step += scores.loss * share;
                    setting.watch.batch_done(places.len(), scores.loss);
                    let pairs = places.into_iter().zip(scores.logits);
                    learner.seen.extend(pairs.map(|(exam, logits)| Scored { exam, logits }));
                    learner.position.batches_done += 1;
                }
            }
            let rate = learning_rate(train, step, setting.steps_in_all());
            let (gradients, norm) =
                optimizer::clip(&network, gradients.grads(), train, (step, epoch))?;
            let rates = [rate, rate * train.head_rate_factor];
            let network = step_optimizer(&mut learner.optimizer, rates, network, gradients);
            let first = batches_before + learner.position.batches_done + 1 - moments.len();
            learner.network = (first..).zip(&moments).fold(network, |network, (batch, moments)| {
                network.absorb(moments, averages.share(batch))
            });
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
