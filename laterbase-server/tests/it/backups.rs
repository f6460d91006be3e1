//! `POST /backup`, and backups by the clock.

use std::num::NonZeroUsize;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use laterbase_client::backup::BackupName;
use laterbase_client::paged_file::{FileKind, PagedFileReader};
use laterbase_core::backup::decode_page;
use laterbase_core::memory_store::MemoryStore;
use laterbase_core::store::Store as _;
use laterbase_core::verify::verify;
use laterbase_server::{BackupOptions, Builder, Engine};
use serde_json::json;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use crate::connection::{Connection, JSON, LINES};
use crate::process::{PROGRAM, Process};
use crate::running::{Running, in_memory, order};

fn backups(directory: &Path, every: Option<Duration>, keep: Option<usize>) -> Builder {
    let keep = keep.and_then(NonZeroUsize::new);
    in_memory().backups(BackupOptions { directory: directory.to_owned(), every, keep })
}

async fn take(connection: &mut Connection) -> serde_json::Value {
    connection.post("/backup", "").await.check(201).json()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    // By which the server has the folder for itself.
    names.retain(|name| !name.starts_with('.'));
    names.sort_unstable();
    names
}

/// How many events a backup holds, of a store that is sound.
#[track_caller]
fn check_restored(file: &Path) -> u64 {
    let store = MemoryStore::new();
    let mut reader =
        PagedFileReader::new(FileKind::Backup, std::fs::File::open(file).unwrap()).unwrap();
    while let Some(page) = reader.next_page().unwrap() {
        let (batch, events) = decode_page(page).unwrap();
        store.commit(&batch).unwrap();
        reader.count_events(events);
    }
    let report = verify(&store, &mut |_, _| {}).unwrap();
    assert!(report.is_truth_sound(), "{:?}", report.faults);
    assert_eq!(report.events, reader.counts().events);
    report.events
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_backs_itself_up_when_it_is_asked() {
    let directory = TempDir::new().unwrap();
    let folder = directory.path().join("backups");
    let server = Running::start(backups(&folder, None, None)).await;
    let mut connection = server.connect().await;
    for number in 0..7 {
        connection.post("/e/order", order(&format!("o-{number}"), 1)).await.check(201);
    }
    let taken = take(&mut connection).await;
    assert_eq!(taken["events"], 7);
    let file = folder.join(taken["file"].as_str().unwrap());
    assert_eq!(taken["bytes"], std::fs::metadata(&file).unwrap().len());
    assert_eq!(check_restored(&file), 7);
    connection
        .send("POST", "/backup", &[("accept", "text/csv")], "")
        .await
        .problem(406, "not-acceptable");
    connection.get("/backup").await.problem(405, "method-not-allowed");
    let named = connection.post("/backup?file=/etc/passwd", "").await;
    named.problem(400, "malformed-parameter");
    assert_eq!(names(&folder), [taken["file"].as_str().unwrap()]);
    server.stop().await;
}

#[tokio::test]
async fn a_server_without_a_folder_takes_none() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    let refused = connection.send("POST", "/backup", &[JSON], "{}").await;
    let problem = refused.problem(404, "unknown-route");
    assert!(problem["detail"].as_str().unwrap().contains("--backup-dir"), "{problem}");
    server.stop().await;
}

/// Mutation: the newest go, or what is no backup does.
#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_go_and_nothing_else() {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("letter"), b"dear").unwrap();
    std::fs::write(directory.path().join("laterbase-1.lbbk"), b"mine").unwrap();
    let server = Running::start(backups(directory.path(), None, Some(2))).await;
    let mut connection = server.connect().await;
    let mut taken = Vec::new();
    for _ in 0..4 {
        taken.push(take(&mut connection).await["file"].as_str().unwrap().to_owned());
    }
    let mut expected = vec!["laterbase-1.lbbk".to_owned()];
    expected.extend_from_slice(&taken[2..]);
    expected.push("letter".to_owned());
    assert_eq!(names(directory.path()), expected);
    server.stop().await;
}

/// Names of a clock that was ahead were taken for newer ones, and the backup that was answered with
/// 201 was removed. A folder with such a name ended the removing.
#[tokio::test(flavor = "multi_thread")]
async fn the_one_that_was_just_taken_stays() {
    let directory = TempDir::new().unwrap();
    let later = |nanos: i64| BackupName::at(4_000_000_000_000_000_000 + nanos).to_string();
    for nanos in 0..3 {
        std::fs::write(directory.path().join(later(nanos)), b"of another time").unwrap();
    }
    std::fs::create_dir(directory.path().join(later(9))).unwrap();
    let server = Running::start(backups(directory.path(), None, Some(2))).await;
    let mut connection = server.connect().await;
    for _ in 0..3 {
        let taken = take(&mut connection).await["file"].as_str().unwrap().to_owned();
        assert_eq!(names(directory.path()), [taken, later(2), later(9)]);
    }
    server.stop().await;
}

/// What a killed server had begun is of no use, and takes room.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_finished_goes_when_a_server_starts() {
    let directory = tempfile::tempdir().unwrap();
    let begun = "laterbase-20260101T000000000000000Z.lbbk.partial";
    for name in [begun, "letter.lbbk.partial"] {
        std::fs::write(directory.path().join(name), "half of it").unwrap();
    }
    let server = backups(directory.path(), None, None).build().unwrap();
    assert!(!directory.path().join(begun).exists());
    assert!(directory.path().join("letter.lbbk.partial").exists(), "it is somebody else's");
    server.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_of_one_server() {
    let directory = TempDir::new().unwrap();
    let server = Running::start(backups(directory.path(), None, None)).await;
    let error = backups(directory.path(), None, None).build().unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(source, "another server has it");
    server.stop().await;
    let server = Running::start(backups(directory.path(), None, None)).await;
    server.stop().await;
}

/// One is taken at once where there is none, and the next is counted from the newest.
#[tokio::test(flavor = "multi_thread")]
async fn backups_are_taken_by_the_clock() {
    let directory = TempDir::new().unwrap();
    let every = Some(Duration::from_millis(200));
    let server = Running::start(backups(directory.path(), every, Some(3))).await;
    let whole = || names(directory.path()).into_iter().filter(|name| BackupName::is_one(name));
    let taken = async {
        let mut last = None;
        for _ in 0..5 {
            while whole().next_back() == last {
                sleep(Duration::from_millis(5)).await;
            }
            last = whole().next_back();
        }
    };
    timeout(Duration::from_secs(60), taken).await.unwrap();
    assert!(whole().count() <= 4, "the oldest go once the new one is there");
    server.stop().await;
    let file = directory.path().join(whole().next_back().unwrap());
    assert_eq!(check_restored(&file), 0);

    let count = whole().count();
    let hour = Some(Duration::from_secs(3_600));
    let server = Running::start(backups(directory.path(), hour, None)).await;
    let mut connection = server.connect().await;
    take(&mut connection).await;
    assert_eq!(whole().count(), count + 1, "the clock's next one is an hour away");
    server.stop().await;
}

/// Every event that was acknowledged before a backup began is in it, also where it is taken from
/// another process, by the command's own code.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_in_a_backup_under_load() {
    let directory = TempDir::new().unwrap();
    let (data, folder) = (directory.path().join("data"), directory.path().join("backups"));
    let builder = backups(&folder, None, None).data_in(data.clone(), Engine::Lmdb);
    let server = Running::start(builder).await;
    let mut writers = Vec::new();
    let (stop, _) = tokio::sync::watch::channel(false);
    let acknowledged = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    for writer in 0..4 {
        let (mut connection, stop) = (server.connect().await, stop.subscribe());
        let acknowledged = std::sync::Arc::clone(&acknowledged);
        writers.push(tokio::spawn(async move {
            let lines: String =
                (0..50).map(|n| order(&format!("w{writer}-{n}"), 1) + "\n").collect();
            while !*stop.borrow() {
                let body = lines.clone();
                connection.send("POST", "/e/order", &[LINES], body).await.check(201);
                acknowledged.fetch_add(50, std::sync::atomic::Ordering::SeqCst);
            }
        }));
    }
    let mut connection = server.connect().await;
    for _ in 0..5 {
        let before = acknowledged.load(std::sync::atomic::Ordering::SeqCst);
        let taken = take(&mut connection).await;
        let events = taken["events"].as_u64().unwrap();
        assert!(events >= before && events.is_multiple_of(50), "{events} of {before}");
        assert_eq!(check_restored(&folder.join(taken["file"].as_str().unwrap())), events);
    }
    stop.send(true).unwrap();
    for writer in writers {
        writer.await.unwrap();
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_takes_its_folder_from_its_flags() {
    let directory = TempDir::new().unwrap();
    let (data, folder) = (directory.path().join("data"), directory.path().join("backups"));
    let flags = [
        "--backup-dir",
        folder.to_str().unwrap(),
        "--backup-every",
        "1 hour",
        "--backup-keep",
        "2",
    ];
    let process = Process::start(&data, &flags);
    let mut connection = process.connect().await;
    connection.post("/e/order", order("o-1", 1)).await.check(201);
    // One at the start, which another one would be turned away beside.
    let taken = async {
        while !names(&folder).iter().any(|name| BackupName::is_one(name)) {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(60), taken).await.unwrap();
    let mut reply = connection.post("/backup", "").await;
    // It has its name a moment before its turn is over.
    while reply.status == 503 {
        reply = connection.post("/backup", "").await;
    }
    assert_eq!(reply.check(201).json()["events"], 1);
    assert_eq!(names(&folder).len(), 2);
    drop(connection);
    assert!(process.terminate().success());
    for (flags, said) in [
        (&["--backup-every", "1h"][..], "it needs a folder, by --backup-dir"),
        (&["--backup-dir", "b", "--backup-every", "soon"], "cannot be \"soon\""),
        (&["--backup-dir", "b", "--backup-every", "none"], "at least a second"),
        (&["--backup-dir", "b", "--backup-every", "0s"], "at least a second"),
    ] {
        let mut command = Command::new(PROGRAM);
        let ended = command.arg("--data").arg(&data).args(flags).output().unwrap();
        let complaint = String::from_utf8(ended.stderr).unwrap();
        assert!(ended.status.code() == Some(2) && complaint.contains(said), "{complaint}");
    }
    assert_eq!(json!(names(directory.path())), json!(["backups", "data"]));
}
