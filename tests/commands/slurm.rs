//! Tests with a Slurm cluster of three nodes on this machine, if Slurm is installed
//! (`apt-get install slurmctld slurmd slurm-client munge`). The tests start and stop the cluster.

mod cluster;

use super::support::{Workspace, assert_same_runs, wait_until};
use cluster::Cluster;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Numbers of the submitted jobs, from the output of `lungs`.
fn jobs(stdout: &str) -> Vec<u64> {
    let numbers = stdout.lines().filter_map(|line| line.strip_prefix("job "));
    numbers.map(|rest| rest.split(' ').next().unwrap().parse().unwrap()).collect()
}

/// All files of a cache, except files of jobs and files that depend on the clock.
fn cache(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let is_excluded = |name: &str| {
        ["shards/", "slurm/"].iter().any(|folder| name.starts_with(folder))
            || name == "report.html"
            || name.contains(".partial-")
    };
    walkdir::WalkDir::new(folder)
        .into_iter()
        .map(|entry| entry.expect("an entry"))
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let name = entry.path().strip_prefix(folder).expect("it is inside");
            (name.to_str().expect("plain names").to_owned(), entry.into_path())
        })
        .filter(|(name, _)| !is_excluded(name))
        .map(|(name, path)| (name, fs::read(path).expect("a readable file")))
        .collect()
}

#[track_caller]
fn assert_same_cache(a: &Path, b: &Path) {
    let (a, b) = (cache(a), cache(b));
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    for (name, bytes) in &a {
        assert!(*bytes == b[name], "{name} differs");
    }
}

/// The sorted rows of the tables of all shards.
fn shard_rows(cache: &Path) -> Vec<String> {
    let mut rows = Vec::new();
    for entry in fs::read_dir(cache.join("shards")).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        rows.extend(text.lines().skip(1).map(str::to_owned));
    }
    rows.sort();
    rows
}

#[test]
fn all_shards_together_equal_one_preparation() {
    let workspace = Workspace::new();
    let done = workspace.lungs(&["prepare", "small.toml", "--out", "whole"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    // Two shards run at the same time, and one shard runs twice.
    let start_shard = |shard: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_lungs"));
        command.args(["prepare", "small.toml", "--out", "parts", "--shard", shard]);
        command.current_dir(workspace.path("")).stdout(std::process::Stdio::null()).spawn().unwrap()
    };
    for pair in [["1/3", "2/3"], ["2/3", "3/3"]] {
        for mut child in pair.map(start_shard) {
            assert!(child.wait().unwrap().success());
        }
    }
    let table = fs::read_to_string(workspace.path("whole/preparation.csv")).unwrap();
    let mut rows: Vec<&str> = table.lines().skip(1).collect();
    rows.sort();
    assert_eq!(shard_rows(&workspace.path("parts")), rows);

    let done = workspace.lungs(&["prepare", "small.toml", "--out", "parts"]);
    assert!(done.stdout.contains("17 volumes in parts, 0 new"), "{}", done.stdout);
    assert_same_cache(&workspace.path("whole"), &workspace.path("parts"));

    // A shard without series, and shards of images without a spec.
    let done = workspace.lungs(&["prepare", "small.toml", "--out", "parts", "--shard", "997/1000"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stdout.contains("0 volumes in parts, 0 new"), "{}", done.stdout);
    let set = "preprocess.spacing_mm=10";
    for shard in ["1/2", "2/2"] {
        let arguments = ["prepare", "ct", "--out", "free", "--set", set, "--shard", shard];
        assert_eq!(workspace.lungs(&arguments).code, 0);
    }
    let done = workspace.lungs(&["prepare", "ct", "--out", "free", "--set", set]);
    assert!(done.stdout.contains(", 0 new"), "{}", done.stdout);
    let rejected = workspace.lungs(&["prepare", "small.toml", "--shard", "4/3"]);
    assert_eq!(rejected.code, 2);
    assert!(rejected.stderr.contains("as 3/20"), "{}", rejected.stderr);
}

#[test]
#[ignore = "needs slurmctld and root"]
fn twenty_shards_on_three_nodes_survive_a_node_failure() {
    let cluster = Cluster::start();
    let workspace = Workspace::new();
    let more = "[slurm]\ncpus = 1\nshards = 20\nsetup = [\"sleep 0.3\"]\n";
    workspace.write("cluster.toml", &format!("extends = \"small.toml\"\n{more}"));
    let done = cluster.lungs(&workspace, &["prepare", "cluster.toml", "--slurm"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let [shards, tables] = jobs(&done.stdout)[..] else { panic!("{}", done.stdout) };

    // The second node fails while it prepares a shard.
    wait_until("work on the second node", || cluster.kill_busy_node("n2"));
    cluster.wait_for(&[shards, tables]);
    assert!(cluster.restarts(shards) >= 1, "no shard was requeued");
    assert_eq!(cluster.states(shards), vec!["COMPLETED"; 20]);
    assert_eq!(cluster.states(tables), ["COMPLETED"]);

    let done = workspace.lungs(&["prepare", "small.toml", "--out", "single"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_same_cache(&workspace.path("single"), &workspace.path("prepared"));
    let table = fs::read_to_string(workspace.path("single/preparation.csv")).unwrap();
    let mut rows: Vec<&str> = table.lines().skip(1).collect();
    rows.sort();
    assert_eq!(shard_rows(&workspace.path("prepared")), rows);
}

#[test]
#[ignore = "needs slurmctld and root"]
fn a_run_at_its_time_limit_resumes_to_identical_files() {
    let cluster = Cluster::start();
    let workspace = Workspace::new();
    let more = "train.epochs = 40\n[slurm]\ntime = \"1\"\nwarning_seconds = 30\nshards = 3\n";
    workspace.write("long.toml", &format!("extends = \"small.toml\"\n{more}"));
    let printed = cluster.lungs(&workspace, &["run", "long.toml", "--slurm", "--dry-run"]);
    assert_eq!(printed.code, 0, "{}", printed.stderr);
    assert!(!workspace.path("results").exists(), "a dry run writes nothing");
    assert!(printed.stdout.contains("#SBATCH --signal=B:USR1@30"), "{}", printed.stdout);

    let done = cluster.lungs(&workspace, &["run", "long.toml", "--slurm"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let [shards, run] = jobs(&done.stdout)[..] else { panic!("{}", done.stdout) };
    wait_until("the time limit of the job", || {
        cluster.start_requeued_jobs();
        cluster.slow_down();
        cluster.restarts(run) >= 1 || cluster.states(run) == ["COMPLETED"]
    });
    assert!(cluster.restarts(run) >= 1, "the run ended before its time limit");
    cluster.scontrol(&["update", &format!("JobId={run}"), "TimeLimit=60"]);
    cluster.wait_for(&[shards, run]);
    assert_eq!(cluster.states(run), ["COMPLETED"]);
    let log = fs::read_to_string(workspace.newest_run("small").join("run.log")).unwrap();
    assert!(log.contains("training interrupted"), "{log}");

    let single = Workspace::new();
    single.write("long.toml", "extends = \"small.toml\"\ntrain.epochs = 40\n");
    assert_eq!(single.lungs(&["run", "long.toml", "-q"]).code, 0);
    let run = workspace.newest_run("small");
    let scripts = run.join("slurm");
    assert!(scripts.join("run.sh").is_file());
    fs::remove_dir_all(scripts).unwrap();
    assert_same_runs(&single.newest_run("small"), &run, "on a cluster and on one machine");
}

#[test]
#[ignore = "needs slurmctld and root"]
fn a_sweep_on_a_cluster_equals_the_sweep_on_one_machine() {
    let cluster = Cluster::start();
    let spec = "extends = \"small.toml\"\n[slurm]\nshards = 4\n[sweep]\nseeds = [1, 2, 3]\n";
    let workspace = Workspace::new();
    workspace.write("sweep.toml", spec);
    let done = cluster.lungs(&workspace, &["sweep", "sweep.toml", "--slurm"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let jobs = jobs(&done.stdout);
    assert_eq!(jobs.len(), 3, "{}", done.stdout);
    cluster.wait_for(&jobs);
    for job in &jobs {
        let states = cluster.states(*job);
        assert!(states.iter().all(|state| state == "COMPLETED"), "{job}: {states:?}");
    }
    let again = cluster.lungs(&workspace, &["sweep", "sweep.toml", "--slurm"]);
    assert!(again.stdout.contains("All runs are finished"), "{}", again.stdout);

    let single = Workspace::new();
    single.write("sweep.toml", spec);
    assert_eq!(single.lungs(&["sweep", "sweep.toml", "-q"]).code, 0);
    let folder = |workspace: &Workspace| workspace.path("results/small/sweep");
    for seed in 1..=3 {
        let name = format!("seed-{seed}");
        let context = "on a cluster and on one machine";
        assert_same_runs(&folder(&single).join(&name), &folder(&workspace).join(&name), context);
    }
    let timed = |line: &&str| !line.contains("seconds") && !line.contains("memory");
    let table = |workspace: &Workspace| {
        let text = fs::read_to_string(folder(workspace).join("comparison.csv")).unwrap();
        text.lines().filter(timed).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(table(&single), table(&workspace));
}

#[test]
fn scripts_are_printed_without_slurm() {
    let workspace = Workspace::new();
    let more = "[slurm]\npartition = \"gpu\"\ncpu_partition = \"cpu\"\ntime = \"1-00:00:00\"\ncpus = 8\n\
                mem = \"32G\"\ngpus = 1\nshards = 20\nconcurrent = 4\nsetup = [\"module load cuda\"]\n\
                [sweep]\nseeds = [1, 2, 3]\n";
    workspace.write("sweep.toml", &format!("extends = \"small.toml\"\n{more}"));
    let done = workspace.lungs(&["sweep", "sweep.toml", "--slurm", "--dry-run"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let mut settings = super::support::settings();
    settings.add_filter(r"\S*/lungs (sweep|run)", "lungs $1");
    settings.bind(|| insta::assert_snapshot!("slurm-sweep", done.stdout));
    assert!(!workspace.path("results").exists(), "a dry run writes nothing");

    // Without Slurm's commands, the error names sbatch.
    workspace.write("one.toml", "extends = \"sweep.toml\"\n");
    let mut command = workspace.command(&["run", "one.toml", "--slurm"]);
    let output = command.env("PATH", workspace.path("")).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("cannot run sbatch"), "{stderr}");

    // Settings of [slurm] do not change the hash of a spec.
    let hash = |spec: &str| {
        let done = workspace.lungs(&["check", spec, "--json"]);
        assert_eq!(done.code, 0, "{}", done.stderr);
        let plan: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
        plan["spec_hash"].as_str().unwrap().to_owned()
    };
    assert_eq!(hash("one.toml"), hash("small.toml"));
    let invalid = ["slurm.time=soon", "slurm.time=1", "slurm.partition='a b'", "slurm.extra=['x']"];
    for set in invalid {
        let done = workspace.lungs(&["check", "one.toml", "--set", set]);
        assert_eq!(done.code, 2, "{set}");
        assert!(done.stderr.contains("slurm."), "{}", done.stderr);
    }
}
