use super::*;
use lungs_image::dicom::{GantryTilt, Orientation};
use std::fs;
use std::path::PathBuf;

pub(super) struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    pub(super) fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        Self { folder }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn load(
        &self,
        name: &str,
        environment: &[(&str, &str)],
        set: &[&str],
    ) -> Result<Spec, SpecError> {
        let environment = environment.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        let set = set.iter().map(|s| s.to_string()).collect();
        load(&self.path(name), &Overrides { environment, set })
    }
}

pub(super) const MINIMAL: &str = "[data]\nroot = \"ct\"\nlabels = \"labels.csv\"\n";

pub(super) fn problems(result: Result<Spec, SpecError>) -> Vec<String> {
    match result {
        Err(SpecError::Keys { problems }) => problems.iter().map(|p| p.to_string()).collect(),
        other => panic!("expected key problems, got {other:?}"),
    }
}

#[test]
fn layers_override_each_other_in_the_documented_order() {
    let files = Files::new(&[
        (
            "base.toml",
            &format!(
                "{MINIMAL}[train]\nepochs = 1\nbatch_size = 1\nlearning_rate = 1e-1\naccumulate = 1\n"
            ),
        ),
        (
            "spec.toml",
            "extends = \"base.toml\"\n[train]\nbatch_size = 2\nlearning_rate = 1e-2\naccumulate = 2\n",
        ),
    ]);
    let environment = [
        ("LUNGS_TRAIN__LEARNING_RATE", "1e-3"),
        ("LUNGS_TRAIN__ACCUMULATE", "3"),
        ("LUNGS_SHARED", "/x"),
    ];
    let spec = files.load("spec.toml", &environment, &["train.accumulate=4"]).unwrap();
    assert_eq!(spec.train.epochs, 1);
    assert_eq!(spec.train.batch_size, 2);
    assert_eq!(spec.train.learning_rate, 1e-3);
    assert_eq!(spec.train.accumulate, 4);
    assert_eq!(spec.experiment.seed, 37);
}

#[test]
fn numbers_that_the_original_command_line_rejected_are_read() {
    // The original rejects `--lr 5e-5` and `--keep_prob 0.7` as "invalid int".
    let files = Files::new(&[("spec.toml", MINIMAL)]);
    let spec =
        files.load("spec.toml", &[], &["train.learning_rate=5e-5", "model.keep_prob=0.7"]).unwrap();
    assert_eq!((spec.train.learning_rate, spec.model.keep_prob), (5e-5, 0.7));
}

#[test]
fn an_unknown_key_suggests_the_nearest_known_key() {
    let files = Files::new(&[("spec.toml", &format!("{MINIMAL}[train]\nlearning_rat = 1e-4\n"))]);
    let Err(SpecError::Keys { problems }) = files.load("spec.toml", &[], &[]) else { panic!() };
    assert_eq!(problems[0].key, "train.learning_rat");
    assert_eq!(problems[0].help.as_deref(), Some("did you mean `train.learning_rate`?"));
    assert!(problems[0].span.is_some());
}

#[test]
fn a_wrong_type_names_the_layer_that_set_it() {
    let files = Files::new(&[("spec.toml", MINIMAL)]);
    let messages = problems(files.load("spec.toml", &[], &["train.epochs=many"]));
    assert_eq!(
        messages,
        [
            "train.epochs: found \"many\", expected a whole number that is not negative (from --set train.epochs=many)"
        ]
    );
    let messages = problems(files.load("spec.toml", &[("LUNGS_LOSS__NAME", "focl")], &[]));
    assert_eq!(
        messages,
        [
            "loss.name: found \"focl\", expected one of: \"cross-entropy\", \"focal\" (from environment variable LUNGS_LOSS__NAME)"
        ]
    );
}

#[test]
fn all_invalid_values_are_reported_together() {
    let files = Files::new(&[(
        "spec.toml",
        &format!("{MINIMAL}[model]\nkeep_prob = 0.0\n[train]\nepochs = 0\n"),
    )]);
    let messages = problems(files.load("spec.toml", &[], &["split.train=0.9"]));
    let keys: Vec<&str> = messages.iter().map(|text| text.split(':').next().unwrap()).collect();
    assert_eq!(keys, ["model.keep_prob", "train.epochs", "split.train"]);
}

#[test]
fn a_spec_cannot_extend_itself() {
    let files =
        Files::new(&[("a.toml", "extends = \"b.toml\""), ("b.toml", "extends = \"a.toml\"")]);
    let Err(SpecError::Cycle { chain }) = files.load("a.toml", &[], &[]) else { panic!() };
    assert_eq!(chain.len(), 3);
}

#[test]
fn the_resolved_form_is_the_same_experiment() {
    let files = Files::new(&[(
        "spec.toml",
        &format!(
            "{MINIMAL}[loss]\nname = \"focal\"\n[train]\nearly_stopping = {{ patience = 3 }}\n"
        ),
    )]);
    let spec = files.load("spec.toml", &[], &[]).unwrap();
    fs::write(files.path("resolved.toml"), spec.to_toml()).unwrap();
    let again = load_resolved(&files.path("resolved.toml"), &[]).unwrap();
    assert_eq!(spec, again);
    assert_eq!(spec.hash(), again.hash());
}

#[test]
fn the_hash_depends_on_keys_that_affect_results_only() {
    let files = Files::new(&[("spec.toml", MINIMAL)]);
    let hash = |set: &[&str]| files.load("spec.toml", &[], set).unwrap().hash();
    let plain = hash(&[]);
    assert_eq!(
        plain,
        hash(&["runtime.threads=1", "experiment.name=other", "data.cache=elsewhere"])
    );
    assert_eq!(plain, hash(&["loss.gamma=5"]), "γ has no effect on cross-entropy");
    assert_ne!(plain, hash(&["loss.name=focal"]));
    assert_ne!(hash(&["loss.name=focal"]), hash(&["loss.name=focal", "loss.gamma=5"]));
    assert_ne!(plain, hash(&["experiment.seed=1"]));
}

#[test]
fn keys_of_later_versions_keep_the_hash_of_older_specs() {
    let files = Files::new(&[("spec.toml", MINIMAL)]);
    let hash = |set: &[&str]| files.load("spec.toml", &[], set).unwrap().hash();
    // The hash of this spec in a version without these keys.
    assert_eq!(hash(&[]), "12cd7daa1cdddb8bffaaf3a32a168e13b96bc36c5180c313e16d2584a6ebaa53");
    for off in [
        "train.clip_norm=0",
        "train.weight_decay=0.0",
        "train.sampling=shuffle",
        "train.ema_decay=0",
        "train.augment.scale=0",
        "loss.class_weights=none",
        "model.pool=average",
        // These affect checkpoints and memory only.
        "train.checkpoint_minutes=0.5",
        "train.keep_every=5",
        "train.gradient_checkpointing=true",
        "train.tensorboard=true",
        "train.keep_checkpoints=all",
        "runtime.workers=4",
        // These affect the metrics of the predictions only.
        "evaluate.recalibrate=platt",
        "evaluate.prevalence=0.01",
        "evaluate.subgroups=[\"sex\"]",
    ] {
        assert_eq!(hash(&[]), hash(&[off]), "{off}");
    }
    for on in [
        "runtime.precision=bf16",
        "train.clip_norm=1",
        "train.weight_decay=0.01",
        "train.sampling=balanced",
        "train.ema_decay=0.9",
        "train.augment.scale=0.1",
        "train.augment.rotate_degrees=5",
        "train.augment.shift_hu=5",
        "train.augment.noise_hu=5",
        "loss.class_weights=[1.0, 2.0]",
        "model.name=r3d-18",
    ] {
        assert_ne!(hash(&[]), hash(&[on]), "{on}");
    }
}

#[test]
fn class_weights_are_a_name_or_two_positive_numbers() {
    let files = Files::new(&[("spec.toml", MINIMAL)]);
    let weights = |text: &str| {
        let set = format!("loss.class_weights={text}");
        files.load("spec.toml", &[], &[&set]).map(|spec| spec.loss.class_weights)
    };
    assert_eq!(weights("balanced").unwrap(), ClassWeights::Balanced);
    assert_eq!(weights("[1, 2.5]").unwrap(), ClassWeights::PerClass([1.0, 2.5]));
    let spec = files.load("spec.toml", &[], &["loss.class_weights=[1, 2.5]"]).unwrap();
    fs::write(files.path("again.toml"), spec.to_toml()).unwrap();
    assert_eq!(load_resolved(&files.path("again.toml"), &[]).unwrap(), spec);
    for (text, expected) in [
        ("balance", "found \"balance\", expected one of: \"none\", \"balanced\""),
        ("[1.0]", "two numbers such as [1.0, 3.0]"),
        ("[1, 2, 3]", "two numbers such as [1.0, 3.0]"),
        ("[1, 0]", "found [1.0, 0.0], expected two positive numbers"),
        ("3", "expected \"none\", \"balanced\", or two numbers"),
    ] {
        let messages = problems(weights(text).map(|_| unreachable!("{text}")));
        let message = &messages[0];
        assert!(message.contains("loss.class_weights") && message.contains(expected), "{message}");
    }
}

#[test]
fn invalid_values_of_training_are_reported() {
    let files = Files::new(&[("spec.toml", MINIMAL)]);
    for set in [
        "train.clip_norm=-1",
        "train.weight_decay=nan",
        "train.ema_decay=1",
        "train.checkpoint_minutes=-1",
        "train.augment.rotate_degrees=181",
        "train.augment.scale=-0.1",
        "train.augment.shift_hu=1001",
        "train.augment.noise_hu=nan",
        "runtime.workers=65",
    ] {
        let key = set.split('=').next().unwrap();
        let messages = problems(files.load("spec.toml", &[], &[set]));
        assert!(messages.len() == 1 && messages[0].starts_with(key), "{set}: {messages:?}");
    }
}

#[test]
fn residual_networks_have_their_own_pools_and_layers() {
    let files = Files::new(&[("spec.toml", MINIMAL)]);
    let load = |set: &[&str]| files.load("spec.toml", &[], set);
    let spec = load(&["model.name=r3d-18", "model.pool=sybil", "train.freeze=['stem', 'Pool']"]);
    let spec = spec.unwrap();
    assert_eq!(spec.model.architecture().name(), "r3d-18");
    assert!(spec.to_toml().contains("pool = \"sybil\""));
    assert!(!load(&["model.name=i3resnet-152"]).unwrap().to_toml().contains("pool"));
    for (set, part) in [
        (&["model.pool=sybil"][..], "model.pool: found \"sybil\", but model.name is \"i3d\""),
        (&["model.name=r3d-18", "train.freeze=['Pool']"], "train.freeze: the network has no layer"),
        (&["model.name=r3d-18", "train.freeze=['Mixed_3b']"], "stem, layer1, layer2"),
        (&["train.freeze=['layer1']"], "for example, `Mixed_3b/Branch_1`"),
    ] {
        let Err(SpecError::Keys { problems }) = load(set) else { panic!("{set:?}") };
        let [problem] = &problems[..] else { panic!("{set:?}: {problems:?}") };
        let text = format!("{problem}; {}", problem.help.as_deref().unwrap_or_default());
        assert!(text.contains(part), "{set:?}: {text}");
    }
}

#[test]
fn invalid_lists_of_devices_are_reported() {
    let files = Files::new(&[("spec.toml", MINIMAL)]);
    let load = |device: &str, accumulate: &str| {
        let device = format!("runtime.device={device}");
        files.load("spec.toml", &[], &[&device, &format!("train.accumulate={accumulate}")])
    };
    for valid in [r#""cuda:1""#, r#"["cuda:0", "cuda:1"]"#, r#"["cpu", "cpu"]"#, r#"["cpu"]"#] {
        let spec = load(valid, "2").unwrap();
        assert!(!spec.runtime.device.names().is_empty());
        // The device is not part of the identity.
        assert_eq!(spec.hash(), load("cpu", "2").unwrap().hash());
    }
    for (device, accumulate, expected) in [
        ("[]", "2", "expected \"auto\", \"cpu\", \"cuda\""),
        ("gpu", "2", "found \"gpu\""),
        (r#"["cuda:0", "tpu"]"#, "2", "found \"cuda:0, tpu\""),
        (r#"["cuda:0", "cpu"]"#, "2", "different kinds"),
        (r#"["auto", "cuda:1"]"#, "2", "different kinds"),
        (r#"["cuda", "cuda:0"]"#, "2", "the same GPU twice"),
        (
            r#"["cuda:0", "cuda:1"]"#,
            "1",
            "2 devices, but an optimizer step has 1 batch (train.accumulate)",
        ),
        ("3", "2", "a device such as \"cuda\", or a list"),
    ] {
        let messages = problems(load(device, accumulate));
        let message = &messages[0];
        assert!(
            messages.len() == 1 && message.contains("runtime.device"),
            "{device}: {messages:?}"
        );
        assert!(message.contains(expected), "{device}: {message}");
    }
}

#[test]
fn differences_name_only_what_differs() {
    let files = Files::new(&[("spec.toml", MINIMAL)]);
    let a = files.load("spec.toml", &[], &["experiment.name=a"]).unwrap();
    let b = files.load("spec.toml", &[], &["experiment.name=b", "loss.name=focal"]).unwrap();
    let keys: Vec<String> = differences(&[a, b]).into_iter().map(|d| d.key).collect();
    assert_eq!(keys, ["loss.alpha", "loss.gamma", "loss.name"]);
}

#[test]
fn contradictory_rules_of_selection_are_reported() {
    let files = Files::new(&[("spec.toml", MINIMAL)]);
    let messages = problems(files.load(
        "spec.toml",
        &[],
        &[
            "data.select.max_slices=40",
            "data.select.min_slice_spacing_mm=6",
            "data.select.min_coverage_mm=-1",
            "data.select.prefer=[\"nearest-spacing\"]",
            "data.select.kernels=[\"\"]",
        ],
    ));
    for (key, text) in [
        ("max_slices", "found 40, expected 0 (off), or at least data.select.min_slices (50)"),
        ("min_slice_spacing_mm", "found 6.0, expected 0 to data.select.max_slice_spacing_mm (5)"),
        ("min_coverage_mm", "found -1.0, expected millimetres, or 0 (off)"),
        ("target_slice_spacing_mm", "not set, but data.select.prefer has \"nearest-spacing\""),
        ("kernels", "found [\"\"], expected prefixes of kernel names, none of them empty"),
    ] {
        let key = format!("data.select.{key}");
        let matches = |message: &String| message.contains(&key) && message.contains(text);
        assert!(messages.iter().any(matches), "{key}: {messages:?}");
    }
    let set = ["data.select.prefer=[\"nearest-spacing\"]", "data.select.target_slice_spacing_mm=2"];
    assert!(files.load("spec.toml", &[], &set).is_ok());
}

#[test]
fn rules_for_tilted_and_sagittal_stacks_are_read() {
    let files = Files::new(&[("spec.toml", MINIMAL)]);
    let spec = files.load("spec.toml", &[], &["preprocess.gantry_tilt=refuse"]).unwrap();
    assert_eq!(spec.preprocess.gantry_tilt, GantryTilt::Refuse);
    assert_eq!(spec.preprocess.orientation, Orientation::Reformat);
    assert_eq!(
        problems(files.load("spec.toml", &[], &["preprocess.orientation=flip"])),
        [
            "preprocess.orientation: found \"flip\", expected one of: \"reformat\", \"refuse\" (from --set preprocess.orientation=flip)"
        ]
    );
}

#[test]
fn the_input_of_sybil_has_one_size_and_no_other_values() {
    let files = Files::new(&[("spec.toml", MINIMAL)]);
    let sybil = ["preprocess.compat=sybil", "model.slices=200"];
    let size = "preprocess.size=[200, 256, 256]";
    let spec = files.load("spec.toml", &[], &[sybil[0], sybil[1], size]).unwrap();
    assert_eq!(spec.preprocess.compat, Compat::Sybil);
    let other = [sybil[0], sybil[1], "preprocess.spacing_mm=2", "preprocess.min_lung_ml=0"];
    let found = problems(files.load("spec.toml", &[], &other));
    assert_eq!(found.len(), 3, "{found:#?}");
    assert!(found[0].contains("preprocess.size") && found[0].contains("[200, 256, 256]"));
    assert!(found[1].contains("preprocess.spacing_mm") && found[1].contains("no effect"));
    assert!(found[2].contains("preprocess.min_lung_ml"));
}
