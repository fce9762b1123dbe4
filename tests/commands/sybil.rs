//! The networks of Sybil: one file, and a folder of files with calibrators.

use super::support::{Workspace, table};
use burn::tensor::Device;
use lungs_net::model::{self, Architecture, Metadata, NetworkConfig, Variable, is_head};
use lungs_stats::SybilCalibrators;
use std::collections::BTreeMap;
use std::fs;

/// Narrow networks, which `docs/pytorch/sybil_checkpoint.py` wrote.
const NETWORKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/sybil");
const CALIBRATORS: &str = "sybil_ensemble_simple_calibrator.json";
const YEARS: [&str; 6] = ["1_year", "2_years", "3_years", "4_years", "5_years", "6_years"];

/// A workspace with the networks in the folder `sybil`, and an exam with follow-up in `exams`.
fn workspace(patients: &str) -> Workspace {
    let workspace = Workspace::new();
    let phantom =
        ["phantom", "exams", "--patients", patients, "--seed", "5", "--follow-up-years", "6"];
    let made = workspace.lungs(&phantom);
    assert_eq!(made.code, 0, "{}", made.stderr);
    fs::create_dir(workspace.path("sybil")).unwrap();
    for name in ["1.ckpt", "2.ckpt", CALIBRATORS] {
        fs::copy(format!("{NETWORKS}/{name}"), workspace.path("sybil").join(name)).unwrap();
    }
    workspace
}

fn risks(row: &BTreeMap<String, String>, kind: &str) -> Vec<f64> {
    YEARS.iter().map(|year| row[&format!("{kind}_{year}")].parse().unwrap()).collect()
}

#[test]
fn a_folder_of_sybil_gives_six_calibrated_risks() {
    let workspace = workspace("4");
    let predict = |model: &str, out: &str| -> BTreeMap<String, String> {
        let arguments =
            ["predict", "--model", model, "exams/P0001", "--out", out, "--cache", "cache"];
        let done = workspace.lungs(&arguments);
        assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
        let rows = table(&workspace.path(out));
        rows.into_iter().find(|row| !row["probability"].is_empty()).unwrap()
    };
    let ensemble = predict("sybil", "ensemble.csv");
    let networks =
        ["sybil/1.ckpt", "sybil/2.ckpt"].map(|file| risks(&predict(file, "one.csv"), "risk"));
    let text = fs::read_to_string(workspace.path("sybil").join(CALIBRATORS)).unwrap();
    let calibrators: SybilCalibrators = serde_json::from_str(&text).unwrap();
    let (means, calibrated) = (risks(&ensemble, "risk"), risks(&ensemble, "calibrated_risk"));
    for (index, mean) in means.iter().enumerate() {
        let expected = (networks[0][index] + networks[1][index]) / 2.0;
        assert!((mean - expected).abs() < 1e-12, "{means:?}");
        assert_eq!(calibrators.calibrated(index + 1, *mean), Some(calibrated[index]));
    }
    assert_eq!(ensemble["calibrated_probability"], ensemble["calibrated_risk_1_year"]);

    let shown =
        workspace.lungs(&["predict", "--model", "sybil", "exams/P0001", "--cache", "cache"]);
    assert!(shown.stdout.contains("6 years"), "{}", shown.stdout);
    let sentence = "applied to the mean risks of 2 networks";
    assert!(shown.stdout.contains(sentence) || shown.stderr.contains(sentence), "{}", shown.stdout);
}

#[test]
fn weights_of_sybil_have_known_preprocessing() {
    let workspace = workspace("4");
    let shown = workspace.lungs(&["weights", "show", "sybil/1.ckpt"]);
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    for text in [
        "PyTorch file, Sybil, names under state_dict.model.",
        "loads into model.name = \"r3d-18\", model.pool = \"sybil\", model.width = 0.05",
        "classifier: has 7 outputs: loads with outcome.name = \"survival\" and 6 horizons",
        "prepared for: 200×256×256 voxels, 200 slices as input, the values of Sybil",
    ] {
        assert!(shown.stdout.contains(text), "{text}\n{}", shown.stdout);
    }
    let imported =
        workspace.lungs(&["weights", "import", "sybil/1.ckpt", "-o", "sybil.safetensors"]);
    assert_eq!(imported.code, 0, "{}", imported.stderr);
    let again = workspace.lungs(&["weights", "show", "sybil.safetensors"]);
    assert!(again.stdout.contains("the values of Sybil"), "{}", again.stdout);
}

#[test]
fn wrong_calibrators_are_an_error() {
    let workspace = workspace("4");
    let predict = || workspace.lungs(&["predict", "--model", "sybil", "exams/P0001"]);
    let path = workspace.path("sybil").join(CALIBRATORS);
    let text = fs::read_to_string(&path).unwrap();
    let mut years: BTreeMap<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
    years.remove("Year6");
    fs::write(&path, serde_json::to_string(&years).unwrap()).unwrap();
    let failed = predict();
    assert_eq!(failed.code, 2, "{}", failed.stderr);
    assert!(
        failed.stderr.contains("found calibrators of 5 years, expected 6"),
        "{}",
        failed.stderr
    );
    fs::write(&path, "{\"Year1\": 7}").unwrap();
    let failed = predict();
    assert_eq!(failed.code, 2, "{}", failed.stderr);
    assert!(failed.stderr.contains("found no calibrators of Sybil"), "{}", failed.stderr);
}

#[test]
fn a_damaged_network_is_not_left_out_of_the_ensemble() {
    let workspace = workspace("2");
    fs::write(workspace.path("sybil/2.ckpt"), "cut off").unwrap();
    let failed = workspace.lungs(&["predict", "--model", "sybil", "exams/P0001"]);
    assert_eq!(failed.code, 2, "{}", failed.stdout);
    assert!(
        failed.stderr.contains("sybil/2.ckpt is not a known weights file"),
        "{}",
        failed.stderr
    );
    fs::remove_file(workspace.path("sybil/2.ckpt")).unwrap();
    std::os::unix::fs::symlink("missing", workspace.path("sybil/2.ckpt")).unwrap();
    let failed = workspace.lungs(&["predict", "--model", "sybil", "exams/P0001"]);
    assert!(failed.code != 0 && failed.stderr.contains("sybil/2.ckpt"), "{}", failed.stderr);
    // A folder without any model.
    let failed = workspace.lungs(&["predict", "--model", "exams", "exams/P0001"]);
    assert_eq!(failed.code, 2, "{}", failed.stdout);
    assert!(failed.stderr.contains("exams: found no model in this folder"), "{}", failed.stderr);
}

#[test]
fn a_folder_of_sybil_is_evaluated_on_other_exams() {
    let workspace = workspace("4");
    let labels = ["--data", "exams", "--labels", "exams/labels.csv", "--out", "results/sybil"];
    let done = workspace.lungs(&[&["evaluate", "sybil"], &labels[..]].concat());
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    let text = fs::read_to_string(workspace.path("results/sybil/evaluation.json")).unwrap();
    let evaluation: serde_json::Value = serde_json::from_str(&text).unwrap();
    let survival = &evaluation["parts"]["external"]["survival"];
    assert_eq!(survival["horizons"].as_array().unwrap().len(), 6, "{survival}");
    assert!(text.contains("the development of Sybil"), "{text}");
    // The calibrators of the years are independent, and raise some risks above those of later years.
    assert!(text.contains("below that of an earlier horizon"), "{text}");
}

/// The arguments for a shipped spec with narrow weights and synthetic exams.
fn run_shipped(
    workspace: &Workspace,
    spec: &str,
    init: &str,
    more: &[&str],
) -> Vec<BTreeMap<String, String>> {
    let spec = format!("{}/experiments/{spec}.toml", env!("CARGO_MANIFEST_DIR"));
    let settings = [
        &format!("model.init={init}"),
        "model.width=0.05",
        "data.root=exams",
        "data.labels=exams/labels.csv",
        "train.epochs=1",
        "split.train=0.5",
        "split.valid=0.5",
        "split.test=0",
        "split.stratify=none",
    ];
    let mut arguments = vec!["run", &spec, "-q"];
    for setting in settings.iter().chain(more) {
        arguments.extend(["--set", setting]);
    }
    let done = workspace.lungs(&arguments);
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    let name = if spec.contains("sybil") { "sybil-finetune" } else { "frozen-encoder" };
    table(&workspace.newest_run(name).join("metrics.csv"))
}

#[test]
fn training_continues_the_network_of_sybil() {
    // The input has 13 million voxels.
    let workspace = workspace("2");
    let metrics = run_shipped(&workspace, "sybil-finetune", "sybil/1.ckpt", &["train.select=last"]);
    let splits: Vec<&str> = metrics.iter().map(|row| &*row["split"]).collect();
    assert_eq!(splits, ["train", "valid"]);
    let run = workspace.newest_run("sybil-finetune");
    let provenance = fs::read_to_string(run.join("provenance.json")).unwrap();
    assert!(provenance.contains("initial_weights"), "{provenance}");
    // Other preprocessing than that of the weights is an error.
    let other =
        ["run", "small.toml", "--set", "model.name=r3d-18", "--set", "model.init=sybil/1.ckpt"];
    let refused = workspace.lungs(
        &[&other[..], &["--set", "model.width=0.05", "--set", "model.init_head=new"]].concat(),
    );
    assert_eq!(refused.code, 2, "{}", refused.stdout);
    assert!(
        refused.stderr.contains("was trained with different preprocessing"),
        "{}",
        refused.stderr
    );
    assert!(refused.stderr.contains("preprocess.compat"), "{}", refused.stderr);
}

/// The name of an array of a residual network in a file of Merlin.
fn merlin_name(own: &str) -> String {
    let (unit, array) =
        own.rsplit_once("/conv_3d").or_else(|| own.rsplit_once("/batch_norm")).unwrap();
    let array = match array {
        "/w" | "/gamma" => "weight",
        "/beta" => "bias",
        "/moving_mean" => "running_mean",
        "/moving_variance" => "running_var",
        other => panic!("{other}"),
    };
    let is_kernel = own.ends_with("/w");
    let unit = match unit.rsplit_once('/') {
        None => if is_kernel { "conv1" } else { "bn1" }.to_owned(),
        Some((block, "downsample")) => format!("{block}/downsample/{}", u8::from(!is_kernel)),
        Some((block, layer)) => {
            let number = layer.trim_start_matches("conv");
            format!("{block}/{}{number}", if is_kernel { "conv" } else { "bn" })
        }
    };
    format!("encode_image.i3_resnet.{}.{array}", unit.replace('/', "."))
}

#[test]
fn a_frozen_encoder_keeps_its_weights() {
    let workspace = workspace("4");
    let config = NetworkConfig {
        architecture: Architecture::I3Resnet152,
        in_channels: 3,
        width_multiplier: 0.05,
        ..NetworkConfig::default()
    };
    let network = config.init(3, &Device::flex()).unwrap();
    let arrays: Vec<Variable> = network.variables().into_iter().filter(|it| !is_head(it)).collect();
    let named =
        arrays.iter().map(|array| Variable { name: merlin_name(&array.name), ..array.clone() });
    let file = workspace.path("merlin.safetensors");
    model::save_variables(&named.collect::<Vec<_>>(), &file, &Metadata::new()).unwrap();
    let small = ["preprocess.spacing_mm=6", "preprocess.size=[48, 48, 48]", "model.slices=48"];
    run_shipped(&workspace, "frozen-encoder", "merlin.safetensors", &small);
    let run = workspace.newest_run("frozen-encoder");
    let weights = run.join("checkpoints/epoch-001/weights.safetensors");
    let trained = lungs_net::weights::load(&weights, None, lungs_net::weights::Head::Load).unwrap();
    for array in trained.variables.iter().filter(|array| !is_head(array)) {
        let before = arrays.iter().find(|it| it.name == array.name).unwrap();
        if array.name == "stem/conv_3d/w" {
            // One channel instead of three equal ones.
            let sum = model::sum_input_channels(before.clone());
            assert_eq!(array.values, sum.values, "{}", array.name);
        } else {
            assert_eq!(array.values, before.values, "{}", array.name);
        }
    }
}
