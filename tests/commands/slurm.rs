//! A cluster of three nodes on this machine: a real Slurm, where it is installed
//! (`apt-get install slurmctld slurmd slurm-client munge`), started and ended by the test itself.

mod cluster;

use super::support::{Workplace, assert_same_runs};
use cluster::{Cluster, wait_until};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The numbers of submitted jobs, as the program prints them.
fn jobs(stdout: &str) -> Vec<u64> {
    let numbers = stdout.lines().filter_map(|line| line.strip_prefix("job "));
    numbers.map(|rest| rest.split(' ').next().unwrap().parse().unwrap()).collect()
}

/// Every file of a cache but those of the clock and of jobs.
fn cache(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let of_jobs = |name: &str| {
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
        .filter(|(name, _)| !of_jobs(name))
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

/// Every row of the tables of all parts, in an order of its own.
fn rows_of_parts(cache: &Path) -> Vec<String> {
    let mut rows = Vec::new();
    for entry in fs::read_dir(cache.join("shards")).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        rows.extend(text.lines().skip(1).map(str::to_owned));
    }
    rows.sort();
    rows
}

#[test]
fn all_parts_together_make_what_one_command_makes() {
    let place = Workplace::new();
    let done = place.lungs(&["prepare", "small.toml", "--out", "whole"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    // Two at the same time, and one part twice: overlaps do no harm.
    let part = |part: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_lungs"));
        command.args(["prepare", "small.toml", "--out", "parts", "--shard", part]);
        command.current_dir(place.path("")).stdout(std::process::Stdio::null()).spawn().unwrap()
    };
    for pair in [["1/3", "2/3"], ["2/3", "3/3"]] {
        for mut child in pair.map(part) {
            assert!(child.wait().unwrap().success());
        }
    }
    let whole = fs::read_to_string(place.path("whole/preparation.csv")).unwrap();
    let mut rows: Vec<&str> = whole.lines().skip(1).collect();
    rows.sort();
    assert_eq!(rows_of_parts(&place.path("parts")), rows);

    let done = place.lungs(&["prepare", "small.toml", "--out", "parts"]);
    assert!(done.stdout.contains("17 volumes in parts, 0 new"), "{}", done.stdout);
    assert_same_cache(&place.path("whole"), &place.path("parts"));

    // A part without a series is done at once; images without a spec have parts too.
    let done = place.lungs(&["prepare", "small.toml", "--out", "parts", "--shard", "997/1000"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stdout.contains("0 volumes in parts, 0 new"), "{}", done.stdout);
    let set = "preprocess.spacing_mm=10";
    for part in ["1/2", "2/2"] {
        let arguments = ["prepare", "ct", "--out", "free", "--set", set, "--shard", part];
        assert_eq!(place.lungs(&arguments).code, 0);
    }
    let done = place.lungs(&["prepare", "ct", "--out", "free", "--set", set]);
    assert!(done.stdout.contains(", 0 new"), "{}", done.stdout);
    let refused = place.lungs(&["prepare", "small.toml", "--shard", "4/3"]);
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("as 3/20"), "{}", refused.stderr);
}

#[test]
fn twenty_parts_on_three_nodes_of_which_one_dies() {
    let Some(cluster) = Cluster::start() else { return };
    let place = Workplace::new();
    let more = "[slurm]\ncpus = 1\nshards = 20\nsetup = [\"sleep 0.3\"]\n";
    place.write("cluster.toml", &format!("extends = \"small.toml\"\n{more}"));
    let done = cluster.lungs(&place, &["prepare", "cluster.toml", "--slurm"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let [parts, tables] = jobs(&done.stdout)[..] else { panic!("{}", done.stdout) };

    // In the middle of a part's work, the second node is gone with everything on it.
    wait_until("work on the second node", || cluster.kill_node_at_work("n2"));
    cluster.wait_for(&[parts, tables]);
    assert!(cluster.restarts(parts) >= 1, "no part had to be put back");
    assert_eq!(cluster.states(parts), vec!["COMPLETED"; 20]);
    assert_eq!(cluster.states(tables), ["COMPLETED"]);

    let done = place.lungs(&["prepare", "small.toml", "--out", "alone"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_same_cache(&place.path("alone"), &place.path("prepared"));
    let whole = fs::read_to_string(place.path("alone/preparation.csv")).unwrap();
    let mut rows: Vec<&str> = whole.lines().skip(1).collect();
    rows.sort();
    assert_eq!(rows_of_parts(&place.path("prepared")), rows);
}

#[test]
fn a_run_whose_time_is_up_continues_to_the_same_bytes() {
    let Some(cluster) = Cluster::start() else { return };
    let place = Workplace::new();
    let more = "train.epochs = 40\n[slurm]\ntime = \"1\"\nwarning_seconds = 30\nshards = 3\n";
    place.write("long.toml", &format!("extends = \"small.toml\"\n{more}"));
    let printed = cluster.lungs(&place, &["run", "long.toml", "--slurm", "--dry-run"]);
    assert_eq!(printed.code, 0, "{}", printed.stderr);
    assert!(!place.path("results").exists(), "a dry run makes nothing");
    assert!(printed.stdout.contains("#SBATCH --signal=B:USR1@30"), "{}", printed.stdout);

    let done = cluster.lungs(&place, &["run", "long.toml", "--slurm"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let [parts, run] = jobs(&done.stdout)[..] else { panic!("{}", done.stdout) };
    wait_until("the end of the job's time", || {
        cluster.hurry();
        cluster.hold_back();
        cluster.restarts(run) >= 1 || cluster.states(run) == ["COMPLETED"]
    });
    assert!(cluster.restarts(run) >= 1, "the run ended before its time was up");
    cluster.scontrol(&["update", &format!("JobId={run}"), "TimeLimit=60"]);
    cluster.wait_for(&[parts, run]);
    assert_eq!(cluster.states(run), ["COMPLETED"]);
    let told = fs::read_to_string(place.newest_run("small").join("run.log")).unwrap();
    assert!(told.contains("training was interrupted"), "{told}");

    let alone = Workplace::new();
    alone.write("long.toml", "extends = \"small.toml\"\ntrain.epochs = 40\n");
    assert_eq!(alone.lungs(&["run", "long.toml", "-q"]).code, 0);
    let run = place.newest_run("small");
    let scripts = run.join("slurm");
    assert!(scripts.join("run.sh").is_file());
    fs::remove_dir_all(scripts).unwrap();
    assert_same_runs(&alone.newest_run("small"), &run, "on a cluster and alone");
}

#[test]
fn a_sweep_on_a_cluster_is_the_sweep_on_one_machine() {
    let Some(cluster) = Cluster::start() else { return };
    let spec = "extends = \"small.toml\"\n[slurm]\nshards = 4\n[sweep]\nseeds = [1, 2, 3]\n";
    let place = Workplace::new();
    place.write("sweep.toml", spec);
    let done = cluster.lungs(&place, &["sweep", "sweep.toml", "--slurm"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let jobs = jobs(&done.stdout);
    assert_eq!(jobs.len(), 3, "{}", done.stdout);
    cluster.wait_for(&jobs);
    for job in &jobs {
        let states = cluster.states(*job);
        assert!(states.iter().all(|state| state == "COMPLETED"), "{job}: {states:?}");
    }
    let again = cluster.lungs(&place, &["sweep", "sweep.toml", "--slurm"]);
    assert!(again.stdout.contains("All runs are finished"), "{}", again.stdout);

    let alone = Workplace::new();
    alone.write("sweep.toml", spec);
    assert_eq!(alone.lungs(&["sweep", "sweep.toml", "-q"]).code, 0);
    let folder = |place: &Workplace| place.path("results/small/sweep");
    for seed in 1..=3 {
        let name = format!("seed-{seed}");
        let told = "on a cluster and alone";
        assert_same_runs(&folder(&alone).join(&name), &folder(&place).join(&name), told);
    }
    let timed = |line: &&str| !line.contains("seconds") && !line.contains("memory");
    let table = |place: &Workplace| {
        let text = fs::read_to_string(folder(place).join("comparison.csv")).unwrap();
        text.lines().filter(timed).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(table(&alone), table(&place));
}

#[test]
fn scripts_are_printed_without_slurm() {
    let place = Workplace::new();
    let more = "[slurm]\npartition = \"gpu\"\ncpu_partition = \"cpu\"\ntime = \"1-00:00:00\"\ncpus = 8\n\
                mem = \"32G\"\ngpus = 1\nshards = 20\nconcurrent = 4\nsetup = [\"module load cuda\"]\n\
                [sweep]\nseeds = [1, 2, 3]\n";
    place.write("sweep.toml", &format!("extends = \"small.toml\"\n{more}"));
    let done = place.lungs(&["sweep", "sweep.toml", "--slurm", "--dry-run"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let mut settings = super::support::settings();
    settings.add_filter(r"\S*/lungs (sweep|run)", "lungs $1");
    settings.bind(|| insta::assert_snapshot!("slurm-sweep", done.stdout));
    assert!(!place.path("results").exists(), "a dry run makes nothing");

    // Without Slurm's commands, that is what is told.
    place.write("one.toml", "extends = \"sweep.toml\"\n");
    let mut command = place.command(&["run", "one.toml", "--slurm"]);
    let output = command.env("PATH", place.path("")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot run sbatch"), "{said}");

    // What a cluster is asked for plays no part in what a run is.
    let hash = |spec: &str| {
        let done = place.lungs(&["check", spec, "--json"]);
        assert_eq!(done.code, 0, "{}", done.stderr);
        let told: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
        told["spec_hash"].as_str().unwrap().to_owned()
    };
    assert_eq!(hash("one.toml"), hash("small.toml"));
    let bad = ["slurm.time=soon", "slurm.time=1", "slurm.partition='a b'", "slurm.extra=['x']"];
    for set in bad {
        let done = place.lungs(&["check", "one.toml", "--set", set]);
        assert_eq!(done.code, 2, "{set}");
        assert!(done.stderr.contains("slurm."), "{}", done.stderr);
    }
}
