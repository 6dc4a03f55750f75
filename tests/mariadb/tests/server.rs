//! The private server itself: it starts, survives a crash with its data, and
//! leaves nothing behind.
#![allow(clippy::unwrap_used, reason = "a test fails where it unwraps")]

use std::{fs, net::TcpStream, process::Command};

use cofi_mariadb::{PASSWORD, Server, USER};

fn query(server: &Server, sql: &str) -> String {
    let done = Command::new("mariadb")
        .args(["--no-defaults", "--batch", "--skip-column-names", "--host=127.0.0.1", "-u", USER])
        .arg(format!("--port={}", server.address().port()))
        .env("MYSQL_PWD", PASSWORD)
        .args(["-e", sql])
        .output()
        .unwrap();
    assert!(done.status.success(), "{sql}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}

#[test]
fn server_keeps_its_data_over_a_crash_and_leaves_nothing_behind() {
    let mut server = Server::start(&[]).unwrap();
    let address = server.address();
    query(
        &server,
        "CREATE DATABASE one; CREATE TABLE one.t (a int) ENGINE=InnoDB; INSERT INTO one.t VALUES (7)",
    );
    server.kill().unwrap();
    assert!(TcpStream::connect(address).is_err());
    server.start_again().unwrap();
    assert_eq!(server.address(), address);
    assert_eq!(query(&server, "SELECT a FROM one.t"), "7");

    let folder = server.folder().to_owned();
    assert!(folder.join("data").is_dir());
    drop(server);
    assert!(!fs::exists(&folder).unwrap(), "{} is still there", folder.display());
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn wrong_argument_is_told_with_the_servers_own_words() {
    let error = Server::start(&["--no-such-argument"]).unwrap_err().to_string();
    assert!(error.contains("no-such-argument"), "{error}");
}
