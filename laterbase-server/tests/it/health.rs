//! `laterbase-server health`, which containers ask by.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;

use laterbase_core::memory_store::MemoryStore;
use laterbase_core::store::Area;
use laterbase_testkit::fault_store::{Fault, FaultStore};

use crate::process::{PROGRAM, Process};
use crate::running::{Running, in_memory, order};

/// Asks by flags, and gives the exit code with all that was said.
fn ask(arguments: &[&str]) -> (Option<i32>, String) {
    let asked = Command::new(PROGRAM).args(arguments).env_remove("LATERBASE_LISTEN").output();
    let asked = asked.unwrap();
    let said = [asked.stdout, asked.stderr].concat();
    (asked.status.code(), String::from_utf8(said).unwrap())
}

fn ask_at(address: SocketAddr) -> (Option<i32>, String) {
    ask(&["health", &format!("http://{address}/")])
}

#[test]
fn a_server_that_takes_writes_is_ready_and_one_that_is_gone_is_not() {
    let mut command = Command::new(PROGRAM);
    command.args(["--listen", "0.0.0.0:0", "--store", "memory", "--log", "warn"]);
    let server = Process::start_by(command.stderr(Stdio::inherit()));
    let port = server.address.port();
    // As an image or a unit says it: the server's own setting.
    let listen = format!("0.0.0.0:{port}");
    assert_eq!(ask(&["health", "--listen", &listen]), (Some(0), "ready\n".into()));
    assert!(server.terminate_soon().success());
    let (code, said) = ask(&["health", "--listen", &listen]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&format!("cannot ask http://127.0.0.1:{port}: ")), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_no_writes_is_not_ready_and_says_why() {
    let store = Arc::new(FaultStore::new(MemoryStore::new()));
    let server = Running::start(in_memory().store(Arc::clone(&store) as _)).await;
    let address = server.address;
    let ready = tokio::task::spawn_blocking(move || ask_at(address)).await.unwrap();
    assert_eq!(ready, (Some(0), "ready\n".into()));
    store.fail_commit(Area::Truth, 1, Fault::Before);
    server.connect().await.post("/e/order", order("o-1", 2)).await.check(500);
    let (code, said) = tokio::task::spawn_blocking(move || ask_at(address)).await.unwrap();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&format!("http://{address} is not ready: 503 ")), "{said}");
    assert!(said.contains("read-only"), "{said}");
    server.handle.stop();
}
