//! Crops that are too small for the lungs.

use super::support::Workspace;
use std::fs;

#[test]
fn lungs_beyond_the_crop_are_counted_everywhere() {
    let workspace = Workspace::new();
    let small = ["--set", "preprocess.size=[12,32,40]", "--set", "model.slices=12"];
    let words = |arguments: &[&str]| {
        let done = workspace.lungs(&[arguments, &small[..]].concat());
        assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
        format!("{}{}", done.stdout, done.stderr).split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let count = "the lungs extend beyond the crop in ";
    assert!(!words(&["check", "small.toml"]).contains(count), "nothing is prepared yet");
    let prepared = words(&["prepare", "small.toml"]);
    assert!(prepared.contains(count), "{prepared}");
    assert!(words(&["check", "small.toml"]).contains(count));
    let run = words(&["run", "small.toml", "--set", "train.epochs=1"]);
    assert!(run.contains(count), "{run}");
    let folder = workspace.newest_run("small");
    let mut table = csv::Reader::from_path(folder.join("preparation.csv")).unwrap();
    let header = table.headers().unwrap().clone();
    let column = |name: &str| header.iter().position(|own| own == name).unwrap();
    let rows: Vec<csv::StringRecord> = table.records().map(Result::unwrap).collect();
    let mut flagged = 0;
    for row in &rows {
        let number = |name: &str| row[column(name)].parse::<f64>().unwrap();
        // Crops are 12 voxels of 10 mm high, and begin 6 voxels below the centre.
        let beyond = |voxels: f64| (voxels * 10.0).max(0.0);
        let feet = beyond(number("centre_z") - 6.0 - number("box_z0"));
        let head = beyond(number("box_z1") - (number("centre_z") + 5.0));
        let found = [number("beyond_feet_mm"), number("beyond_head_mm"), number("beyond_left_mm")];
        assert_eq!(found, [feet, head, 0.0]);
        let is_flagged = row[column("flags")].contains("lungs-beyond-crop");
        assert_eq!(is_flagged, feet + head > 0.0);
        flagged += usize::from(is_flagged);
    }
    assert!(flagged > 0);
    let expected = format!("{count}{flagged} of {} series, by up to ", rows.len());
    assert!(prepared.contains(&expected) && run.contains(&expected), "{prepared}");
    let page = fs::read_to_string(folder.join("preparation.html")).unwrap();
    assert!(page.contains("lungs beyond the crop") && page.contains("mm (head)"), "{page}");
    // The reported size contains all lungs, if the network reads all slices.
    let (_, size) = prepared.split_once("preprocess.size = ").unwrap();
    let size = size.split_once(']').unwrap().0;
    let slices = size.trim_start_matches('[').split(',').next().unwrap();
    let (size, slices) = (format!("preprocess.size={size}]"), format!("model.slices={slices}"));
    let again = |slices: &str| {
        let done = workspace.lungs(&["prepare", "small.toml", "--set", &size, "--set", slices]);
        done.stdout + &done.stderr
    };
    assert!(again("model.slices=12").contains(count));
    assert!(!again(&slices).contains(count), "{slices}");
}
