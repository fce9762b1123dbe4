//! `lungs fetch` against another S3 server.

use super::{
    BUCKET, assert_same, expected_files, fetch, files_below, manifest, objects, random_faults,
};
use crate::archive::{Archive, put};
use crate::support::Workspace;
use std::fs;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// `cargo install s3s-fs --features binary` installs the server; `LUNGS_S3_SERVER` names another path.
#[test]
#[ignore = "needs s3s-fs"]
fn another_s3_server_gives_the_same_bytes_through_faults() {
    let program = std::env::var_os("LUNGS_S3_SERVER").unwrap_or_else(|| "s3s-fs".into());
    let workspace = Workspace::new();
    let root = workspace.path("root");
    fs::create_dir_all(root.join(BUCKET)).unwrap();
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = Command::new(&program)
        .args(["--host", "127.0.0.1", "--port", &address.port().to_string()])
        .arg(&root)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    let _server = KillOnDrop(server);
    wait_for(address);
    let objects = objects(3, 5);
    for (path, bytes) in &objects {
        assert_eq!(put(address, path, bytes), 200, "{path}");
    }
    let archive = Archive::proxy(address);
    archive.inject(random_faults(3));
    workspace.write("manifest.s5cmd", &manifest(3));
    let done = fetch(&workspace, &archive, &["--retries", "12"]);
    assert_eq!(done.code, 0, "{}\n{}", done.stdout, done.stderr);
    assert_same(&files_below(&workspace.path("data")), &expected_files(&objects));
    assert!(archive.take_requests().iter().any(|request| request.range_from.is_some()));
}

/// Kills a child at the end of the test.
struct KillOnDrop(Child);

impl Drop for KillOnDrop {
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
