//! `lungs weights`, runs with initial weights, and prediction with a weights file.

use super::support::{CommandOutput, Workspace};
use std::path::Path;
use std::process::Command;

fn vector(name: &str) -> String {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/pytorch");
    vectors.join(name).display().to_string()
}

fn trained() -> Workspace {
    let workspace = Workspace::new();
    let done = workspace.lungs(&["run", "small.toml", "--set", "train.epochs=1", "-q"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    workspace
}

fn assert_error(done: &CommandOutput, parts: &[&str]) {
    assert_eq!(done.code, 2, "{}{}", done.stdout, done.stderr);
    let error = done.stderr.split_whitespace().collect::<Vec<_>>().join(" ").replace(" │ ", " ");
    for part in parts {
        assert!(error.contains(part), "{part} is not in: {error}");
    }
}

fn assert_success(done: &CommandOutput, parts: &[&str]) {
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    for part in parts {
        assert!(done.stdout.contains(part), "{part} is not in: {}", done.stdout);
    }
}

#[test]
fn foreign_weights_are_shown_imported_and_inflated() {
    let workspace = Workspace::new();
    let (flat, deep) = (vector("googlenet.pth"), vector("i3d-public.pt"));
    let done = workspace.lungs(&["weights", "show", &deep]);
    assert_success(
        &done,
        &[
            "PyTorch file, I3D of PyTorch",
            "loads into model.width = 0.0625, model.channels = 3, or 1 with the same output",
            "has 7 outputs: loads with outcome.name = \"survival\" and 6 horizons",
            "57 × training counter",
            "prepared for: unknown",
        ],
    );
    assert_error(
        &workspace.lungs(&["weights", "import", &flat, "-o", "x.safetensors"]),
        &["lungs weights inflate"],
    );
    assert_error(
        &workspace.lungs(&["weights", "inflate", &deep, "-o", "x.safetensors"]),
        &["lungs weights import"],
    );
    assert_error(
        &workspace.lungs(&["weights", "show", "small.toml"]),
        &["is not a known weights file"],
    );
    assert_error(
        &workspace.lungs(&["weights", "show", "nowhere.pt"]),
        &["nowhere.pt", "No such file"],
    );
    let inflate = ["weights", "inflate", &flat, "-o", "flat.safetensors", "--channels", "1"];
    assert_success(
        &workspace.lungs(&inflate),
        &["228 arrays", "× auxiliary classifier", "The file has no classifier"],
    );
    let import = ["weights", "import", &deep, "-o", "deep.safetensors", "--spec", "small.toml"];
    assert_success(&workspace.lungs(&import), &["230 arrays"]);
    assert_success(
        &workspace.lungs(&["weights", "show", "deep.safetensors"]),
        &["10 mm, 24×32×40 voxels"],
    );
}

#[test]
fn a_run_starts_from_the_weights_of_its_spec() {
    let workspace = Workspace::new();
    let flat = vector("googlenet.pth");
    let init = format!("model.init={flat}");
    let run = |sets: &[&str]| {
        let mut arguments = vec!["run", "small.toml", "--fresh", "-q", "--set", "train.epochs=1"];
        for set in sets {
            arguments.extend(["--set", set]);
        }
        workspace.lungs(&arguments)
    };
    assert_error(&run(&[&init]), &["is a network of width 0.0625", "set model.width = 0.0625"]);
    let width = "model.width=0.0625";
    assert_error(&run(&[&init, width]), &["10 outputs", "model.init_head = \"new\""]);
    assert_error(&run(&["train.freeze=['Conv3d_9']"]), &["no layer \"Conv3d_9\"", "Mixed_5c"]);
    let check = |sets: &[&str]| {
        let mut arguments = vec!["check", "small.toml"];
        for set in sets {
            arguments.extend(["--set", set]);
        }
        workspace.lungs(&arguments)
    };
    assert_error(&check(&[&init, width]), &["10 outputs", "model.init_head = \"new\""]);
    assert_error(&check(&["model.init=nowhere.pt"]), &["nowhere.pt", "No such file"]);
    let messages = ["googlenet.pth (PyTorch file, ", "), with a new classifier"];
    assert_success(&check(&[&init, width, "model.init_head=new"]), &messages);
    let freeze = "train.freeze=['Conv3d_1a_7x7', 'Mixed_3b']";
    let sets = [&*init, width, "model.init_head=new", freeze, "train.head_rate_factor=10"];
    assert_success(&run(&sets), &[]);

    // Frozen layers keep the inflated weights; the others have changed.
    let inflate = ["weights", "inflate", &flat, "-o", "flat.safetensors", "--channels", "1"];
    assert_success(&workspace.lungs(&inflate), &[]);
    let read = |path: &Path| {
        let archive = lungs_net::weights::safetensors::read(path).unwrap();
        move |name: &str| archive.arrays.iter().find(|a| a.name == name).unwrap().clone()
    };
    let before = read(&workspace.path("flat.safetensors"));
    let run = workspace.newest_run("small");
    let after = read(&run.join("checkpoints/epoch-001/weights.safetensors"));
    for name in ["conv_3d/w", "batch_norm/beta", "batch_norm/moving_mean"] {
        for frozen in ["Conv3d_1a_7x7", "Mixed_3b/Branch_1/Conv3d_0b_3x3"] {
            let name = format!("{frozen}/{name}");
            assert_eq!(after(&name), before(&name), "{name}");
        }
        let name = format!("Conv3d_2b_1x1/{name}");
        assert_ne!(after(&name), before(&name), "{name}");
    }
}

#[test]
fn a_run_records_its_initial_weights() {
    let workspace = Workspace::new();
    std::fs::copy(vector("googlenet.pth"), workspace.path("flat.pth")).unwrap();
    let sets = ["model.init=flat.pth", "model.width=0.0625", "model.init_head=new"];
    let run = |more: &[&str]| {
        let mut arguments = vec!["run", "small.toml", "--set", "train.epochs=1"];
        for set in sets {
            arguments.extend(["--set", set]);
        }
        workspace.lungs(&[&arguments[..], more].concat())
    };
    assert_success(&run(&["-q"]), &[]);
    let provenance = std::fs::read_to_string(workspace.newest_run("small").join("provenance.json"));
    let provenance: serde_json::Value = serde_json::from_str(&provenance.unwrap()).unwrap();
    let loaded =
        lungs_net::weights::load(&workspace.path("flat.pth"), None, lungs_net::weights::Head::New);
    let fingerprint = loaded.unwrap().with_channels(1).fingerprint();
    assert_eq!(provenance["initial_weights"], fingerprint.as_str());
    let again = run(&[]);
    assert_success(&again, &["is finished already"]);
    // Another network under the same name: the run no longer belongs to its inputs.
    let mut arrays = lungs_net::weights::pytorch::read(&workspace.path("flat.pth")).unwrap().arrays;
    let kernel = arrays.iter_mut().find(|array| array.name == "conv1.conv.weight").unwrap();
    kernel.values[0] += 1.0;
    std::fs::remove_file(workspace.path("flat.pth")).unwrap();
    lungs_net::model::save_variables(&arrays, &workspace.path("flat.pth"), &Default::default())
        .unwrap();
    let changed = run(&[]);
    assert_eq!(changed.code, 2, "{}", changed.stderr);
    let error = changed.stderr.replace(['│', '\n'], " ");
    assert!(error.contains("1 file of initial weights changed: flat.pth"), "{error}");
    assert_success(&run(&["--keep-inputs"]), &["is finished already"]);
}

#[test]
fn the_head_rate_factor_and_frozen_batch_norm_take_effect() {
    let workspace = Workspace::new();
    // One step in total: Adam's update is proportional to the learning rate.
    let run = |sets: &[&str]| {
        let mut arguments = vec!["train", "small.toml", "--fresh", "-q"];
        for set in ["train.epochs=1", "train.batch_size=64"].iter().chain(sets) {
            arguments.extend(["--set", set]);
        }
        assert_success(&workspace.lungs(&arguments), &[]);
        let weights =
            workspace.newest_run("small").join("checkpoints/epoch-001/weights.safetensors");
        let arrays = lungs_net::weights::safetensors::read(&weights).unwrap().arrays;
        std::fs::remove_dir_all(workspace.path("results")).unwrap();
        arrays
    };
    let [one, two, three] = ["1", "2", "3"].map(|f| run(&[&format!("train.head_rate_factor={f}")]));
    for ((one, two), three) in one.iter().zip(&two).zip(&three) {
        if !one.name.starts_with("Logits/") {
            assert_eq!((&one.values, &two.values), (&three.values, &three.values), "{}", one.name);
            continue;
        }
        for ((one, two), three) in one.values.iter().zip(&two.values).zip(&three.values) {
            assert!((one - two).abs() > 5e-4, "a step of the rate 1e-3");
            assert!((two - one - (three - two)).abs() < 1e-6, "{one}, {two}, {three}");
        }
    }
    let frozen = run(&["model.batch_norm=frozen"]);
    let all = |suffix: &str, value: f32| {
        let arrays = frozen.iter().filter(|array| array.name.ends_with(suffix));
        arrays.flat_map(|array| &array.values).all(|element| *element == value)
    };
    assert!(all("moving_mean", 0.0) && all("moving_variance", 1.0));
    let kernel = |arrays: &[lungs_net::model::Variable]| {
        arrays.iter().find(|array| array.name == "Conv3d_1a_7x7/conv_3d/w").unwrap().clone()
    };
    assert_ne!(kernel(&frozen), kernel(&one));
}

#[test]
fn a_weights_file_predicts_as_its_run_and_checks_the_preprocessing() {
    let workspace = trained();
    let run = workspace.newest_run("small").display().to_string();
    assert_success(
        &workspace.lungs(&["weights", "show", &run]),
        &["classifier: loads (2 classes)"],
    );
    assert_success(&workspace.lungs(&["weights", "import", &run, "-o", "own.safetensors"]), &[]);
    let predict = |more: &[&str]| {
        let mut arguments = vec!["predict", "ct", "-q", "--cache", "prepared"];
        arguments.extend(more);
        workspace.lungs(&arguments)
    };
    let probabilities = |model: &str| -> Vec<String> {
        let done = predict(&["--model", model]);
        assert_success(&done, &[]);
        done.stdout.lines().map(str::to_owned).collect()
    };
    let of_run = probabilities(&run);
    assert!(of_run.len() > 10);
    assert_eq!(probabilities("own.safetensors"), of_run);

    // Exported for PyTorch and read back: the same predictions.
    let export =
        ["weights", "export", &run, "--to", "pytorch-safetensors", "-o", "torch.safetensors"];
    assert_success(&workspace.lungs(&export), &["written: torch.safetensors"]);
    assert_eq!(probabilities("torch.safetensors"), of_run);

    workspace
        .write("other.toml", "extends = \"small.toml\"\n[preprocess.window]\nupper_hu = 200\n");
    let other = ["--model", "own.safetensors", "--spec", "other.toml"];
    assert_error(
        &predict(&other),
        &["preprocess.window.upper_hu: 400 in the weights, 200 in the spec"],
    );
    assert_success(&predict(&[&other[..], &["--any-preprocessing"]].concat()), &[]);
    let init = format!("model.init={run}");
    let other = ["run", "other.toml", "--set", &init];
    assert_error(
        &workspace.lungs(&other),
        &["trained with different preprocessing", "model.init_preprocess"],
    );

    // Weights with 7 classes cannot predict.
    let deep = vector("i3d-public.pt");
    assert_error(&predict(&["--model", &deep]), &["a classifier of 7 classes, expected"]);
}

#[test]
#[ignore = "needs numpy and safetensors"]
fn an_exported_file_passes_the_documented_check_in_python() {
    let workspace = trained();
    let run = workspace.newest_run("small").display().to_string();
    let export =
        ["weights", "export", &run, "--to", "pytorch-safetensors", "-o", "torch.safetensors"];
    assert_success(&workspace.lungs(&export), &[]);
    let check = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/pytorch/check.py");
    let done = Command::new("python3").arg(check).arg(workspace.path("torch.safetensors")).output();
    let done = done.unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(String::from_utf8_lossy(&done.stdout).contains("287 arrays"));
}
