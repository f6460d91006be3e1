//! `laterbase record --check`: what would happen, of which nothing is stored.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::process::Stdio;
use std::sync::Arc;

use laterbase_client::device::{Device, DeviceOptions};
use laterbase_client::handover::Listening;
use serde_json::{Value, json};

use crate::command::Workplace;
use crate::odd_files::wait_until;
use crate::record_rejects::{YARD, record};

/// Every file of the store, with what it holds. What readers are told by is theirs to write.
fn files(place: &Workplace) -> BTreeMap<String, Vec<u8>> {
    let names = fs::read_dir(place.path("laterbase-data")).unwrap();
    let paths = names.map(|entry| entry.unwrap().path());
    let mut files = BTreeMap::new();
    for path in paths {
        let inner: Vec<_> = match path.is_dir() {
            true => fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).collect(),
            false => vec![path],
        };
        for path in inner.into_iter().filter(|path| !path.ends_with("lock.mdb")) {
            files.insert(path.to_str().unwrap().to_owned(), fs::read(&path).unwrap());
        }
    }
    files
}

/// It took a new id for the store, and made one in a folder that had none.
#[test]
fn a_check_changes_no_byte_whatever_else_is_said() {
    let place = Workplace::new();
    fs::write(place.path("yard.csv"), YARD).unwrap();
    fs::create_dir(place.path("laterbase-data")).unwrap();
    let check = record(&["--check", "--new-identity"]);
    let said = "would record 2 events; 1 are there already; 5 cannot be recorded\n";
    assert_eq!(place.run(&check).stdout, said);
    assert!(files(&place).is_empty());
    assert_eq!(place.run(&record(&["--rejects", "bad.csv"])).code, 3);
    let before = files(&place);
    let said = "would record 0 events; 3 are there already; 5 cannot be recorded\n";
    assert_eq!(place.run(&check).stdout, said);
    assert!(files(&place) == before);
    // Nor does a run that is refused make a store of an empty folder.
    let other = Workplace::new();
    fs::create_dir(other.path("laterbase-data")).unwrap();
    fs::write(other.path("yard.csv"), "ASN,What,When\nA,t,2224-03-01\n").unwrap();
    other.fail(&record(&[]));
    assert!(files(&other).is_empty());
}

/// It held the store while it waited for a pipe.
#[test]
fn a_check_lets_others_have_the_store() {
    let place = Workplace::new();
    fs::write(place.path("yard.csv"), "ASN,What,When\nA-1,Arrived,2024-03-01\n").unwrap();
    place.succeed(&record(&[]));
    let arguments = record(&["--check", "--format=csv"]);
    let mut command = place.command(&arguments[..arguments.len() - 1]);
    let mut checking = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = checking.stdin.take().unwrap();
    input.write_all(b"ASN,What,When\nA-2,Arrived,2024-03-01\n").unwrap();
    wait_until(|| rustix::io::ioctl_fionread(&input).unwrap() == 0);
    // A new identity is taken by whoever has the store for itself.
    let ended = place.run(&["--new-identity", "add", "--root", "asn", "A-3", "Arrived"]);
    assert!(ended.code == 0 && ended.stderr.contains("a new identity"), "{}", ended.stderr);
    drop(input);
    let ended: crate::command::Ended = checking.wait_with_output().unwrap().into();
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "would record 1 events\n"));
}

#[test]
fn a_check_says_what_would_happen_and_stores_nothing() {
    let place = Workplace::new();
    fs::write(place.path("yard.csv"), YARD).unwrap();
    let check = record(&["--check"]);
    let said = "would record 2 events; 1 are there already; 5 cannot be recorded\n";
    let ended = place.run(&check);
    assert_eq!((ended.code, ended.stdout.as_str()), (3, said), "{}", ended.stderr);
    for expected in [
        "laterbase: yard.csv, line 3, column When: \"soon\" is no time",
        "laterbase: yard.csv, line 5, column ASN: is empty",
        "laterbase: yard.csv, line 7, column When: lies in the future",
        "laterbase: yard.csv, line 8: this key was used before",
    ] {
        assert!(ended.stderr.contains(expected), "{}", ended.stderr);
    }
    assert!(!place.path("laterbase-data").exists());
    assert_eq!(place.run(&record(&["--rejects", "bad.csv"])).code, 3);
    let ended = place.run(&check);
    let said = "would record 0 events; 3 are there already; 5 cannot be recorded\n";
    assert_eq!((ended.code, ended.stdout.as_str(), place.event_count()), (3, said, 2));
}

/// Keys of earlier batches are known in a check too, which keeps no batch.
#[test]
fn a_check_knows_the_keys_of_rows_far_apart() {
    let place = Workplace::new();
    let rows: String = (0..2_400)
        .map(|number| format!("A-{},Arrived,2024-03-01,{}\n", number % 1_200, number / 2_399))
        .collect();
    fs::write(place.path("yard.csv"), format!("ASN,What,When,Note\n{rows}")).unwrap();
    let ended = place.run(&record(&["--check", "--json"]));
    let summary: Value = serde_json::from_str(&ended.stdout).unwrap();
    let expected = json!({"recorded": 1_200, "replayed": 1_199, "rejected": 1, "check": true});
    assert_eq!((ended.code, summary), (3, expected));
    assert!(ended.stderr.contains("line 2401: this key was used"), "{}", ended.stderr);
}

#[test]
fn a_check_beside_another_process_looks_at_the_same_store() {
    let place = Workplace::new();
    fs::write(place.path("yard.csv"), "ASN,What,When\nA-1,Arrived,2024-03-01\n").unwrap();
    place.succeed(&record(&[]));
    let store = place.path("laterbase-data");
    let device = Arc::new(Device::open(&store, DeviceOptions::default()).unwrap());
    let listening = Listening::start(&store, Arc::clone(&device) as Arc<_>).unwrap();
    let said = place.succeed(&record(&["--check"]));
    assert_eq!(said, "would record 0 events; 1 are there already\n");
    // Rejects and replays are told by way of the other process as well.
    fs::write(place.path("yard.csv"), YARD).unwrap();
    let ended = place.run(&record(&["--rejects", "bad.csv"]));
    assert_eq!(ended.stdout, "recorded 2 events; 1 were there already; 5 cannot be recorded\n");
    let ended = place.run(&record(&["--actor", "kofi", "--rejects", "bad.csv"]));
    assert_eq!(ended.stdout, "recorded 0 events; 3 were there already; 5 cannot be recorded\n");
    listening.stop();
    Arc::into_inner(device).unwrap().close().unwrap();
}
