//! Against a server that others wrote.

use super::{BUCKET, assert_same, fetch, manifest, objects, spoiler, tree, wanted};
use crate::archive::{Archive, put};
use crate::support::Workspace;
use std::fs;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A server that others wrote, where one is installed: `cargo install s3s-fs --features binary`.
#[test]
fn another_s3_server_gives_the_same_bytes_through_faults() {
    let given = std::env::var_os("LUNGS_S3_SERVER").unwrap_or_else(|| "s3s-fs".into());
    let place = Workspace::new();
    let root = place.path("root");
    fs::create_dir_all(root.join(BUCKET)).unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = Command::new(&given)
        .args(["--host", "127.0.0.1", "--port", &free.port().to_string()])
        .arg(&root)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(server) = server else {
        println!("skipped: no {} (cargo install s3s-fs --features binary)", given.display());
        return;
    };
    let _server = Ended(server);
    wait_for(free);
    let objects = objects(3, 5);
    for (path, bytes) in &objects {
        assert_eq!(put(free, path, bytes), 200, "{path}");
    }
    let archive = Archive::before(free);
    archive.spoil(spoiler(3));
    place.write("manifest.s5cmd", &manifest(3));
    let done = fetch(&place, &archive, &["--retries", "12"]);
    assert_eq!(done.code, 0, "{}\n{}", done.stdout, done.stderr);
    assert_same(&tree(&place.path("data")), &wanted(&objects));
    assert!(archive.take_asked().iter().any(|asked| asked.range_from.is_some()));
}

/// A child that ends with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn wait_for(server: SocketAddr) {
    for _ in 0..600 {
        if std::net::TcpStream::connect(server).is_ok() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("{server} does not listen");
}
