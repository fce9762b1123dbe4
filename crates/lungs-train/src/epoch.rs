//! One pass over the training exams.

use super::averages::RunningStatisticsRule;
use super::batches::{BatchReader, Batches, HostBatch, Purpose, read_ahead};
use super::classifier::{BatchOutput, Classifier, TrainStepOutput};
use super::footprint::{DeviceFailure, advice, catch_panic, step_bytes};
use super::logits::ExamLogits;
use super::objective::Objective;
use super::order::{Draw, epoch_order};
use super::replicas::Replicas;
use super::windowing::Windowing;
use super::{Batch, Event, Exam, Observer, Position, TrainingError, learning_rate, optimizer};
use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams, ModuleOptimizer};
use burn::tensor::Device;
use burn::train::{Interrupter, TrainOutput, TrainStep};
use lungs_base::random;
use lungs_net::model::{self, BatchStatistics, Network};
use lungs_spec::results::StepRow;
use lungs_spec::spec::Spec;
use std::time::{Duration, Instant};

/// The part of training that changes: network, optimizer, position and the tables of steps.
pub(super) struct Learner {
    pub network: Network,
    /// EMA of the weights, without gradients, if the spec asks for one.
    pub ema: Option<Network>,
    pub optimizer: ModuleOptimizer,
    pub position: Position,
    /// Logits of the exams of the unfinished epoch, from training.
    pub logits: Vec<ExamLogits>,
    /// Rows of `steps.csv` so far.
    pub steps: Vec<StepRow>,
    /// Time that this process has waited for batches in the epoch.
    pub wait_time: Duration,
}

impl Learner {
    /// The network for validation and prediction: the EMA if there is one.
    pub(crate) fn evaluation_network(&self) -> Network {
        self.ema.clone().unwrap_or_else(|| self.network.valid())
    }
}

/// The part of training that does not change.
pub(super) struct TrainingContext<'a> {
    pub spec: &'a Spec,
    pub exams: &'a [Exam],
    pub objective: Objective,
    /// Devices with gradients; the first holds the network.
    pub devices: &'a [Device],
    pub interrupter: &'a Interrupter,
    pub observe: &'a Observer<'a>,
}

impl TrainingContext<'_> {
    /// Number of batches in an epoch.
    pub(crate) fn batches_per_epoch(&self) -> usize {
        self.exams.len().div_ceil(self.spec.train.batch_size)
    }

    /// Number of optimizer steps in the run.
    fn total_steps(&self) -> usize {
        self.batches_per_epoch().div_ceil(self.spec.train.accumulate) * self.spec.train.epochs
    }
}

/// Steps of [`train_epoch`]. An optimizer step is given as its number and its epoch, both from 1.
impl TrainingContext<'_> {
    /// Computes one batch of an optimizer step. The result is on the first device.
    fn compute_batch(
        &self,
        network: &Network,
        host: HostBatch,
        (epoch, number): (usize, usize),
        exams_in_step: usize,
        device: &Device,
    ) -> Result<BatchResult, DeviceFailure> {
        let indices = host.exams.clone();
        let targets = indices.iter().map(|exam| self.exams[*exam].target()).collect();
        let mut batch = Batch::new(host, targets, self.objective.clone(), self.spec, device);
        let share = indices.len() as f64 / exams_in_step as f64;
        batch.share = share;
        let stream = format!("dropout/epoch-{epoch}/batch-{number}");
        batch.dropout_seed = random::stream_seed(self.spec.experiment.seed, &stream);
        catch_panic(|| {
            let TrainOutput { grads, item } = TrainStep::step(&Classifier(network), batch);
            let TrainStepOutput { output, statistics } = item;
            let first = self.devices[0].clone().inner();
            Ok(if *device == self.devices[0] {
                BatchResult { indices, share, output: output?, statistics, gradients: grads }
            } else {
                BatchResult {
                    indices,
                    share,
                    output: output?,
                    statistics: statistics.to_device(&first),
                    gradients: grads.to_device(&first, network),
                }
            })
        })
    }

    /// All batches of an epoch.
    fn order(&self, epoch: usize) -> Vec<Vec<Draw>> {
        let train = &self.spec.train;
        let outcome = &self.spec.outcome;
        let labels: Vec<bool> = self.exams.iter().map(|exam| exam.is_positive(outcome)).collect();
        epoch_order(&labels, train.sampling, train.batch_size, self.spec.experiment.seed, epoch)
    }

    /// Computes the batches of an optimizer step, one per device in parallel.
    fn sum_batches(
        &self,
        learner: &mut Learner,
        batches: &mut Batches,
        batch_sizes: &[usize],
        (step, epoch): (usize, usize),
    ) -> Result<StepSums, TrainingError> {
        let exams_in_step: usize = batch_sizes.iter().sum();
        let mut gradients = GradientsAccumulator::new();
        let mut statistics = Vec::with_capacity(batch_sizes.len());
        let mut loss = 0.0;
        let network = learner.network.clone();
        let replicas = Replicas::new(&network, self.devices);
        for parallel in batch_sizes.chunks(self.devices.len()) {
            let wait_before = batches.wait_time();
            let hosts = batches.by_ref().take(parallel.len()).collect::<Result<Vec<_>, _>>()?;
            learner.wait_time += batches.wait_time() - wait_before;
            let first = learner.position.batches_done + 1;
            let work = hosts.into_iter().zip(first..).zip(self.devices).collect();
            let results = replicas.each(work, |network, ((host, number), device)| {
                self.compute_batch(network, host, (epoch, number), exams_in_step, device)
            });
            for result in results {
                let result =
                    result.map_err(|failure| self.failure(failure, &network, step, epoch))?;
                let BatchResult { indices, share, output, statistics: own, gradients: grads } =
                    result;
                if !output.loss.is_finite() {
                    return Err(TrainingError::Diverged { loss: output.loss, step, epoch });
                }
                gradients.accumulate(&network, grads);
                statistics.push(own);
                loss += output.loss * share;
                (self.observe)(&Event::BatchDone { exams: indices.len(), loss: output.loss });
                let pairs = indices.into_iter().zip(output.logits);
                learner.logits.extend(pairs.map(|(exam, logits)| ExamLogits { exam, logits }));
                learner.position.batches_done += 1;
            }
        }
        Ok(StepSums { gradients: gradients.grads(), statistics, loss })
    }

    /// Updates the weights, the running statistics and the EMA by the sums of an optimizer step.
    fn update(
        &self,
        learner: &mut Learner,
        sums: StepSums,
        (step, epoch): (usize, usize),
    ) -> Result<StepRow, TrainingError> {
        let StepSums { gradients, statistics, loss } = sums;
        let train = &self.spec.train;
        let rate = learning_rate(train, step, self.total_steps());
        let network = learner.network.clone();
        let (gradients, norm) = optimizer::clip(&network, gradients, train, (step, epoch))?;
        let rates = [rate, rate * train.head_rate_factor];
        let network = step_optimizer(&mut learner.optimizer, rates, network, gradients);
        let rule = RunningStatisticsRule::of(self.spec);
        let batches_before = learner.position.epochs_done * self.batches_per_epoch();
        let first = batches_before + learner.position.batches_done + 1 - statistics.len();
        learner.network = (first..).zip(&statistics).fold(network, |network, (batch, own)| {
            network.update_running_statistics(own, rule.share(batch))
        });
        learner.ema = learner
            .ema
            .take()
            .map(|ema| optimizer::update_ema(ema, &learner.network, train.ema_decay, step));
        learner.position.steps_done = step;
        Ok(StepRow { step, epoch, loss, learning_rate: rate, gradient_norm: Some(norm) })
    }

    /// The error for a device that failed in a step.
    fn failure(
        &self,
        failure: DeviceFailure,
        network: &Network,
        step: usize,
        epoch: usize,
    ) -> TrainingError {
        match failure {
            DeviceFailure::OutOfMemory(message) => {
                let bytes = step_bytes(self.spec, network.parameter_count());
                let advice = advice(self.spec, bytes);
                TrainingError::OutOfMemory { step, epoch, message, advice }
            }
            DeviceFailure::Other(message) => TrainingError::Device { message },
        }
    }
}

/// The result of one batch.
struct BatchResult {
    /// Indices of the batch's exams.
    indices: Vec<usize>,
    /// The batch's share of the optimizer step's exams.
    share: f64,
    output: BatchOutput,
    /// On the first device, like the gradients.
    statistics: BatchStatistics,
    gradients: GradientsParams,
}

/// Why training pauses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pause {
    /// The epoch is complete.
    Complete,
    /// A checkpoint is due; the epoch continues after it.
    CheckpointDue,
    /// The interrupter requested a stop.
    Stopped,
}

/// The sums of an optimizer step over its batches.
struct StepSums {
    /// On the first device.
    gradients: GradientsParams,
    /// Of each batch, in order.
    statistics: Vec<BatchStatistics>,
    /// Mean over the exams of the step.
    loss: f64,
}

/// Trains until the end of the epoch, until a step ends after `due`, or until the interrupter
/// requests a stop. It pauses only between optimizer steps, and a pause does not change the result:
/// time affects only when checkpoints are written.
pub(super) fn train_epoch(
    learner: &mut Learner,
    context: &TrainingContext,
    due: Option<Instant>,
) -> Result<Pause, TrainingError> {
    let epoch = learner.position.epochs_done + 1;
    let remaining = context.order(epoch).split_off(learner.position.batches_done);
    // Batch sizes of each optimizer step.
    let groups: Vec<Vec<usize>> = remaining
        .chunks(context.spec.train.accumulate)
        .map(|group| group.iter().map(Vec::len).collect())
        .collect();
    std::thread::scope(|scope| {
        let reader = BatchReader {
            spec: context.spec,
            exams: context.exams,
            purpose: Purpose::Train { epoch },
            windowing: Windowing::of(&context.devices[0]),
        };
        let mut batches = read_ahead(scope, reader, remaining);
        for (steps, batch_sizes) in groups.into_iter().enumerate() {
            if context.interrupter.should_stop() {
                return Ok(Pause::Stopped);
            }
            // At least one step between two checkpoints.
            if steps > 0 && due.is_some_and(|due| Instant::now() >= due) {
                return Ok(Pause::CheckpointDue);
            }
            let number = (learner.position.steps_done + 1, epoch);
            let sums = context.sum_batches(learner, &mut batches, &batch_sizes, number)?;
            let row = context.update(learner, sums, number)?;
            (context.observe)(&Event::StepDone(&row));
            learner.steps.push(row);
        }
        Ok(Pause::Complete)
    })
}

/// One optimizer step, with separate learning rates for the network and for its classifier.
fn step_optimizer(
    optimizer: &mut ModuleOptimizer,
    [rate, head_rate]: [f64; 2],
    network: Network,
    mut gradients: GradientsParams,
) -> Network {
    if rate == head_rate {
        return optimizer::step(optimizer, rate, network, gradients);
    }
    let mut head_gradients = GradientsParams::new();
    let [kernel, bias] = model::head_names().map(|name| model::parameter_id(&name));
    if let Some(gradient) = gradients.remove::<2>(kernel) {
        head_gradients.register(kernel, gradient);
    }
    if let Some(gradient) = gradients.remove::<1>(bias) {
        head_gradients.register(bias, gradient);
    }
    let network = optimizer::step(optimizer, rate, network, gradients);
    optimizer::step(optimizer, head_rate, network, head_gradients)
}
