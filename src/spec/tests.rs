use super::*;
use std::fs;
use std::path::PathBuf;

struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn load(
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

const LEAST: &str = "[data]\nroot = \"ct\"\nlabels = \"labels.csv\"\n";

fn problems(result: Result<Spec, SpecError>) -> Vec<String> {
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
                "{LEAST}[train]\nepochs = 1\nbatch_size = 1\nlearning_rate = 1e-1\naccumulate = 1\n"
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
fn the_traps_of_the_original_command_line_are_plain_numbers_here() {
    // `--lr 5e-5` and `--keep_prob 0.7` were "invalid int" there.
    let files = Files::new(&[("spec.toml", LEAST)]);
    let spec =
        files.load("spec.toml", &[], &["train.learning_rate=5e-5", "model.keep_prob=0.7"]).unwrap();
    assert_eq!((spec.train.learning_rate, spec.model.keep_prob), (5e-5, 0.7));
}

#[test]
fn an_unknown_key_names_its_nearest() {
    let files = Files::new(&[("spec.toml", &format!("{LEAST}[train]\nlearning_rat = 1e-4\n"))]);
    let Err(SpecError::Keys { problems }) = files.load("spec.toml", &[], &[]) else { panic!() };
    assert_eq!(problems[0].key, "train.learning_rat");
    assert_eq!(problems[0].help.as_deref(), Some("did you mean `learning_rate`?"));
    assert!(problems[0].span.is_some());
}

#[test]
fn a_wrong_type_names_the_layer_it_came_from() {
    let files = Files::new(&[("spec.toml", LEAST)]);
    let told = problems(files.load("spec.toml", &[], &["train.epochs=many"]));
    assert_eq!(
        told,
        [
            "train.epochs: found \"many\", expected a whole number that is not negative (from --set train.epochs=many)"
        ]
    );
    let told = problems(files.load("spec.toml", &[("LUNGS_LOSS__NAME", "focl")], &[]));
    assert_eq!(
        told,
        [
            "loss.name: found \"focl\", allowed: \"cross-entropy\", \"focal\" (from environment variable LUNGS_LOSS__NAME)"
        ]
    );
}

#[test]
fn impossible_values_are_all_told_at_once() {
    let files = Files::new(&[(
        "spec.toml",
        &format!("{LEAST}[model]\nkeep_prob = 0.0\n[train]\nepochs = 0\n"),
    )]);
    let told = problems(files.load("spec.toml", &[], &["split.train=0.9"]));
    let keys: Vec<&str> = told.iter().map(|t| t.split(':').next().unwrap()).collect();
    assert_eq!(keys, ["split.train", "model.keep_prob", "train.epochs"]);
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
        &format!("{LEAST}[loss]\nname = \"focal\"\n[train]\nearly_stopping = {{ patience = 3 }}\n"),
    )]);
    let spec = files.load("spec.toml", &[], &[]).unwrap();
    fs::write(files.path("resolved.toml"), spec.to_toml()).unwrap();
    let again = load_resolved(&files.path("resolved.toml"), &[]).unwrap();
    assert_eq!(spec, again);
    assert_eq!(spec.hash(), again.hash());
}

#[test]
fn the_hash_follows_what_affects_results_and_nothing_else() {
    let files = Files::new(&[("spec.toml", LEAST)]);
    let hash = |set: &[&str]| files.load("spec.toml", &[], set).unwrap().hash();
    let plain = hash(&[]);
    assert_eq!(
        plain,
        hash(&["runtime.threads=1", "experiment.name=other", "data.cache=elsewhere"])
    );
    assert_eq!(plain, hash(&["loss.gamma=5"]), "γ plays no part in cross-entropy");
    assert_ne!(plain, hash(&["loss.name=focal"]));
    assert_ne!(hash(&["loss.name=focal"]), hash(&["loss.name=focal", "loss.gamma=5"]));
    assert_ne!(plain, hash(&["experiment.seed=1"]));
}

#[test]
fn keys_that_are_off_leave_the_hash_of_older_specs_as_it_was() {
    let files = Files::new(&[("spec.toml", LEAST)]);
    let hash = |set: &[&str]| files.load("spec.toml", &[], set).unwrap().hash();
    // Of this very spec before there were such keys.
    assert_eq!(hash(&[]), "12cd7daa1cdddb8bffaaf3a32a168e13b96bc36c5180c313e16d2584a6ebaa53");
    for off in [
        "train.clip_norm=0",
        "train.weight_decay=0.0",
        "train.sampling=shuffle",
        "train.weight_average=0",
        "train.augment.scale=0",
        "loss.class_weights=none",
        // These say only when and which checkpoints are kept.
        "train.checkpoint_minutes=0.5",
        "train.keep_every=5",
        "train.recompute=true",
        "train.tensorboard=true",
        "train.keep_checkpoints=all",
        "runtime.workers=4",
        // And these only which figures are wanted of what was learned.
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
        "train.weight_average=0.9",
        "train.augment.scale=0.1",
        "train.augment.rotate_degrees=5",
        "train.augment.shift_hu=5",
        "train.augment.noise_hu=5",
        "loss.class_weights=[1.0, 2.0]",
    ] {
        assert_ne!(hash(&[]), hash(&[on]), "{on}");
    }
}

#[test]
fn class_weights_are_a_word_or_two_positive_numbers() {
    let files = Files::new(&[("spec.toml", LEAST)]);
    let weights = |text: &str| {
        let set = format!("loss.class_weights={text}");
        files.load("spec.toml", &[], &[&set]).map(|spec| spec.loss.class_weights)
    };
    assert_eq!(weights("balanced").unwrap(), ClassWeights::Balanced);
    assert_eq!(weights("[1, 2.5]").unwrap(), ClassWeights::Given([1.0, 2.5]));
    let spec = files.load("spec.toml", &[], &["loss.class_weights=[1, 2.5]"]).unwrap();
    fs::write(files.path("again.toml"), spec.to_toml()).unwrap();
    assert_eq!(load_resolved(&files.path("again.toml"), &[]).unwrap(), spec);
    for (text, told) in [
        ("balance", "found \"balance\", allowed: \"none\", \"balanced\""),
        ("[1.0]", "two numbers such as [1.0, 3.0]"),
        ("[1, 2, 3]", "two numbers such as [1.0, 3.0]"),
        ("[1, 0]", "found [1.0, 0.0], expected two positive numbers"),
        ("3", "expected \"none\", \"balanced\", or two numbers"),
    ] {
        let found = problems(weights(text).map(|_| unreachable!("{text}")));
        assert!(found[0].contains("loss.class_weights") && found[0].contains(told), "{found:?}");
    }
}

#[test]
fn impossible_values_of_the_recipe_are_told() {
    let files = Files::new(&[("spec.toml", LEAST)]);
    for set in [
        "train.clip_norm=-1",
        "train.weight_decay=nan",
        "train.weight_average=1",
        "train.checkpoint_minutes=-1",
        "train.augment.rotate_degrees=181",
        "train.augment.scale=-0.1",
        "train.augment.shift_hu=1001",
        "train.augment.noise_hu=nan",
        "runtime.workers=65",
    ] {
        let key = set.split('=').next().unwrap();
        let told = problems(files.load("spec.toml", &[], &[set]));
        assert!(told.len() == 1 && told[0].starts_with(key), "{set}: {told:?}");
    }
}

#[test]
fn lists_of_devices_that_cannot_be_are_told() {
    let files = Files::new(&[("spec.toml", LEAST)]);
    let load = |device: &str, accumulate: &str| {
        let device = format!("runtime.device={device}");
        files.load("spec.toml", &[], &[&device, &format!("train.accumulate={accumulate}")])
    };
    for fine in [r#""cuda:1""#, r#"["cuda:0", "cuda:1"]"#, r#"["cpu", "cpu"]"#, r#"["cpu"]"#] {
        let spec = load(fine, "2").unwrap();
        assert!(!spec.runtime.device.names().is_empty());
        // Where a run happens is no part of what it is.
        assert_eq!(spec.hash(), load("cpu", "2").unwrap().hash());
    }
    for (device, accumulate, told) in [
        ("[]", "2", "expected \"auto\", \"cpu\", \"cuda\""),
        ("gpu", "2", "found \"gpu\""),
        (r#"["cuda:0", "tpu"]"#, "2", "found \"cuda:0, tpu\""),
        (r#"["cuda:0", "cpu"]"#, "2", "different kinds"),
        (r#"["auto", "cuda:1"]"#, "2", "different kinds"),
        (r#"["cuda", "cuda:0"]"#, "2", "the same GPU twice"),
        (r#"["cuda:0", "cuda:1"]"#, "1", "2 devices, but an optimizer step has 1 batch(es)"),
        ("3", "2", "a device such as \"cuda\", or a list"),
    ] {
        let found = problems(load(device, accumulate));
        let one =
            found.len() == 1 && found[0].contains("runtime.device") && found[0].contains(told);
        assert!(one, "{device}: {found:?}");
    }
}

#[test]
fn differences_name_only_what_differs() {
    let files = Files::new(&[("spec.toml", LEAST)]);
    let a = files.load("spec.toml", &[], &["experiment.name=a"]).unwrap();
    let b = files.load("spec.toml", &[], &["experiment.name=b", "loss.name=focal"]).unwrap();
    let keys: Vec<String> = differences(&[a, b]).into_iter().map(|d| d.key).collect();
    assert_eq!(keys, ["loss.alpha", "loss.gamma", "loss.name"]);
}

#[test]
fn rules_of_selection_that_contradict_each_other_are_told() {
    let files = Files::new(&[("spec.toml", LEAST)]);
    let told = problems(files.load(
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
        ("max_slices", "found 40, expected 0 (off), or at least min_slices, which is 50"),
        ("min_slice_spacing_mm", "found 6.0, expected 0 to max_slice_spacing_mm, which is 5"),
        ("min_coverage_mm", "found -1.0, expected millimetres, or 0 (off)"),
        ("target_slice_spacing_mm", "not set, though `prefer` has \"nearest-spacing\""),
        ("kernels", "found [\"\"], expected beginnings of kernel names, none of them empty"),
    ] {
        let key = format!("data.select.{key}");
        assert!(told.iter().any(|t| t.contains(&key) && t.contains(text)), "{key}: {told:?}");
    }
    let set = ["data.select.prefer=[\"nearest-spacing\"]", "data.select.target_slice_spacing_mm=2"];
    assert!(files.load("spec.toml", &[], &set).is_ok());
}

#[test]
fn what_becomes_of_tilted_and_sagittal_stacks_is_chosen_by_name() {
    let files = Files::new(&[("spec.toml", LEAST)]);
    let spec = files.load("spec.toml", &[], &["preprocess.gantry_tilt=refuse"]).unwrap();
    let settings = crate::pipeline::settings(&spec);
    assert_eq!(settings.stacks.gantry_tilt, crate::dicom::GantryTilt::Refuse);
    assert_eq!(settings.stacks.orientation, crate::dicom::Orientation::Reformat);
    assert_eq!(
        problems(files.load("spec.toml", &[], &["preprocess.orientation=flip"])),
        [
            "preprocess.orientation: found \"flip\", allowed: \"reformat\", \"refuse\" (from --set preprocess.orientation=flip)"
        ]
    );
}
