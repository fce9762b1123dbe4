//! `lungs fetch` killed and stopped by signals.

use super::{assert_same, expected_files, fetch, files_below, manifest, objects, states};
use crate::archive::{Archive, Fault};
use crate::support::Workspace;
use rand::RngExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn start(workspace: &Workspace, archive: &Archive) -> Child {
    Command::new(env!("CARGO_BIN_EXE_lungs"))
        .args(["fetch", "manifest.s5cmd", "data", "-q", "--first-wait", "0.001"])
        .args(["--endpoint", &archive.endpoint()])
        .current_dir(workspace.path(""))
        .env("NO_PROXY", "127.0.0.1")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn repeated_kills_end_in_the_same_bytes() {
    let (workspace, objects) = (Workspace::new(), objects(5, 6));
    let archive = Archive::of(objects.clone());
    archive.inject(|_| Some(Fault::Slow(1)));
    workspace.write("manifest.s5cmd", &manifest(5));
    let mut random = lungs_base::random::stream(5, "fetch kills");
    let mut kills = 0;
    for _ in 0..60 {
        let mut child = start(&workspace, &archive);
        let deadline = Instant::now() + Duration::from_millis(random.random_range(20..200));
        while Instant::now() < deadline && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        if child.try_wait().unwrap().is_some() {
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
    assert!(start(&workspace, &archive).wait().unwrap().success());
    println!("killed {kills} times");
    assert!(kills > 0);
    assert!(archive.take_requests().iter().any(|request| request.range_from.is_some()));
    assert_same(&files_below(&workspace.path("data")), &expected_files(&objects));
}

#[test]
fn a_signal_stops_in_order_and_the_same_command_continues() {
    let (workspace, objects) = (Workspace::new(), objects(8, 4));
    let archive = Archive::of(objects.clone());
    archive.inject(|_| Some(Fault::Slow(2)));
    workspace.write("manifest.s5cmd", &manifest(8));
    let mut child = start(&workspace, &archive);
    while archive.count_requests() < 6 {
        std::thread::sleep(Duration::from_millis(2));
    }
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let rows = states(&workspace);
    assert_eq!(rows.len(), 8);
    let expected = ["fetched", "interrupted", "not-started"];
    assert!(rows.iter().all(|(state, _)| expected.contains(&state.as_str())), "{rows:?}");
    assert!(rows.iter().any(|(state, _)| state == "interrupted"), "{rows:?}");
    archive.inject(|_| None);
    assert_eq!(fetch(&workspace, &archive, &[]).code, 0);
    assert_same(&files_below(&workspace.path("data")), &expected_files(&objects));
}
