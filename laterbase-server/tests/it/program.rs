//! The reference server as a program among others: pipes that break, signals, limits, and what
//! stands in the environment.

use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::connection::ACCEPT_LIVE;
use crate::process::{PROGRAM, Process};
use crate::running::order;

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(["--listen", "127.0.0.1:0", "--store", "memory"]).args(arguments);
    command
}

/// The story: the log's reader was gone, the logger panicked in the task that heard the signal,
/// and the server went on for ever.
#[test]
fn a_log_that_nobody_reads_does_not_keep_the_server_from_ending() {
    let mut server = Process::start_by(program(&[]).stderr(Stdio::piped()));
    server.stop_listening();
    assert!(server.terminate_soon().success());
}

/// The story: a signal right after the address was said met no handler, and ended the server
/// without closing its store.
#[test]
fn who_knows_the_address_can_have_the_server_end_cleanly() {
    for _ in 0..20 {
        assert!(Process::start_by(&mut program(&[])).terminate_soon().success());
    }
}

#[tokio::test]
async fn what_a_root_s_schema_does_not_take_is_refused_with_the_place_in_its_data() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shipment.json");
    let schema = r##"{
        "events": {"Departed": {
            "type": "object",
            "properties": {"from": {"$ref": "#/$defs/place"}},
            "required": ["from"]
        }},
        "additionalEvents": false,
        "$defs": {"place": {"type": "string", "minLength": 1}}
    }"##;
    std::fs::write(&path, schema).unwrap();
    let entry = format!("shipment={}", path.display());
    let server = Process::start_by(&mut program(&["--schema", &entry]));
    let mut connection = server.connect().await;
    let event = |event_type: &str, data: &str| {
        format!(r#"{{"aggregate_id":"S1","type":"{event_type}","data":{data}}}"#)
    };
    let good = event("Departed", r#"{"from":"Lagos"}"#);
    let written = connection.post("/e/shipment", good).await.check(201).json();
    for (event_type, data, said) in [
        ("Departed", r#"{"from":""}"#, "data/from: "),
        ("Departed", "{}", "data: "),
        ("Depatred", r#"{"from":"Lagos"}"#, "no events of this type, but Departed"),
    ] {
        let answer = connection.post("/e/shipment@depot-7", event(event_type, data)).await;
        let problem = answer.check(422).json();
        assert!(problem["type"].as_str().unwrap().ends_with("refused-event"), "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(said), "{problem}");
    }
    let void = format!(
        r#"{{"aggregate_id":"S1","type":"Voided","data":{{}},"voids":[{}]}}"#,
        written["ids"][0]
    );
    connection.post("/e/shipment", void).await.check(201);
    connection.post("/e/order", event("Anything", "1")).await.check(201);
}

#[test]
fn a_file_that_holds_no_schemas_ends_the_program_with_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shipment.json");
    std::fs::write(&path, r#"{"events":{"T":{"type":"strin"}}}"#).unwrap();
    let entry = format!("shipment={}", path.display());
    let ended = program(&["--schema", &entry]).output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(2), "{said}");
    assert!(said.contains("shipment.json") && said.contains("event type \"T\""), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn live_readers_and_readers_that_are_stuck_do_not_keep_the_server_from_ending() {
    let server = Process::start_by(&mut program(&["--stop-seconds", "1"]));
    let mut connection = server.connect().await;
    let large = format!(r#"{{"aggregate_id":"o","type":"T","data":"{}"}}"#, "x".repeat(1_000_000));
    for _ in 0..8 {
        connection.post("/e/order", large.clone()).await.check(201);
    }
    let mut live = server.connect().await;
    let _live = live.start("GET", "/e/order", &[ACCEPT_LIVE], "").await.unwrap();
    let mut stuck = server.connect().await;
    let _stuck = stuck.start("GET", "/e/order", &[], "").await.unwrap();
    assert!(tokio::task::spawn_blocking(|| server.terminate_soon()).await.unwrap().success());
}

/// The story: handhelds that had vanished held all the descriptors there were, and nobody was
/// served until the system gave them up.
#[cfg(unix)]
#[tokio::test]
async fn idle_connections_do_not_use_up_the_descriptors() {
    let script = format!("ulimit -n 64; exec {PROGRAM} --listen 127.0.0.1:0 --data \"$0\"");
    let directory = tempfile::tempdir().unwrap();
    let server = Process::start_by(Command::new("sh").arg("-c").arg(script).arg(directory.path()));
    let mut idle = Vec::new();
    for _ in 0..100 {
        idle.push(TcpStream::connect(server.address).await.unwrap());
    }
    let mut connection = server.connect().await;
    for number in 0..10 {
        let write = connection.post("/e/order", order("o", number));
        timeout(Duration::from_secs(10), write).await.unwrap().check(201);
    }
    // Those that were idle longest were told.
    assert_eq!(idle[0].read(&mut [0; 8]).await.unwrap_or(0), 0);
}

/// More than there may be, all of them busy: the next one hears so.
#[tokio::test]
async fn where_all_connections_are_busy_the_next_one_is_told() {
    let server = Process::start_by(&mut program(&["--connections", "2"]));
    let mut live = server.connect().await;
    let answer = live.start("GET", "/e/order", &[ACCEPT_LIVE], "").await.unwrap();
    assert_eq!(answer.status(), 200);
    // One address may have half of them.
    let mut heard = String::new();
    let mut next = TcpStream::connect(server.address).await.unwrap();
    next.read_to_string(&mut heard).await.unwrap();
    assert!(heard.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{heard}");
    assert!(heard.contains("retry-after: 1\r\n"), "{heard}");
    assert!(heard.contains("urn:laterbase:problem:busy"), "{heard}");
    drop(answer);
    drop(live);
}

#[test]
fn a_port_in_use_leaves_no_data_directory_behind() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let ended = Command::new(PROGRAM).args(["--listen", &address, "--data"]).arg(&data).output();
    let ended = ended.unwrap();
    assert_eq!(ended.status.code(), Some(1));
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(said.contains(&format!("cannot listen on {address}")), "{said}");
    assert!(!data.exists());
}

#[tokio::test]
async fn an_empty_variable_is_not_set_and_lists_may_have_spaces() {
    let mut command = program(&[]);
    for name in ["ROOT", "PEER", "DATA", "CONFIG", "QUEUE_LENGTH", "HOST", "LOG", "HEAD_SECONDS"] {
        command.env(format!("LATERBASE_{name}"), if name == "PEER" { " " } else { "" });
    }
    let server = Process::start_by(&mut command);
    server.connect().await.post("/e/anything", order("o", 1)).await.check(201);
    let server = Process::start_by(program(&[]).env("LATERBASE_ROOT", "a, b=latest ,"));
    let mut connection = server.connect().await;
    connection.post("/e/a", order("o", 1)).await.check(201);
    connection.post("/e/b", order("o", 1)).await.check(201);
    connection.post("/e/c", order("o", 1)).await.check(404);
}

#[test]
fn sizes_of_zero_and_lists_of_nothing_are_wrong_use() {
    for arguments in [
        ["--queue-length", "0"],
        ["--connections", "0"],
        ["--body-bytes", "0"],
        ["--idle-seconds", "0"],
        ["--root", ""],
        ["--root", " , "],
    ] {
        let ended = program(&arguments).stdin(Stdio::null()).output().unwrap();
        assert_eq!(ended.status.code(), Some(2), "{arguments:?}");
    }
}

/// Lines that a program reads: one object each, with the id that the caller gave, and with nothing
/// of what was asked for but the route as it is declared.
#[tokio::test]
async fn a_request_has_a_line_in_the_log_with_the_id_that_it_came_with() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let log = std::fs::File::create(&path).unwrap();
    let server = Process::start_by(program(&["--log-format", "json"]).stderr(log));
    let mut connection = server.connect().await;
    let id = ("x-request-id", "scan-42");
    let reply = connection.send("GET", "/a/order/secret-name", &[id], "").await.check(404);
    assert_eq!(reply.header("x-request-id"), Some("scan-42"));
    connection.get("/healthz").await.check(200);
    assert!(server.terminate_soon().success());
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains("secret-name"), "{text}");
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of_access: Vec<_> = lines.iter().filter(|line| line["target"] == "access").collect();
    let [first, second] = of_access[..] else { panic!("{text}") };
    assert_eq!((&first["method"], &first["route"]), (&"GET".into(), &"/a/{root}/{id}".into()));
    assert_eq!((&first["status"], &first["problem"]), (&404.into(), &"unknown-aggregate".into()));
    assert_eq!((&first["correlation_id"], &first["is_whole"]), (&"scan-42".into(), &true.into()));
    assert_eq!(first["bytes_out"], reply.body.len());
    assert_eq!((&second["route"], second.get("correlation_id")), (&"/healthz".into(), None));
    let quiet = program(&["--log", "inof"]).output().unwrap();
    assert_eq!(quiet.status.code(), Some(2));
}
