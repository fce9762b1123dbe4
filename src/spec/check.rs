//! Which values make sense. Everything that is wrong is reported at once.

use super::{Document, InitHead, Preference, Spec, SubgroupBy};
use crate::device::DeviceRequest;
use std::path::Path;

/// A key whose value cannot be.
pub(super) struct Problem {
    pub key: String,
    pub message: String,
    pub help: Option<String>,
}

impl Document {
    /// Checks every key and their agreement with each other.
    pub(super) fn check(self) -> Result<Spec, Vec<Problem>> {
        let mut checks = Checks(Vec::new());
        checks.experiment(&self);
        checks.data(&self);
        checks.preprocess(&self);
        checks.split(&self);
        checks.model(&self);
        checks.loss(&self);
        checks.train(&self);
        checks.augment(&self);
        checks.evaluate(&self);
        checks.runtime(&self);
        checks.slurm(&self);
        if checks.0.is_empty() { Ok(Spec(self)) } else { Err(checks.0) }
    }

    /// Checks what preparation and the network need, for work without a study.
    pub(super) fn check_preparation(self) -> Result<Spec, Vec<Problem>> {
        let mut checks = Checks(Vec::new());
        checks.preprocess(&self);
        checks.model(&self);
        if checks.0.is_empty() { Ok(Spec(self)) } else { Err(checks.0) }
    }
}

/// What is wrong so far.
pub(super) struct Checks(Vec<Problem>);

impl Checks {
    pub(super) fn need(
        &mut self,
        holds: bool,
        key: &str,
        found: impl std::fmt::Debug,
        expected: &str,
    ) {
        if !holds {
            let message = format!("found {found:?}, expected {expected}");
            self.0.push(Problem { key: key.into(), message, help: None });
        }
    }

    pub(super) fn need_or(&mut self, holds: bool, key: &str, message: &str, help: &str) {
        if !holds {
            let help = Some(help.to_owned());
            self.0.push(Problem { key: key.into(), message: message.to_owned(), help });
        }
    }

    fn experiment(&mut self, document: &Document) {
        let name = &document.experiment.name;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        self.need(
            !name.is_empty() && !name.starts_with('.') && name.chars().all(plain),
            "experiment.name",
            name,
            "a folder name of letters, digits, `-`, `_` and `.`",
        );
        let seed = document.experiment.seed;
        self.need(
            i64::try_from(seed).is_ok(),
            "experiment.seed",
            seed,
            "a whole number below 2^63",
        );
    }

    fn data(&mut self, document: &Document) {
        let data = &document.data;
        let lists = [&data.train_list, &data.valid_list, &data.test_list];
        let by_list = lists.iter().any(|list| list.is_some());
        let by_folder = data.positives.is_some() || data.negatives.is_some();
        self.need_or(
            by_list || by_folder || data.root != Path::new(""),
            "data.root",
            "no data: the key is not set",
            "name the folder that holds the DICOM series, or give `data.train_list` and \
             `data.valid_list`, or `data.positives` and `data.negatives`",
        );
        self.need_or(
            data.positives.is_some() == data.negatives.is_some(),
            if data.positives.is_some() { "data.negatives" } else { "data.positives" },
            "not set, though its counterpart is",
            "folders of positives and of negatives come together",
        );
        self.need_or(
            data.train_list.is_some() == data.valid_list.is_some(),
            if data.train_list.is_some() { "data.valid_list" } else { "data.train_list" },
            "not set, though its counterpart is",
            "lists for training and for validation come together",
        );
        self.need_or(
            data.test_list.is_none() || data.train_list.is_some(),
            "data.test_list",
            "set without `data.train_list` and `data.valid_list`",
            "give all lists, or none",
        );
        let sources = [data.labels.is_some(), by_folder, by_list].iter().filter(|s| **s).count();
        self.need_or(
            sources == 1,
            "data.labels",
            if sources == 0 { "no source of labels" } else { "more than one source of labels" },
            "set one of: `data.labels` (a CSV), `data.positives` with `data.negatives` (folders), \
             `data.train_list` with `data.valid_list` (.list files)",
        );
        self.need_or(
            data.phantom.is_none() || data.labels.is_some(),
            "data.phantom",
            "a synthetic cohort brings its own labels file",
            "set `data.labels` to `labels.csv` inside `data.root`",
        );
        if let Some(phantom) = &data.phantom {
            self.need(
                phantom.patients >= 4,
                "data.phantom.patients",
                phantom.patients,
                "at least 4",
            );
            let fraction = phantom.positive_fraction;
            self.need(
                fraction > 0.0 && fraction < 1.0,
                "data.phantom.positive_fraction",
                fraction,
                "a number between 0 and 1",
            );
        }
        let select = &data.select;
        self.need(
            select.max_slice_spacing_mm > 0.0,
            "data.select.max_slice_spacing_mm",
            select.max_slice_spacing_mm,
            "a positive number of millimetres",
        );
        self.need(select.min_slices >= 2, "data.select.min_slices", select.min_slices, "2 or more");
        let (least, most) = (select.min_slices, select.max_slices);
        self.need(
            most == 0 || most >= least,
            "data.select.max_slices",
            most,
            &format!("0 (off), or at least min_slices, which is {least}"),
        );
        let (least_mm, most_mm) = (select.min_slice_spacing_mm, select.max_slice_spacing_mm);
        self.need(
            (0.0..=most_mm).contains(&least_mm),
            "data.select.min_slice_spacing_mm",
            least_mm,
            &format!("0 to max_slice_spacing_mm, which is {most_mm}"),
        );
        for (key, value_mm) in [
            ("target_slice_spacing_mm", select.target_slice_spacing_mm),
            ("min_coverage_mm", select.min_coverage_mm),
        ] {
            self.need(
                value_mm >= 0.0 && value_mm.is_finite(),
                &format!("data.select.{key}"),
                value_mm,
                "millimetres, or 0 (off)",
            );
        }
        self.need_or(
            select.target_slice_spacing_mm > 0.0
                || !select.prefer.contains(&Preference::NearestSpacing),
            "data.select.target_slice_spacing_mm",
            "not set, though `prefer` has \"nearest-spacing\"",
            "say what the spacing is to be near to, for example 2.0",
        );
        for (key, names) in
            [("kernels", &select.kernels), ("exclude_kernels", &select.exclude_kernels)]
        {
            self.need(
                names.iter().all(|name| !name.trim().is_empty()),
                &format!("data.select.{key}"),
                names,
                "beginnings of kernel names, none of them empty",
            );
        }
    }

    fn preprocess(&mut self, document: &Document) {
        let preprocess = &document.preprocess;
        let spacing = preprocess.spacing_mm;
        self.need(
            (0.3..=20.0).contains(&spacing),
            "preprocess.spacing_mm",
            spacing,
            "0.3 to 20 millimetres",
        );
        self.need(
            preprocess.size.iter().all(|side| (8..=1024).contains(side)),
            "preprocess.size",
            preprocess.size,
            "three sides (depth, height, width) of 8 to 1024 voxels",
        );
        self.need(
            preprocess.min_lung_ml >= 0.0 && preprocess.min_lung_ml.is_finite(),
            "preprocess.min_lung_ml",
            preprocess.min_lung_ml,
            "millilitres, 0 or more",
        );
        let window = preprocess.window;
        self.need(
            window.lower_hu < window.upper_hu && (window.upper_hu - window.lower_hu).is_finite(),
            "preprocess.window.upper_hu",
            window.upper_hu,
            &format!("more than lower_hu, which is {}", window.lower_hu),
        );
    }

    fn split(&mut self, document: &Document) {
        let split = &document.split;
        for (key, share) in [("train", split.train), ("valid", split.valid), ("test", split.test)] {
            self.need(
                (0.0..=1.0).contains(&share),
                &format!("split.{key}"),
                share,
                "a share between 0 and 1",
            );
        }
        self.need(
            split.folds == 0 || (2..=100).contains(&split.folds),
            "split.folds",
            split.folds,
            "0 (off), or 2 to 100",
        );
        let most = split.folds;
        self.need(
            split.fold <= most,
            "split.fold",
            split.fold,
            &format!("0 (all of them), or at most split.folds, which is {most}"),
        );
        self.need_or(
            split.folds == 0 || split.test == 0.0,
            "split.test",
            "set together with split.folds",
            "with folds, every patient is tested in one of them: set split.test to 0 and let \
             split.train and split.valid share the others",
        );
        self.need_or(
            split.folds == 0 || document.data.train_list.is_none(),
            "split.folds",
            "set together with data.train_list",
            "lists impose the split; folds draw it: give one or the other",
        );
        let lists = !split.lists.are_none();
        self.need_or(
            !lists || split.folds == 0,
            "split.lists",
            "set together with split.folds",
            "lists impose the split; folds draw it: give one or the other",
        );
        self.need_or(
            !lists || document.data.train_list.is_none(),
            "split.lists",
            "set together with data.train_list",
            "both impose the split, by patients and by paths: give one or the other",
        );
        let sum = split.train + split.valid + split.test;
        self.need_or(
            (sum - 1.0).abs() < 1e-6,
            "split.train",
            &format!("train, valid and test add up to {sum}, expected 1"),
            "for example train = 0.7, valid = 0.3, test = 0.0",
        );
        self.need_or(
            split.train > 0.0 && split.valid > 0.0,
            if split.train > 0.0 { "split.valid" } else { "split.train" },
            "nobody would be in this part",
            "both training and validation need patients",
        );
    }

    fn model(&mut self, document: &Document) {
        let model = &document.model;
        let depth = document.preprocess.size[0];
        self.need(
            (1..=depth).contains(&model.slices),
            "model.slices",
            model.slices,
            &format!("1 to {depth}, the depth of the stored crop (preprocess.size)"),
        );
        self.need(
            model.keep_prob > 0.0 && model.keep_prob <= 1.0,
            "model.keep_prob",
            model.keep_prob,
            "more than 0, at most 1 (it is the share that is kept)",
        );
        self.need([1, 3].contains(&model.channels), "model.channels", model.channels, "1 or 3");
        self.need(
            (0.05..=4.0).contains(&model.width),
            "model.width",
            model.width,
            "0.05 to 4 (1 is I3D)",
        );
        let decay = model.batch_norm_decay;
        self.need(
            (0.0..1.0).contains(&decay),
            "model.batch_norm_decay",
            decay,
            "at least 0, less than 1",
        );
        self.need(!model.init.is_empty(), "model.init", &model.init, "\"random\" or a path");
        self.need_or(
            model.init != "random" || model.init_head == InitHead::Load,
            "model.init_head",
            "\"new\", though model.init is \"random\": everything is new",
            "remove it, or name weights in model.init",
        );
    }

    fn evaluate(&mut self, document: &Document) {
        let evaluate = &document.evaluate;
        for (key, share) in [("threshold", evaluate.threshold), ("prevalence", evaluate.prevalence)]
        {
            self.need(
                share.is_none_or(|share| share > 0.0 && share < 1.0),
                &format!("evaluate.{key}"),
                share.unwrap_or_default(),
                "more than 0 and less than 1",
            );
        }
        let names = evaluate.subgroups.iter().map(SubgroupBy::column);
        let named = names.chain(evaluate.weight_column.as_deref()).all(|name| !name.is_empty());
        self.need(named, "evaluate.subgroups", "\"\"", "names of columns");
        for by in &evaluate.subgroups {
            let SubgroupBy::Bands(bands) = by else { continue };
            let finite = bands.edges.iter().all(|edge| edge.is_finite());
            let rising = bands.edges.windows(2).all(|pair| pair[0] < pair[1]);
            self.need(
                !bands.edges.is_empty() && finite && rising,
                "evaluate.subgroups",
                &bands.edges,
                &format!("edges of `{}` in ascending order, at least one", bands.column),
            );
        }
    }

    fn runtime(&mut self, document: &Document) {
        let names = document.runtime.device.names();
        let requests: Vec<DeviceRequest> = names.iter().flat_map(|name| name.parse()).collect();
        self.need(
            !names.is_empty() && requests.len() == names.len(),
            "runtime.device",
            names.join(", "),
            "\"auto\", \"cpu\", \"cuda\", a numbered one such as \"cuda:1\", or a list of such",
        );
        if requests.len() > 1 {
            self.several_devices(&requests, document.train.accumulate);
        }
        let workers = document.runtime.workers;
        self.need(workers <= 64, "runtime.workers", workers, "0 to 64 threads");
    }

    /// Several devices share the batches of an optimizer step.
    fn several_devices(&mut self, requests: &[DeviceRequest], accumulate: usize) {
        let (key, count) = ("runtime.device", requests.len());
        let cuda = requests.iter().filter(|one| matches!(one, DeviceRequest::Cuda(_))).count();
        let cpu = requests.iter().filter(|one| **one == DeviceRequest::Cpu).count();
        self.need_or(
            cuda == count || cpu == count,
            key,
            "a list of devices of different kinds",
            "name GPUs only, as [\"cuda:0\", \"cuda:1\"], or \"cpu\" several times",
        );
        let twice = requests.iter().enumerate().any(|(at, one)| requests[..at].contains(one));
        self.need_or(
            cpu > 0 || !twice,
            key,
            "the same GPU twice",
            "name each GPU once; two batches at once on one GPU are not faster",
        );
        self.need_or(
            accumulate >= count,
            key,
            &format!(
                "{count} devices, but an optimizer step has {accumulate} batch(es) \
                 (train.accumulate), and devices share the batches of a step"
            ),
            &format!(
                "set train.accumulate to {count} or a multiple of it, and train.batch_size to the \
                 exams that one device computes at a time"
            ),
        );
    }
}
