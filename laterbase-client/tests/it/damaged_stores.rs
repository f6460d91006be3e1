//! `laterbase verify --repair` and `laterbase export --salvage` on stores with damaged files.

use std::fs;

use serde_json::{Value, json};

use crate::command::Workplace;
use crate::sample;

const MARKER: &str = "there is no other text like this";

/// A store of 200 events, with the marker in the data of one in the middle.
fn recorded() -> Workplace {
    let place = Workplace::new();
    let mut lines = sample::lines(6, 199);
    let marked = format!(
        r#"{{"root":"order","aggregate_id":"O","type":"Noted","data":{{"note":"{MARKER}"}}}}"#
    );
    lines.insert(100, marked);
    for (index, part) in lines.chunks(20).enumerate() {
        let file = place.write(&format!("{index}.ndjson"), part);
        place.succeed(&["record", &file]);
    }
    place
}

/// Changes every copy of the marker in a file.
fn damage(place: &Workplace, file: &str) {
    let path = place.path(file);
    let mut bytes = fs::read(&path).unwrap();
    let windows = bytes.windows(MARKER.len()).enumerate();
    let found: Vec<usize> =
        windows.filter(|(_, window)| *window == MARKER.as_bytes()).map(|(at, _)| at).collect();
    assert!(!found.is_empty());
    for at in found {
        bytes[at] = b'T';
    }
    fs::write(&path, bytes).unwrap();
}

fn summary(place: &Workplace, arguments: &[&str]) -> (i32, Value) {
    let ended = place.run(&[arguments, &["--json"]].concat());
    (ended.code, serde_json::from_str(&ended.stdout).unwrap())
}

#[test]
fn derived_tables_are_repaired_whatever_has_become_of_their_file() {
    let place = recorded();
    let shown = place.succeed(&["show", "--root", "order", "O"]);
    let path = place.path("laterbase-data/derived/data.mdb");
    let whole = fs::read(&path).unwrap();
    let mut spoilt = whole.clone();
    spoilt.iter_mut().skip(8192).step_by(97).for_each(|byte| *byte ^= 0x41);
    for bytes in [&whole[..whole.len() / 2], b"nonsense", &spoilt] {
        fs::write(&path, bytes).unwrap();
        let (code, report) = summary(&place, &["verify"]);
        assert_eq!((code, &report["repaired"]), (1, &json!(false)));
        let fault = report["faults"][0].as_str().unwrap();
        assert!(fault.starts_with("derived tables: derived/data.mdb:"), "{fault}");
        let (code, report) = summary(&place, &["verify", "--repair"]);
        assert_eq!((code, &report["repaired"]), (0, &json!(true)), "{report}");
        assert_eq!((&report["events"], &report["fault_count"]), (&json!(200), &json!(0)));
        assert_eq!(place.succeed(&["show", "--root", "order", "O"]), shown);
    }
}

#[test]
fn what_the_log_has_lost_is_not_repaired_but_the_rest_is_salvaged() {
    let place = recorded();
    damage(&place, "laterbase-data/truth/data.mdb");
    let (code, report) = summary(&place, &["verify", "--repair"]);
    assert_eq!((code, &report["repaired"]), (1, &json!(false)));
    let fault = report["faults"][0].as_str().unwrap();
    let position = fault.strip_prefix("log: position ").and_then(|rest| rest.split_once(':'));
    // The batch of the marked line is stored root by root, so the line is somewhere in it.
    let position = position.and_then(|(position, _)| position.parse::<u64>().ok());
    assert!(position.is_some_and(|position| (101..=120).contains(&position)), "{report}");
    let (code, summary) = summary(&place, &["export", "--salvage", "rest.lbd"]);
    assert_eq!((code, &summary["unreadable"]), (1, &json!(1)));
    let left: Vec<&Value> = summary["left_out"].as_array().unwrap().iter().collect();
    let [left] = left[..] else { panic!("{summary}") };
    assert_eq!(left["root"], "order");
    let (first, last) = (left["first_seq"].as_u64().unwrap(), left["last_seq"].as_u64().unwrap());
    assert!(first > 1 && last > first, "{left}");
    assert_eq!(summary["exported"], 200 - (last - first + 1));
    place.succeed(&["import", "rest.lbd", "--store", "other"]);
    let status = place.summary(&["status", "--store", "other"]);
    assert_eq!(status["roots"]["order"]["events"], first - 1);
    assert_eq!(place.summary(&["verify", "--store", "other"])["fault_count"], 0);
}

#[test]
fn a_store_with_a_spoilt_page_is_salvaged_page_by_page() {
    let place = recorded();
    let path = place.path("laterbase-data/truth/data.mdb");
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(MARKER.len()).position(|window| window == MARKER.as_bytes()).unwrap();
    let page = at / 4_096 * 4_096;
    bytes[page..page + 4_096].fill(0xa5);
    fs::write(&path, bytes).unwrap();
    let ended = place.run(&["export", "--salvage", "rest.lbd", "--json"]);
    assert!(ended.stderr.contains("looking for events page by page"), "{}", ended.stderr);
    let summary: Value = serde_json::from_str(&ended.stdout).unwrap();
    let exported = summary["exported"].as_u64().unwrap();
    assert!(ended.code == 1 && (50..200).contains(&exported), "{} {summary}", ended.code);
    let imported = place.summary(&["import", "rest.lbd", "--store", "other"]);
    assert_eq!(imported["imported"], exported);
    assert_eq!(place.summary(&["verify", "--store", "other"])["fault_count"], 0);
}

#[test]
fn a_sound_store_is_salvaged_whole_and_as_it_is_exported() {
    let place = recorded();
    let salvaged = place.summary(&["export", "--salvage", "salvaged.lbd"]);
    assert_eq!((&salvaged["exported"], &salvaged["left_out"]), (&json!(200), &json!([])));
    place.succeed(&["import", "salvaged.lbd", "--store", "other"]);
    let digests = |store: &str| {
        let status = place.summary(&["status", "--store", store]);
        let roots = status["roots"].as_object().unwrap().clone();
        roots.into_iter().map(|(name, root)| (name, root["digest"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(digests("other"), digests("laterbase-data"));
    let orders = ["export", "--salvage", "--root", "order", "order.lbd"];
    assert!(place.summary(&orders)["exported"].as_u64() < Some(200));
}
