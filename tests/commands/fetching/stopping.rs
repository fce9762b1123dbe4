//! Kills and signals.

use super::{assert_same, fetch, manifest, objects, states, tree, wanted};
use crate::archive::{Archive, Fault};
use crate::support::Workspace;
use rand::RngExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn start(place: &Workspace, archive: &Archive) -> Child {
    Command::new(env!("CARGO_BIN_EXE_lungs"))
        .args(["fetch", "manifest.s5cmd", "data", "-q", "--first-wait", "0.001"])
        .args(["--endpoint", &archive.endpoint()])
        .current_dir(place.path(""))
        .env("NO_PROXY", "127.0.0.1")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn killed_again_and_again_it_ends_in_the_same_bytes() {
    let (place, objects) = (Workspace::new(), objects(5, 6));
    let archive = Archive::of(objects.clone());
    archive.spoil(|_| Some(Fault::Slow(1)));
    place.write("manifest.s5cmd", &manifest(5));
    let mut random = lungs::random::stream(5, "fetch kills");
    let mut killed = 0;
    for _ in 0..60 {
        let mut child = start(&place, &archive);
        let moment = Instant::now() + Duration::from_millis(random.random_range(20..200));
        while Instant::now() < moment && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        if child.try_wait().unwrap().is_some() {
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        killed += 1;
    }
    assert!(start(&place, &archive).wait().unwrap().success());
    println!("killed {killed} times");
    assert!(killed > 0);
    assert!(archive.take_asked().iter().any(|asked| asked.range_from.is_some()));
    assert_same(&tree(&place.path("data")), &wanted(&objects));
}

#[test]
fn a_signal_stops_in_order_and_the_same_command_goes_on() {
    let (place, objects) = (Workspace::new(), objects(8, 4));
    let archive = Archive::of(objects.clone());
    archive.spoil(|_| Some(Fault::Slow(2)));
    place.write("manifest.s5cmd", &manifest(8));
    let mut child = start(&place, &archive);
    while archive.count_asked() < 6 {
        std::thread::sleep(Duration::from_millis(2));
    }
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let told = states(&place);
    assert_eq!(told.len(), 8);
    let known = ["fetched", "interrupted", "not-started"];
    assert!(told.iter().all(|(state, _)| known.contains(&state.as_str())), "{told:?}");
    assert!(told.iter().any(|(state, _)| state == "interrupted"), "{told:?}");
    archive.spoil(|_| None);
    assert_eq!(fetch(&place, &archive, &[]).code, 0);
    assert_same(&tree(&place.path("data")), &wanted(&objects));
}
