//! A root or an aggregate that is not there: the complaint names the nearest that is.

use crate::command::Workplace;

fn yard() -> Workplace {
    let place = Workplace::new();
    let line = |root: &str, id: &str| {
        format!(r#"{{"root":"{root}","aggregate_id":"{id}","type":"Packed","data":{{}}}}"#)
    };
    let ids = ["ASN-2024-0017", "UA1545/2013-01-01/EWR", "\\u001b[2J-17-17-17"];
    let lines: Vec<String> = ids.iter().map(|id| line("shipment", id)).collect();
    let others = [line("pallet", "P"), line("shipment@depot-7", "Q")];
    place.succeed(&["record", &place.write("day.ndjson", &[&lines[..], &others].concat())]);
    place
}

#[track_caller]
fn check(arguments: &[&str], meant: Option<&str>) {
    let place = yard();
    let complaint = place.fail(arguments);
    let question = complaint.trim_end().split_once("; did you mean ");
    assert_eq!(question.map(|(_, name)| name.trim_end_matches('?')), meant, "{complaint}");
    assert!(!complaint.contains('\x1b'), "{complaint:?}");
}

#[test]
fn the_nearest_root_is_named() {
    for command in [&["log"][..], &["list"]] {
        check(&[command, &["--root", "shipmnet"]].concat(), Some("shipment"));
        check(&[command, &["--root", "Shipment"]].concat(), Some("shipment"));
        check(&[command, &["--root", "shipment@depot-8"]].concat(), Some("shipment@depot-7"));
        check(&[command, &["--root", "vessel"]].concat(), None);
    }
    check(&["show", "--root", "palet", "P"], Some("pallet"));
    check(&["timeline", "--root", "palet", "P"], Some("pallet"));
}

#[test]
fn the_nearest_aggregate_is_named() {
    for (id, meant) in [
        ("ASN-2024-017", Some("ASN-2024-0017")),
        ("asn-2024-0017", Some("ASN-2024-0017")),
        ("UA1545/2013-01-01/EWT", Some("UA1545/2013-01-01/EWR")),
        ("[2J-17-17-17", Some("\\u{1b}[2J-17-17-17")),
        ("crate", None),
    ] {
        check(&["show", "--root", "shipment", id], meant);
        check(&["timeline", "--root", "shipment", id], meant);
        check(&["log", "--root", "shipment", "--aggregate", id], meant);
    }
    let long = "ASN-2024-0017".repeat(15);
    check(&["show", "--root", "shipment", &long], None);
}

/// It is there, so there is nothing else to be meant.
#[test]
fn an_aggregate_without_events_within_the_times_is_not_taken_for_another() {
    let times = ["--occurred-until", "1999-01-01T00:00:00Z"];
    check(&[&["show", "--root", "shipment", "ASN-2024-0017"][..], &times].concat(), None);
}
