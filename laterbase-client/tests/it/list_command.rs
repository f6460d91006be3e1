//! `laterbase list`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::command::Workplace;

/// One line of input.
fn line(root: &str, id: &str, event_type: &str, day: u32, data: &Value) -> String {
    json!({
        "root": root,
        "aggregate_id": id,
        "type": event_type,
        "occurred_at": format!("2024-05-{day:02}T10:00:00Z"),
        "data": data,
    })
    .to_string()
}

/// A yard with three shipments, one of them at a depot, and a pallet without an object's state.
fn yard() -> Workplace {
    let place = Workplace::new();
    let lines = [
        line("shipment", "ASN-8", "Arrived", 3, &json!({ "at": "Kumasi", "qty": 9 })),
        line("shipment", "ASN-7", "Arrived", 4, &json!({ "at": "Tema" })),
        line(
            "shipment",
            "ASN-7",
            "Departed",
            2,
            &json!({ "at": "Accra", "qty": 12, "leg": { "to": "Tema" } }),
        ),
        line("shipment@depot-7", "ASN-9", "Packed", 1, &json!({ "at": "Tema", "qty": 100 })),
        line("pallet", "P-1", "Counted", 5, &json!([1, 2])),
    ];
    place.succeed(&["record", &place.write("day.ndjson", &lines)]);
    place
}

#[track_caller]
fn check_ids(place: &Workplace, flags: &[&str], expected: &[&str]) {
    let list = place.succeed(&[&["list", "--csv", "--columns", "id"], flags].concat());
    let ids: Vec<&str> =
        list.lines().skip(1).map(|line| line.rsplit(',').next().unwrap()).collect();
    assert_eq!(ids, expected, "{flags:?}");
}

#[test]
fn where_everything_is_is_one_command() {
    let place = yard();
    let list = place.succeed(&["list"]);
    let expected = "\
root              id     at      leg            qty  .      last_type  last_at
pallet            P-1                                [1,2]  Counted    2024-05-05 10:00
shipment          ASN-7  Tema    {\"to\":\"Tema\"}  12          Arrived    2024-05-04 10:00
shipment          ASN-8  Kumasi                 9           Arrived    2024-05-03 10:00
shipment@depot-7  ASN-9  Tema                   100         Packed     2024-05-01 10:00
4 aggregates
";
    assert_eq!(list, expected);
    let list = place.succeed(&["list", "--root", "shipment", "--columns", "leg.to,qty"]);
    assert_eq!(list, "id     leg.to  qty\nASN-7  Tema    12\nASN-8          9\n2 aggregates\n");
}

#[test]
fn times_are_those_of_the_zone_around_unless_utc_is_asked_for() {
    let place = yard();
    for (zone, flags, expected) in [
        ("Asia/Kathmandu", &[][..], "2024-05-01 15:45"),
        ("Asia/Kathmandu", &["--utc"], "2024-05-01 10:00"),
        ("America/New_York", &[], "2024-05-01 06:00"),
    ] {
        let mut command = place.command(&["list", "--root", "shipment@*"]);
        let output = command.args(flags).env("TZ", zone).output().unwrap();
        let list = String::from_utf8(output.stdout).unwrap();
        assert!(list.contains(expected), "{zone} {flags:?}: {list}");
    }
}

#[test]
fn a_selection_is_of_roots_values_and_times() {
    let place = yard();
    check_ids(&place, &[], &["P-1", "ASN-7", "ASN-8", "ASN-9"]);
    check_ids(&place, &["--root", "shipment"], &["ASN-7", "ASN-8"]);
    check_ids(&place, &["--root", "shipment@*"], &["ASN-9"]);
    check_ids(&place, &["--root", "pallet", "--root", "shipment@depot-7"], &["P-1", "ASN-9"]);
    check_ids(&place, &["--where", "at=Tema"], &["ASN-7", "ASN-9"]);
    check_ids(&place, &["--where", "at=Tema", "--where", "qty=12.0"], &["ASN-7"]);
    check_ids(&place, &["--where", "leg.to=Tema"], &["ASN-7"]);
    check_ids(&place, &["--where", "at!=Tema"], &["P-1", "ASN-8"]);
    check_ids(&place, &["--where", "at=tema"], &[]);
    check_ids(&place, &["--since", "2024-05-04T10:00:00Z"], &["P-1", "ASN-7"]);
    check_ids(&place, &["--limit", "2"], &["P-1", "ASN-7"]);
    // As it was: the arrival in Tema had not happened yet.
    let then = ["--occurred-until", "2024-05-03T12:00:00Z"];
    check_ids(&place, &[&then[..], &["--where", "at=Accra"]].concat(), &["ASN-7"]);
    assert!(place.fail(&["list", "--root", "crate"]).contains("no events of crate"));
    assert!(place.fail(&["list", "--root", "pallet@*"]).contains("no events of pallet@*"));
    assert_eq!(place.run(&["list", "--where", "at"]).code, 2);
    assert_eq!(place.run(&["--json", "list", "--csv"]).code, 2);
}

#[test]
fn rows_are_sorted_by_what_numbers_are_worth_and_what_lacks_it_comes_last() {
    let place = yard();
    check_ids(&place, &["--sort", "qty"], &["ASN-8", "ASN-7", "ASN-9", "P-1"]);
    check_ids(&place, &["--sort", "-qty"], &["ASN-9", "ASN-7", "ASN-8", "P-1"]);
    check_ids(&place, &["--sort", "-last_at", "--limit", "3"], &["P-1", "ASN-7", "ASN-8"]);
    check_ids(&place, &["--sort=at"], &["ASN-8", "ASN-7", "ASN-9", "P-1"]);
}

/// What was taken back is neither in the state nor the last thing that happened.
#[test]
fn an_event_that_was_taken_back_is_not_the_last_one() {
    let place = yard();
    let log = place.succeed(&["log", "--root", "shipment", "--aggregate", "ASN-7", "--reverse"]);
    let arrived: Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    let void = json!({
        "root": "shipment",
        "aggregate_id": "ASN-7",
        "type": "Voided",
        "occurred_at": "2024-05-01T10:00:00Z",
        "data": {},
        "voids": [arrived["id"]],
    });
    place.succeed(&["record", &place.write("void.ndjson", &[void.to_string()])]);
    let list = place.succeed(&["list", "--root", "shipment", "--columns", "at,last_type,last_at"]);
    assert!(list.contains("ASN-7  Accra   Departed   2024-05-02 10:00\n"), "{list}");
    let drawn = place.succeed(&["timeline", "--root", "shipment", "ASN-7"]);
    assert!(drawn.contains("\nx2024-05-04 10:00  Arrived "), "{drawn}");
    assert!(drawn.contains("3 events, 2 late (!), 1 taken back (x)"), "{drawn}");
    let rows = place.succeed(&["timeline", "--root", "shipment", "ASN-7", "--json"]);
    let last: Value = serde_json::from_str(rows.lines().last().unwrap()).unwrap();
    assert_eq!(last["voided_by"].as_array().unwrap().len(), 1, "{last}");
}

#[test]
fn a_program_reads_whole_states_one_a_line() {
    let place = yard();
    let list = place.succeed(&["list", "--json"]);
    let rows: Vec<Value> = list.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 4);
    let expected = json!({
        "root": "shipment",
        "id": "ASN-7",
        "state": { "at": "Tema", "leg": { "to": "Tema" }, "qty": 12 },
        "event_count": 2,
        "last_type": "Arrived",
        "last_at": "2024-05-04T10:00:00Z",
    });
    assert_eq!(rows[1], expected);
    assert_eq!(rows[0]["state"], json!([1, 2]));
}

#[test]
fn values_with_commas_quotes_and_line_breaks_come_whole_out_of_csv() {
    let place = Workplace::new();
    let odd = "a,\"b\"\r\n=1+1";
    let lines = [line(
        "pallet",
        odd,
        "t",
        1,
        &json!({ "id": odd, "n": 12345678901234567890_u64, "é": [] }),
    )];
    place.succeed(&["record", &place.write("day.ndjson", &lines)]);
    let list = place.succeed(&["list", "--csv", "--root", "pallet"]);
    let mut reader = csv::Reader::from_reader(list.as_bytes());
    assert_eq!(reader.headers().unwrap(), ["id", ".id", "n", "é", "last_type", "last_at"][..]);
    let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(records.len(), 1);
    let whole = [odd, odd, "12345678901234567890", "[]", "t", "2024-05-01T10:00:00Z"];
    assert_eq!(records[0], whole[..]);
    // The names of the columns choose them.
    let chosen = place.succeed(&["list", "--csv", "--columns", "id,.id,n,é,last_type,last_at"]);
    assert_eq!(chosen.split_once('\n').unwrap().0, "root,id,.id,n,é,last_type,last_at");
}

#[test]
fn nothing_in_a_table_steers_the_terminal_and_nothing_is_wider_than_it() {
    let place = Workplace::new();
    let long = "🚚".repeat(62) + "\x1b[2J0";
    let members: BTreeMap<String, String> = (0..30)
        .map(|n| (format!("member-{n:02}"), format!("value {n} \u{202e}\x1b[31m")))
        .collect();
    let lines: Vec<String> = [long.as_str(), "ASN-7"]
        .map(|id| line("shipment", id, "Departed\x07", 1, &json!(members)))
        .to_vec();
    place.succeed(&["record", &place.write("day.ndjson", &lines)]);
    for columns in [1, 20, 40, 80, 133] {
        let mut command = place.command(&["list"]);
        let output = command.env("COLUMNS", columns.to_string()).output().unwrap();
        let list = String::from_utf8(output.stdout).unwrap();
        assert!(!list.contains(['\x1b', '\x07', '\u{202e}']), "{list:?}");
        let rows: Vec<&str> = list.lines().take(3).collect();
        for row in rows.iter().filter(|_| columns >= 40) {
            assert!(unicode_width::UnicodeWidthStr::width(*row) <= columns, "{columns}: {row}");
        }
        assert!(list.contains("2 aggregates\nno room for "), "{list}");
    }
    let whole = place.succeed(&["list"]);
    assert!(whole.contains("value 29") && whole.contains(&"🚚".repeat(62)), "{whole}");
}

#[test]
fn states_that_cannot_be_read_are_told_of_and_the_others_are_listed() {
    let place = yard();
    let lines = [r#"{"root":"pallet","aggregate_id":"P-2","type":"t","data_base64":"AAEC"}"#];
    place.succeed(&["record", &place.write("more.ndjson", &lines.map(str::to_owned))]);
    let list = place.succeed(&["list", "--root", "pallet", "--fold", "latest", "--columns", "."]);
    assert_eq!(list, "id   .\nP-1  [1,2]\nP-2  null\n2 aggregates\n");
    let list = place.succeed(&["list", "--root", "pallet", "--columns", "."]);
    assert_eq!(list, "id   .\nP-1  [1,2]\nP-2  {}\n2 aggregates\n");
}

#[test]
fn a_list_of_many_pages_holds_everything_once() {
    let place = Workplace::new();
    let lines: Vec<String> = (0..2_500)
        .map(|n| line("pallet", &format!("P{n:04}"), "Counted", 1, &json!({ "n": 2_499 - n })))
        .collect();
    place.succeed(&["record", &place.write("day.ndjson", &lines)]);
    let ids: Vec<String> = (0..2_500).map(|n| format!("P{n:04}")).collect();
    let mut ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    check_ids(&place, &[], &ids);
    assert!(place.succeed(&["list"]).ends_with("2500 aggregates\n"));
    ids.reverse();
    check_ids(&place, &["--sort", "n"], &ids);
    check_ids(&place, &["--sort", "n", "--limit", "1001"], &ids[..1_001]);
}

#[test]
fn an_empty_store_and_an_empty_selection_are_no_failure() {
    let place = yard();
    assert_eq!(place.succeed(&["list", "--where", "at=Lomé"]), "no aggregates\n");
    assert_eq!(place.succeed(&["list", "--where", "at=Lomé", "--csv"]), "");
    assert_eq!(place.succeed(&["list", "--where", "at=Lomé", "--json"]), "");
    assert!(place.fail(&["--store", "elsewhere", "list"]).contains("there is no store"));
}

#[test]
fn a_list_of_a_store_in_use_is_of_what_is_there() {
    let place = yard();
    let before = place.succeed(&["list"]);
    let options = laterbase_client::device::DeviceOptions::default();
    let path = place.path("laterbase-data");
    let device = laterbase_client::device::Device::open(&path, options).unwrap();
    assert_eq!(place.succeed(&["list"]), before);
    device.close().unwrap();
}

/// What was taken back kept its aggregate in the list, with the time of an earlier event beside it.
#[test]
fn since_goes_by_the_last_event_that_counts() {
    let place = Workplace::new();
    let add = |id: &str, day: &str| {
        let at = format!("2024-03-{day}");
        let id = place.succeed(&["add", "--root=r", id, "Arrived", "--at", &at]);
        id.trim().to_owned()
    };
    let wrong = [add("A", "01"), add("A", "04")];
    add("B", "04");
    let listed = |since: &str| {
        let csv = place.succeed(&["list", "--root=r", "--csv", "--columns=id", "--since", since]);
        csv.lines().skip(1).map(str::to_owned).collect::<Vec<String>>()
    };
    assert_eq!(listed("2024-03-03"), ["A", "B"]);
    // What takes events back happens when the first of them did.
    place.succeed(&["void", &wrong[0], &wrong[1]]);
    assert_eq!(listed("2024-03-03"), ["B"]);
    assert_eq!(listed("2024-03-01"), ["A", "B"]);
}
