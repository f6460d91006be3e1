//! `laterbase backup`, `restore`, and `verify` of a backup.

use std::path::Path;
use std::process::Stdio;

use laterbase_client::device::{Device, DeviceOptions};
use laterbase_core::event::Record;
use laterbase_core::id::RootName;
use serde_json::json;

use crate::command::Workplace;
use crate::dice::Dice;
use crate::sample;

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

fn recorded(count: usize) -> Workplace {
    let place = Workplace::new();
    place.succeed(&["record", &place.write("day.ndjson", &sample::lines(1, count))]);
    place
}

#[test]
fn a_backup_is_checked_and_makes_a_store() {
    let place = recorded(500);
    let taken = place.summary(&["backup", "day.lbbk"]);
    assert_eq!((&taken["events"], &taken["file"]), (&json!(500), &json!("day.lbbk")));
    assert_eq!(taken["bytes"], std::fs::metadata(place.path("day.lbbk")).unwrap().len());
    let checked = place.summary(&["verify", "day.lbbk"]);
    assert_eq!((&checked["events"], &checked["fault_count"]), (&json!(500), &json!(0)));
    let restored = place.summary(&["restore", "day.lbbk", "--store", "again"]);
    assert_eq!(restored["events"], 500);
    let renewed = place.run(&["status", "--store", "again"]);
    assert!(renewed.stderr.contains("the store was copied or restored"), "{}", renewed.stderr);
    let (first, second) =
        (place.summary(&["status"]), place.summary(&["status", "--store", "again"]));
    assert_ne!(first["replica"], second["replica"], "it is another one");
    for root in first["roots"].as_object().unwrap().keys() {
        assert_eq!(first["roots"][root]["digest"], second["roots"][root]["digest"]);
    }
    assert_eq!(place.summary(&["verify", "--store", "again"])["fault_count"], 0);
    let refused = place.fail(&["restore", "day.lbbk", "--store", "again"]);
    assert!(refused.contains("again is there already"), "{refused}");
    assert_eq!(names(&place.path(".")), ["again", "day.lbbk", "day.ndjson", "laterbase-data"]);
}

#[test]
fn backups_in_a_folder_are_named_by_the_time() {
    let place = recorded(3);
    std::fs::create_dir(place.path("backups")).unwrap();
    for _ in 0..3 {
        place.succeed(&["backup", "backups"]);
    }
    let names = names(&place.path("backups"));
    assert_eq!(names.len(), 3);
    for name in names {
        assert!(name.starts_with("laterbase-2") && name.ends_with("Z.lbbk"), "{name}");
    }
}

#[test]
fn what_is_no_backup_is_named() {
    let place = recorded(3);
    place.succeed(&["export", "day.lbd"]);
    place.succeed(&["backup", "day.lbbk"]);
    let bytes = std::fs::read(place.path("day.lbbk")).unwrap();
    std::fs::write(place.path("short.lbbk"), &bytes[..bytes.len() - 1]).unwrap();
    for (file, said) in [
        ("day.lbd", "this is not a Laterbase backup"),
        ("day.ndjson", "this is not a Laterbase backup"),
        ("short.lbbk", "the backup is cut short"),
        ("nowhere.lbbk", "nowhere.lbbk"),
        (".", "Is a directory"),
    ] {
        for command in [&["verify", file][..], &["restore", file, "--store", "again"]] {
            let complaint = place.fail(command);
            assert!(complaint.contains(said), "{complaint}");
        }
    }
    assert!(!place.path("again").exists());
    let complaint = place.fail(&["backup", "no/such/folder/a.lbbk"]);
    assert!(complaint.contains("no backup was taken"), "{complaint}");
    assert!(Workplace::new().fail(&["backup", "a.lbbk"]).contains("there is no store"));
}

/// The server, or whoever has the store open, goes on writing.
#[test]
fn a_store_in_use_is_backed_up_and_restored_to_what_was_known() {
    let place = Workplace::new();
    let device = Device::open(&place.path("laterbase-data"), DeviceOptions::default()).unwrap();
    let record = |data: &str| {
        let mut batch = device.batch(&RootName::new("pallet").unwrap());
        batch.push(&Record::json("P1", "Packed", data)).unwrap();
        device.record(&batch).unwrap();
    };
    record(r#"{"qty":1}"#);
    let moment = laterbase_core::time::format_time(device.now_nanos());
    record(r#"{"qty":2}"#);
    assert_eq!(place.summary(&["backup", "now.lbbk"])["events"], 2);
    record(r#"{"qty":3}"#);
    let restore = ["restore", "now.lbbk", "--store"];
    assert_eq!(place.summary(&[&restore[..], &["now"]].concat())["events"], 2);
    let then = [&restore[..], &["then", "--known-at", &moment]].concat();
    assert_eq!(place.summary(&then)["events"], 1);
    for (store, state) in [("now", "{\"qty\":2}\n"), ("then", "{\"qty\":1}\n")] {
        let shown = place.run(&["show", "--root", "pallet", "P1", "--store", store]);
        assert_eq!((shown.code, shown.stdout.as_str()), (0, state), "{}", shown.stderr);
        assert_eq!(place.summary(&["verify", "--store", store])["fault_count"], 0);
    }
    device.close().unwrap();
}

/// Nothing half done is taken for whole: neither a backup nor a store has its name before it is.
#[test]
fn kills_leave_nothing_that_looks_whole() {
    let place = recorded(20_000);
    place.succeed(&["backup", "good.lbbk"]);
    let size = std::fs::read(place.path("good.lbbk")).unwrap().len();
    let mut dice = Dice::new(7);
    for _ in 0..12 {
        for (command, made, grows) in [
            (&["backup", "new.lbbk"][..], "new.lbbk", "new.lbbk.partial"),
            (
                &["restore", "good.lbbk", "--store", "again"],
                "again",
                "again.restoring/truth/data.mdb",
            ),
        ] {
            let mut command = place.command(command);
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            // Somewhere on the way, or behind it.
            let (until, grows) = (dice.below(size + size / 4) as u64, place.path(grows));
            let grown = || std::fs::metadata(&grows).map_or(0, |file| file.len());
            while child.try_wait().unwrap().is_none() && grown() < until {
                std::thread::yield_now();
            }
            child.kill().unwrap();
            child.wait().unwrap();
            if !place.path(made).exists() {
                continue;
            }
            let report = if made == "again" {
                place.summary(&["verify", "--store", made])
            } else {
                place.summary(&["verify", made])
            };
            assert_eq!((&report["events"], &report["fault_count"]), (&json!(20_000), &json!(0)));
            match made {
                "again" => std::fs::remove_dir_all(place.path(made)).unwrap(),
                _ => std::fs::remove_file(place.path(made)).unwrap(),
            }
        }
    }
    // And what they leave is in nobody's way.
    place.succeed(&["backup", "new.lbbk"]);
    place.succeed(&["restore", "new.lbbk", "--store", "again"]);
    let left: Vec<String> = names(&place.path("."));
    assert_eq!(left, ["again", "day.ndjson", "good.lbbk", "laterbase-data", "new.lbbk"]);
}

/// A backup that was named like one of the store's files took that one's place.
#[test]
fn a_backup_does_not_go_into_the_store() {
    let place = recorded(3);
    std::os::unix::fs::symlink(place.path("laterbase-data"), place.path("link")).unwrap();
    for inside in ["laterbase-data", "laterbase-data/truth/data.mdb", "link/truth/new.lbbk"] {
        let ended = place.run(&["backup", inside]);
        assert!(
            ended.code == 2 && ended.stderr.contains("outside of the store"),
            "{}",
            ended.stderr
        );
    }
    assert_eq!(place.summary(&["verify"])["events"], 3);
}
