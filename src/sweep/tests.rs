use super::*;
use lungs_spec::spec::{BestBy, Overrides, SpecError, load, load_sweep};
use std::fs;
use std::path::PathBuf;

const MINIMAL_SPEC: &str =
    "experiment.name = \"study\"\n[data]\nroot = \"ct\"\nlabels = \"labels.csv\"\n";

struct SweepFile(tempfile::TempDir);

impl SweepFile {
    fn new(sweep: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("base.toml"), MINIMAL_SPEC).unwrap();
        let text = format!("extends = \"base.toml\"\n{sweep}");
        fs::write(folder.path().join("sweep.toml"), text).unwrap();
        Self(folder)
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("sweep.toml")
    }

    fn overrides(&self, set: &[&str]) -> Overrides {
        let results = format!("runtime.results={}", self.0.path().join("results").display());
        let set = set.iter().map(|set| set.to_string()).chain([results]).collect();
        Overrides { environment: Vec::new(), set }
    }

    fn expand_with(&self, set: &[&str]) -> Result<Vec<PlannedRun>, SweepError> {
        expand(&load_sweep(&self.path(), &self.overrides(set))?)
    }

    fn expand(&self) -> Vec<PlannedRun> {
        self.expand_with(&[]).unwrap()
    }
}

fn names(runs: &[PlannedRun]) -> Vec<&str> {
    runs.iter().map(|run| run.name.as_str()).collect()
}

fn error_message(result: Result<Vec<PlannedRun>, SweepError>) -> String {
    match result {
        Err(SweepError::Spec(SpecError::Keys { problems })) => {
            problems.iter().map(|problem| problem.to_string()).collect::<Vec<_>>().join("\n")
        }
        Err(error) => error.to_string(),
        Ok(runs) => panic!("expected an error, got {:?}", names(&runs)),
    }
}

#[test]
fn a_ranking_by_the_c_index_needs_risks_of_several_years() {
    let table = "[sweep]\nseeds = [1, 2]\nbest = \"valid-c-index\"\n";
    let file = SweepFile::new(table);
    let error = error_message(file.expand_with(&[]));
    assert!(error.contains("which has no C-index (experiment.seed = 1)"), "{error}");
    assert_eq!(file.expand_with(&["outcome.name=survival"]).unwrap().len(), 2);
}

#[test]
fn a_grid_expands_in_file_order_with_seeds_fastest() {
    let file = SweepFile::new(
        "[sweep]\nseeds = [1, 2]\n[sweep.grid]\n\"train.learning_rate\" = [5e-5, 1e-4]\n\
         loss.name = [\"focal\", \"cross-entropy\"]\n",
    );
    let runs = file.expand();
    assert_eq!(
        names(&runs),
        [
            "learning_rate-5e-5_loss-focal_seed-1",
            "learning_rate-5e-5_loss-focal_seed-2",
            "learning_rate-5e-5_loss-cross-entropy_seed-1",
            "learning_rate-5e-5_loss-cross-entropy_seed-2",
            "learning_rate-1e-4_loss-focal_seed-1",
            "learning_rate-1e-4_loss-focal_seed-2",
            "learning_rate-1e-4_loss-cross-entropy_seed-1",
            "learning_rate-1e-4_loss-cross-entropy_seed-2",
        ]
    );
    // Each run has the spec of the same settings given with --set.
    let set = ["train.learning_rate=1e-4", "loss.name=focal", "experiment.seed=2"];
    let single = load(&file.0.path().join("base.toml"), &file.overrides(&set)).unwrap();
    assert_eq!(runs[5].spec, single);
    assert_eq!(runs[5].hash, single.hash());
}

#[test]
fn list_entries_combine_with_the_grid() {
    let file = SweepFile::new(
        "[sweep.grid]\n\"train.epochs\" = [3, 4]\n\
         [[sweep.list]]\nname = \"mild focal\"\nloss = { name = \"focal\", gamma = 1.0 }\n\
         [[sweep.list]]\n\"loss.name\" = \"cross-entropy\"\ntrain.augment.flip_width = true\n",
    );
    let runs = file.expand();
    assert_eq!(
        names(&runs),
        [
            "mild-focal_epochs-3",
            "mild-focal_epochs-4",
            "loss-cross-entropy_flip_width-true_epochs-3",
            "loss-cross-entropy_flip_width-true_epochs-4",
        ]
    );
    assert_eq!(runs[1].combination, "mild focal, train.epochs = 4");
    assert_eq!(
        runs[2].combination,
        "loss.name = \"cross-entropy\", train.augment.flip_width = true, train.epochs = 3"
    );
    assert_eq!((runs[1].spec.loss.gamma, runs[1].spec.train.epochs), (1.0, 4));
    assert!(runs[2].spec.train.augment.flip_width && !runs[0].spec.train.augment.flip_width);
}

#[test]
fn each_fold_is_a_separate_run() {
    let file = SweepFile::new("split.folds = 3\n[sweep]\nfolds = \"all\"\nseeds = [7]\n");
    let runs = file.expand();
    assert_eq!(names(&runs), ["fold-1_seed-7", "fold-2_seed-7", "fold-3_seed-7"]);
    assert_eq!(runs[2].spec.split.fold, 3);
    let two_folds = file.expand_with(&["sweep.folds=[1, 3]"]).unwrap();
    assert_eq!(names(&two_folds), ["fold-1_seed-7", "fold-3_seed-7"]);
    let beyond = error_message(file.expand_with(&["sweep.folds=[4]"]));
    assert!(beyond.contains("split.fold: found 4, expected 0 (all folds), or at most"), "{beyond}");
    let none = error_message(file.expand_with(&["split.folds=0"]));
    assert!(none.contains("split.folds is 0"), "{none}");
}

#[test]
fn names_are_readable_and_unique() {
    let file = SweepFile::new(
        "[sweep]\n[sweep.grid]\n\"preprocess.size\" = [[220, 32, 40]]\n\
         \"train.early_stopping\" = [{ patience = 5 }]\n\"model.init\" = [\"a b/c.pt\", \"a b:c.pt\"]\n\
         \"train.augment.shift_hu\" = [0.5]\n\"train.weight_decay\" = [0.0, 0.00025]\n",
    );
    let runs = file.expand();
    let first = "size-220x32x40_patience-5_init-a-b-c.pt_shift_hu-0.5_weight_decay-0";
    let first = first.replace("_patience-5", "_early_stopping-patience-5");
    assert_eq!(runs[0].name, first);
    assert_eq!(runs[1].name, first.replace("decay-0", "decay-2.5e-4"));
    // Values that differ only in characters not allowed in names get the hash as a suffix.
    assert_eq!(runs[2].name, format!("{first}-{}", &runs[2].hash[..6]));
    let list_runs = SweepFile::new("[[sweep.list]]\nname = \"logs\"\ntrain.epochs = 1\n").expand();
    assert_eq!(list_runs[0].name, format!("logs-{}", &list_runs[0].hash[..6]));
    let long = format!("[[sweep.list]]\nname = \"{}\"\ntrain.epochs = 1\n", "x".repeat(300));
    let long = SweepFile::new(&long).expand();
    assert_eq!(long[0].name.len(), 127);
}

#[test]
fn keys_with_the_same_last_component_use_the_complete_key() {
    let file = SweepFile::new(
        "[sweep.grid]\n\"data.phantom.seed\" = [1]\n\"experiment.seed\" = [2, 3]\n\
         \"train.epochs\" = [4]\n",
    );
    assert_eq!(
        names(&file.expand()),
        [
            "data-phantom-seed-1_experiment-seed-2_epochs-4",
            "data-phantom-seed-1_experiment-seed-3_epochs-4"
        ]
    );
}

#[test]
fn invalid_tables_are_rejected_before_the_first_run() {
    for (sweep, expected) in [
        ("[sweep]\n", "varies no key"),
        ("[sweep]\nseds = [1]\n", "sweep.seds: unknown key"),
        ("[sweep]\nfolds = \"some\"\n", "\"all\", or a list of folds such as [1, 2]"),
        ("[sweep]\non_failure = \"halt\"\n", "expected one of: \"continue\", \"stop\""),
        ("[sweep]\nbest = \"test-auc\"\n", "expected one of: \"valid-auc\""),
        ("[sweep]\nname = \"a/b\"\nseeds = [1]\n", "sweep.name: found \"a/b\""),
        ("[sweep]\nseeds = [1]\ndevices = [\"tpu\"]\n", "sweep.devices: found \"tpu\""),
        ("[sweep]\nseeds = [-1]\n", "a whole number that is not negative"),
        ("[sweep.grid]\n\"train.epochs\" = 3\n", "expected a list of values such as [3]"),
        ("[sweep.grid]\n\"train.epochs\" = []\n", "found an empty list"),
        ("[sweep.grid]\n\"train.epoch\" = [3]\n", "train.epoch: unknown key"),
        ("[sweep.grid]\n\"train.epochs\" = [3, \"many\"]\n", "train.epochs: found \"many\""),
        ("[sweep.grid]\n\"train.epochs\" = [3, 0]\n", "train.epochs: found 0"),
        ("[sweep.grid]\n\"experiment.name\" = [\"a\"]\n", "which sets the folder of all runs"),
        (
            "[sweep]\nseeds = [1]\n[sweep.grid]\n\"experiment.seed\" = [2]\n",
            "twice: in sweep.seeds",
        ),
        ("[[sweep.list]]\nname = \"a\"\n", "an entry sets no key"),
        ("[[sweep.list]]\nname = 3\ntrain.epochs = 1\n", "`name`: found 3"),
        ("[sweep]\nseeds = [1, 1]\n", "are the same experiment"),
    ] {
        let message = error_message(SweepFile::new(sweep).expand_with(&[]));
        assert!(message.contains(expected), "{sweep}: {message}");
    }
    let same = SweepFile::new(
        "[sweep.grid]\n\"loss.name\" = [\"cross-entropy\"]\n\"loss.gamma\" = [1.0, 2.0]\n",
    );
    let message = error_message(same.expand_with(&[]));
    assert!(
        message.contains("loss.gamma = 1.0") && message.contains("loss.gamma = 2.0"),
        "{message}"
    );
}

#[test]
fn overrides_apply_to_all_runs_but_not_to_varied_keys() {
    let file = SweepFile::new("[sweep]\nseeds = [1, 2]\n");
    let runs = file.expand_with(&["train.epochs=3", "sweep.seeds=[5]"]).unwrap();
    assert_eq!(names(&runs), ["seed-5"]);
    assert_eq!(runs[0].spec.train.epochs, 3);
    let both = error_message(file.expand_with(&["experiment.seed=4"]));
    assert!(both.contains("set outside the spec, but varied by [sweep] (from --set"), "{both}");
}

#[test]
fn a_sweep_is_not_a_single_spec_and_is_not_inherited() {
    let file = SweepFile::new("[sweep]\nseeds = [1, 2]\n");
    let overrides = file.overrides(&[]);
    let rejected = load(&file.path(), &overrides);
    assert!(matches!(rejected, Err(SpecError::IsSweep { path }) if path == file.path()));
    let one = file.0.path().join("one.toml");
    fs::write(&one, "extends = \"sweep.toml\"\nexperiment.seed = 2\n").unwrap();
    assert_eq!(load(&one, &overrides).unwrap().hash(), file.expand()[1].hash);
    assert!(matches!(load_sweep(&one, &overrides), Err(SpecError::NoSweep { .. })));
}

#[test]
fn a_changed_table_keeps_the_names_of_started_runs() {
    let file = SweepFile::new("[sweep]\nseeds = [1, 2]\n");
    let mut runs = file.expand();
    let folder = SweepFolder::of(&runs, "sweep");
    assert!(folder.root().ends_with("results/study/sweep"));
    folder.assign_names(&mut runs).unwrap();
    assert!(!folder.root().exists(), "assigning names creates no folder");
    folder.write_manifest(&file.path(), &runs).unwrap();
    folder.record_outcome(&runs[0], Some("it broke")).unwrap();
    let states = |folder: &SweepFolder| -> Vec<(String, bool, RunStatus, Option<String>)> {
        let manifest = folder.manifest().unwrap().unwrap();
        let row = |run: ManifestRun| (run.name, run.wanted, run.state, run.failure);
        manifest.runs.into_iter().map(row).collect()
    };
    let broke = Some("it broke".to_owned());
    assert_eq!(
        states(&folder),
        [
            ("seed-1".into(), true, RunStatus::Failed, broke.clone()),
            ("seed-2".into(), true, RunStatus::Waiting, None)
        ]
    );

    // The same experiments with another varied key besides the seed: one run is removed, one is new.
    fs::write(
        file.path(),
        "extends = \"base.toml\"\n[sweep]\nseeds = [2, 3]\n[sweep.grid]\n\"train.epochs\" = [37]\n",
    )
    .unwrap();
    let mut runs = file.expand();
    assert_eq!(names(&runs), ["epochs-37_seed-2", "epochs-37_seed-3"]);
    folder.assign_names(&mut runs).unwrap();
    assert_eq!(names(&runs), ["seed-2", "epochs-37_seed-3"]);
    folder.write_manifest(&file.path(), &runs).unwrap();
    assert_eq!(
        states(&folder),
        [
            ("seed-2".into(), true, RunStatus::Waiting, None),
            ("epochs-37_seed-3".into(), true, RunStatus::Waiting, None),
            ("seed-1".into(), false, RunStatus::Failed, broke)
        ]
    );
    // Without a manifest, runs with a folder keep their names.
    lungs_spec::results::RunFolder::create_at(&folder.run_path("seed-2"), &runs[0].spec).unwrap();
    fs::remove_file(folder.root().join("sweep.json")).unwrap();
    let mut runs = file.expand();
    folder.assign_names(&mut runs).unwrap();
    assert_eq!(names(&runs), ["seed-2", "epochs-37_seed-3"]);
}

#[test]
fn the_best_combination_is_complete_and_has_the_best_mean() {
    let file =
        SweepFile::new("[sweep]\nseeds = [1, 2]\n[sweep.grid]\n\"train.epochs\" = [1, 2, 3]\n");
    let runs = file.expand();
    let folder = SweepFolder::of(&runs, "sweep");
    let metrics = [Some(0.6), Some(0.8), Some(0.9), None, Some(0.7), Some(0.7)];
    let summaries: Vec<RunSummary> = runs
        .iter()
        .zip(metrics)
        .map(|(run, ranking_value)| RunSummary { ranking_value, ..run_summary(&folder, run, None) })
        .collect();
    let combinations = rank_combinations(&runs, &summaries, BestBy::ValidAuc);
    let rows: Vec<_> = combinations
        .iter()
        .map(|combination| {
            let Combination { name, runs, spread, best } = combination;
            (name.as_str(), runs.clone(), spread.as_ref().unwrap().text(), *best)
        })
        .collect();
    assert_eq!(
        rows,
        [
            // Sample standard deviation of 0.6 and 0.8. Of equal means, the first is the best.
            ("train.epochs = 1", vec![1, 2], "0.700 ± 0.141".to_owned(), true),
            ("train.epochs = 2", vec![3, 4], "0.900".to_owned(), false),
            ("train.epochs = 3", vec![5, 6], "0.700 ± 0.000".to_owned(), false),
        ]
    );
    let summaries: Vec<RunSummary> = summaries
        .into_iter()
        .map(|summary| RunSummary {
            ranking_value: Some(if summary.name.contains("-3_") { 0.1 } else { 0.3 }),
            ..summary
        })
        .collect();
    let combinations = rank_combinations(&runs, &summaries, BestBy::ValidBrier);
    let best: Vec<bool> = combinations.iter().map(|combination| combination.best).collect();
    assert_eq!(best, [false, false, true]);
}
