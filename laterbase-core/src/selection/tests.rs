#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

#[track_caller]
fn check_takes(selection: &str, taken: &[&str], left: &[&str]) {
    let selection: RootSelection = selection.parse().unwrap();
    for root in taken {
        assert!(selection.takes(&RootName::new(root).unwrap()), "{selection} takes {root}");
    }
    for root in left {
        assert!(!selection.takes(&RootName::new(root).unwrap()), "{selection} leaves {root}");
    }
}

#[test]
fn the_empty_text_takes_every_root() {
    check_takes("", &["shipment", "shipment@depot-7", "x"], &[]);
    assert_eq!("".parse(), Ok(RootSelection::all()));
}

#[test]
fn a_name_takes_that_root_and_none_of_its_partitions() {
    check_takes("shipment", &["shipment"], &["shipment@depot-7", "shipments", "order"]);
}

#[test]
fn a_partition_is_taken_alone() {
    check_takes("shipment@depot-7", &["shipment@depot-7"], &["shipment", "shipment@depot-70"]);
}

#[test]
fn a_star_takes_every_partition_and_not_the_root_without_one() {
    check_takes("shipment@*", &["shipment@depot-7", "shipment@1"], &["shipment", "ship@depot-7"]);
}

#[test]
fn entries_add_up() {
    check_takes("order,shipment@*", &["order", "shipment@a"], &["order@a", "shipment"]);
}

#[test]
fn equal_selections_have_equal_texts() {
    let one: RootSelection = "b,a@*,a@x,b,a".parse().unwrap();
    let other: RootSelection = "a,a@*,b".parse().unwrap();
    assert_eq!(one, other);
    assert_eq!(one.to_string(), "a,a@*,b");
    assert_eq!(one.to_string().parse(), Ok(one));
}

#[test]
fn a_bad_entry_is_named() {
    for bad in ["", " a", "*", "@*", "a@b@*", "a@", "*@a", "a@*x", "é"] {
        let error = format!("ok,{bad}").parse::<RootSelection>().unwrap_err();
        assert_eq!(error, SelectionError::Entry { entry: bad.to_owned() });
    }
}

#[test]
fn a_selection_is_bounded() {
    let names: Vec<String> = (0..=SELECTION_ENTRIES_MAX).map(|n| format!("r{n}")).collect();
    assert!(names[1..].join(",").parse::<RootSelection>().is_ok());
    assert_eq!(names.join(",").parse::<RootSelection>(), Err(SelectionError::TooMany));
}
