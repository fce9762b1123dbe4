//! Texts and combinations of values; `limits` has the ranges of numbers. All problems are reported together.

use super::{Compat, Document, Preference, Preprocess, Select, Spec, Split, SubgroupBy};
use lungs_base::device::DeviceRequest;
use lungs_base::network::Head;
use lungs_base::text::counted;
use lungs_image::volume::SYBIL_SIZE;
use std::path::Path;

/// A key with an invalid value.
pub(super) struct Problem {
    pub key: String,
    pub message: String,
    pub help: Option<String>,
}

impl Document {
    /// Checks the value of every key, and combinations of keys.
    pub(super) fn check(self) -> Result<Spec, Vec<Problem>> {
        let mut checks = Checks(Vec::new());
        checks.limits(&self);
        checks.experiment(&self);
        checks.labels(&self);
        checks.phantom(&self);
        checks.select(&self.data.select);
        checks.preprocess(&self);
        checks.shares(&self.split);
        checks.folds_and_lists(&self);
        checks.outcome(&self);
        checks.model(&self);
        checks.train(&self);
        checks.evaluate(&self);
        checks.runtime(&self);
        checks.slurm(&self);
        if checks.0.is_empty() { Ok(Spec::new(self)) } else { Err(checks.0) }
    }
}

/// Collected problems.
pub(super) struct Checks(Vec<Problem>);

impl Checks {
    pub(super) fn need(
        &mut self,
        valid: bool,
        key: &str,
        value: impl std::fmt::Debug,
        expected: &str,
    ) {
        if !valid {
            let message = format!("found {value:?}, expected {expected}");
            self.0.push(Problem { key: key.into(), message, help: None });
        }
    }

    pub(super) fn need_or(&mut self, valid: bool, key: &str, message: &str, help: &str) {
        if !valid {
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

    /// The sources of images and labels.
    fn labels(&mut self, document: &Document) {
        let data = &document.data;
        let lists = [&data.train_list, &data.valid_list, &data.test_list];
        let by_list = lists.iter().any(|list| list.is_some());
        let by_folder = data.positives.is_some() || data.negatives.is_some();
        self.need_or(
            by_list || by_folder || data.root != Path::new(""),
            "data.root",
            "no source of images is set",
            "set `data.root` to the folder of the images, or set `data.train_list` and \
             `data.valid_list`, or `data.positives` and `data.negatives`",
        );
        self.need_or(
            data.positives.is_some() == data.negatives.is_some(),
            if data.positives.is_some() { "data.negatives" } else { "data.positives" },
            "not set, although the folder of the other class is set",
            "set both `data.positives` and `data.negatives`, or neither",
        );
        self.need_or(
            data.train_list.is_some() == data.valid_list.is_some(),
            if data.train_list.is_some() { "data.valid_list" } else { "data.train_list" },
            "not set, although the other list is set",
            "set both `data.train_list` and `data.valid_list`, or neither",
        );
        self.need_or(
            data.test_list.is_none() || data.train_list.is_some(),
            "data.test_list",
            "set without `data.train_list` and `data.valid_list`",
            "set all three lists, or none",
        );
        let sources = [data.labels.is_some(), by_folder, by_list].iter().filter(|s| **s).count();
        self.need_or(
            sources == 1,
            "data.labels",
            &format!("{sources} sources of labels are set, expected 1"),
            "set one of: `data.labels` (a CSV), `data.positives` with `data.negatives` (folders), \
             `data.train_list` with `data.valid_list` (.list files)",
        );
    }

    fn phantom(&mut self, document: &Document) {
        let data = &document.data;
        self.need_or(
            data.phantom.is_none() || data.labels.is_some(),
            "data.phantom",
            "set without `data.labels`",
            "set `data.labels` to the generated file, `labels.csv` in `data.root`",
        );
    }

    fn select(&mut self, select: &Select) {
        let (min, max) = (select.min_slices, select.max_slices);
        self.need(
            max == 0 || max >= min,
            "data.select.max_slices",
            max,
            &format!("0 (off), or at least data.select.min_slices ({min})"),
        );
        let (min_mm, max_mm) = (select.min_slice_spacing_mm, select.max_slice_spacing_mm);
        self.need(
            min_mm <= max_mm,
            "data.select.min_slice_spacing_mm",
            min_mm,
            &format!("0 to data.select.max_slice_spacing_mm ({max_mm})"),
        );
        self.need_or(
            select.target_slice_spacing_mm > 0.0
                || !select.prefer.contains(&Preference::NearestSpacing),
            "data.select.target_slice_spacing_mm",
            "not set, but data.select.prefer has \"nearest-spacing\"",
            "set the preferred slice spacing in mm, for example 2.0",
        );
        for (key, names) in
            [("kernels", &select.kernels), ("exclude_kernels", &select.exclude_kernels)]
        {
            self.need(
                names.iter().all(|name| !name.trim().is_empty()),
                &format!("data.select.{key}"),
                names,
                "prefixes of kernel names, none of them empty",
            );
        }
    }

    fn preprocess(&mut self, document: &Document) {
        let preprocess = &document.preprocess;
        let window = preprocess.window;
        self.need(
            window.lower_hu < window.upper_hu && (window.upper_hu - window.lower_hu).is_finite(),
            "preprocess.window.upper_hu",
            window.upper_hu,
            &format!("more than preprocess.window.lower_hu ({})", window.lower_hu),
        );
        self.sybil(preprocess);
    }

    /// The input of Sybil has one size, and its other values are fixed.
    fn sybil(&mut self, preprocess: &Preprocess) {
        if preprocess.compat != Compat::Sybil {
            return;
        }
        self.need(
            preprocess.size == SYBIL_SIZE,
            "preprocess.size",
            preprocess.size,
            &format!("{SYBIL_SIZE:?}, the input of Sybil (preprocess.compat)"),
        );
        let defaults = Preprocess::default();
        for (key, is_default) in [
            ("spacing_mm", preprocess.spacing_mm == defaults.spacing_mm),
            ("interpolation", preprocess.interpolation == defaults.interpolation),
            ("window", preprocess.window == defaults.window),
            ("min_lung_ml", preprocess.min_lung_ml == defaults.min_lung_ml),
        ] {
            self.need_or(
                is_default,
                &format!("preprocess.{key}"),
                "set, but has no effect with preprocess.compat = \"sybil\"",
                "remove the key, or preprocess.compat",
            );
        }
    }

    /// Shares of the splits.
    fn shares(&mut self, split: &Split) {
        let sum = split.train + split.valid + split.test;
        self.need_or(
            (sum - 1.0).abs() < 1e-6,
            "split.train",
            &format!("train, valid and test add up to {sum}, expected 1"),
            "for example train = 0.7, valid = 0.3, test = 0.0",
        );
    }

    fn folds_and_lists(&mut self, document: &Document) {
        let split = &document.split;
        let folds = split.folds;
        self.need(
            split.fold <= folds,
            "split.fold",
            split.fold,
            &format!("0 (all folds), or at most split.folds ({folds})"),
        );
        self.need_or(
            split.folds == 0 || split.test == 0.0,
            "split.test",
            "set together with split.folds",
            "every patient is in the test split of one fold: set split.test to 0, and split.train and \
             split.valid to fractions of the other patients that add up to 1",
        );
        self.need_or(
            split.folds == 0 || document.data.train_list.is_none(),
            "split.folds",
            "set together with data.train_list",
            "lists fix the split, folds draw it: remove one of the two",
        );
        let lists = !split.lists.are_none();
        self.need_or(
            !lists || split.folds == 0,
            "split.lists",
            "set together with split.folds",
            "lists fix the split, folds draw it: remove one of the two",
        );
        self.need_or(
            !lists || document.data.train_list.is_none(),
            "split.lists",
            "set together with data.train_list",
            "both fix the split, by patients and by paths: remove one of the two",
        );
    }

    fn model(&mut self, document: &Document) {
        let model = &document.model;
        let depth = document.preprocess.size[0];
        self.need(
            model.slices <= depth,
            "model.slices",
            model.slices,
            &format!("1 to {depth}, the depth of the stored crop (preprocess.size)"),
        );
        self.need_or(
            model.architecture().has_pool(model.network_pool()),
            "model.pool",
            "found \"sybil\", but model.name is \"i3d\", which has the pool \"average\"",
            "remove the key, or set model.name to a residual network, such as \"r3d-18\"",
        );
        self.need(!model.init.is_empty(), "model.init", &model.init, "\"random\" or a path");
        self.need_or(
            model.init != "random" || model.init_head == Head::Load,
            "model.init_head",
            "found \"new\", but model.init is \"random\", which draws every weight",
            "remove the key, or set model.init to initial weights",
        );
    }

    fn evaluate(&mut self, document: &Document) {
        let evaluate = &document.evaluate;
        let names = evaluate.subgroups.iter().map(SubgroupBy::column);
        let valid = names.chain(evaluate.weight_column.as_deref()).all(|name| !name.is_empty());
        self.need(valid, "evaluate.subgroups", "\"\"", "names of columns");
        for by in &evaluate.subgroups {
            let SubgroupBy::Bands(bands) = by else { continue };
            let finite = bands.edges.iter().all(|edge| edge.is_finite());
            let ascending = bands.edges.windows(2).all(|pair| pair[0] < pair[1]);
            self.need(
                !bands.edges.is_empty() && finite && ascending,
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
            "\"auto\", \"cpu\", \"cuda\", a GPU by index such as \"cuda:1\", or a list of these",
        );
        if requests.len() > 1 {
            self.device_list(&requests, document.train.accumulate);
        }
    }

    /// Checks a list of devices, which share the batches of an optimizer step.
    fn device_list(&mut self, requests: &[DeviceRequest], accumulate: usize) {
        let (key, count) = ("runtime.device", requests.len());
        let cuda =
            requests.iter().filter(|device| matches!(device, DeviceRequest::Cuda(_))).count();
        let of_kind = |kind| requests.iter().filter(|device| **device == kind).count();
        // Several batches at a time on one CPU, for tests.
        let cpu = of_kind(DeviceRequest::Cpu).max(of_kind(DeviceRequest::CubeclCpu));
        self.need_or(
            cuda == count || cpu == count,
            key,
            "the list has devices of different kinds",
            "list GPUs only, as [\"cuda:0\", \"cuda:1\"], or \"cpu\" several times",
        );
        let has_duplicate =
            requests.iter().enumerate().any(|(index, device)| requests[..index].contains(device));
        self.need_or(
            cpu > 0 || !has_duplicate,
            key,
            "the list has the same GPU twice",
            "list each GPU once: two batches at once on one GPU are not faster",
        );
        self.need_or(
            accumulate >= count,
            key,
            &format!(
                "{count} devices, but an optimizer step has {} (train.accumulate) for the devices to share",
                counted(accumulate, "batch", "batches")
            ),
            &format!(
                "set train.accumulate to a multiple of {count}, and train.batch_size to the number of exams \
                 that one device computes at once"
            ),
        );
    }
}
