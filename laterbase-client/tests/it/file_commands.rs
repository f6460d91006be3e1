//! `laterbase export`, `import` and `verify`.

use serde_json::{Value, json};

use crate::command::Workplace;
use crate::sample;

fn recorded(lines: &[String]) -> Workplace {
    let place = Workplace::new();
    place.succeed(&["record", &place.write("day.ndjson", lines)]);
    place
}

/// Per root: events and digest.
fn digests(place: &Workplace, store: &str) -> Vec<(String, Value, Value)> {
    let status = place.summary(&["status", "--store", store]);
    let roots = status["roots"].as_object().unwrap();
    let digest = |(name, root): (&String, &Value)| {
        (name.clone(), root["events"].clone(), root["digest"].clone())
    };
    roots.iter().map(digest).collect()
}

#[track_caller]
fn check_round_trip(lines: &[String]) {
    let place = recorded(lines);
    let count = lines.len() as u64;
    let summary = place.summary(&["export", "stick.lbd"]);
    assert_eq!(summary["exported"], count);
    let bytes = std::fs::metadata(place.path("stick.lbd")).unwrap().len();
    assert_eq!(summary["bytes"], bytes);
    let import = ["import", "stick.lbd", "--store", "other"];
    let first = place.summary(&import);
    assert_eq!((&first["imported"], &first["known"]), (&json!(count), &json!(0)));
    assert_eq!(digests(&place, "other"), digests(&place, "laterbase-data"));
    let second = place.summary(&import);
    assert_eq!((&second["imported"], &second["known"]), (&json!(0), &json!(count)));
    assert_eq!(digests(&place, "other"), digests(&place, "laterbase-data"));
    for store in ["laterbase-data", "other"] {
        let report = place.summary(&["verify", "--store", store]);
        assert_eq!((&report["events"], &report["faults"]), (&json!(count), &json!([])));
    }
}

#[test]
fn a_delta_file_carries_a_store_into_another() {
    check_round_trip(&sample::lines(1, 2_000));
}

#[test]
fn a_delta_file_carries_real_logs() {
    for name in ["container_logistics.jsonl.zst", "epcis_gs1.jsonl.zst"] {
        if let Some(lines) = sample::real_lines(name) {
            check_round_trip(&lines);
        }
    }
}

#[test]
fn stores_that_were_apart_meet_by_files() {
    let (first, second) = (recorded(&sample::lines(1, 300)), recorded(&sample::lines(2, 400)));
    first.succeed(&["export", "out.lbd"]);
    second.succeed(&["export", "out.lbd"]);
    first.succeed(&["import", second.path("out.lbd").to_str().unwrap()]);
    second.succeed(&["import", first.path("out.lbd").to_str().unwrap()]);
    assert_eq!(digests(&first, "laterbase-data"), digests(&second, "laterbase-data"));
    assert_eq!(first.event_count(), 700);
}

#[test]
fn named_roots_are_exported_alone() {
    let place = recorded(&sample::lines(3, 500));
    place.succeed(&["export", "--root", "order", "--root", "shipment", "two.lbd"]);
    place.succeed(&["import", "two.lbd", "--store", "other"]);
    let mut expected = digests(&place, "laterbase-data");
    expected.retain(|(name, ..)| name != "container@depot-7");
    assert_eq!(digests(&place, "other"), expected);
    assert!(place.fail(&["export", "--root", "truck", "none.lbd"]).contains("no events of truck"));
    assert!(!place.path("none.lbd").exists() && !place.path("none.lbd.partial").exists());
}

#[test]
fn a_file_that_is_cut_short_or_no_delta_file_is_named() {
    let place = recorded(&sample::lines(4, 500));
    place.succeed(&["export", "whole.lbd"]);
    let bytes = std::fs::read(place.path("whole.lbd")).unwrap();
    std::fs::write(place.path("cut.lbd"), &bytes[..bytes.len() - 20]).unwrap();
    let complaint = place.fail(&["import", "cut.lbd", "--store", "other"]);
    assert!(complaint.contains("cut.lbd: 500 new events were stored"), "{complaint}");
    assert!(complaint.contains("cut short"), "{complaint}");
    let summary = place.summary(&["import", "whole.lbd", "--store", "other"]);
    assert_eq!((&summary["imported"], &summary["known"]), (&json!(0), &json!(500)));
    let file = place.write("text.lbd", &["hello, there".to_owned()]);
    assert!(place.fail(&["import", &file]).contains("not a Laterbase delta file"));
    assert!(place.fail(&["import", "nowhere.lbd"]).contains("cannot open nowhere.lbd"));
}

#[test]
fn an_export_that_cannot_be_written_leaves_nothing_behind() {
    let place = recorded(&sample::lines(5, 10));
    let complaint = place.fail(&["export", "nowhere/out.lbd"]);
    assert!(complaint.contains("cannot write"), "{complaint}");
}

#[test]
fn verify_finds_a_changed_record_on_disk() {
    let marker = "there is no other text like this";
    let mut lines = sample::lines(6, 50);
    lines
        .push(format!(r#"{{"root":"order","aggregate_id":"O","type":"Noted","data":"{marker}"}}"#));
    let place = recorded(&lines);
    let path = place.path("laterbase-data/truth/data.mdb");
    let mut bytes = std::fs::read(&path).unwrap();
    let found: Vec<usize> = bytes
        .windows(marker.len())
        .enumerate()
        .filter(|(_, window)| *window == marker.as_bytes())
        .map(|(index, _)| index)
        .collect();
    assert!(!found.is_empty());
    for index in found {
        bytes[index] = b'T';
    }
    std::fs::write(&path, bytes).unwrap();
    let ended = place.run(&["verify", "--json"]);
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(ended.code, 1);
    assert!(report["fault_count"].as_u64() > Some(0), "{report}");
    assert!(place.run(&["verify"]).stdout.contains(report["faults"][0].as_str().unwrap()));
}
