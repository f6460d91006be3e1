#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

fn cell(subject: &str, size: u64) -> Cell {
    let (name, engine) = ("append".to_owned(), "lmdb".to_owned());
    Cell { name, engine, subject: subject.to_owned(), volume: 10, size, writers: 0 }
}

fn add(results: &mut Results, cell: Cell, nanos: &[u64], floor: Option<&str>) {
    let mut samples = Samples::default();
    nanos.iter().for_each(|value| samples.push(*value));
    results.add(cell, Unit::Nanoseconds, &samples, 100 * nanos.len() as u64, floor);
}

#[test]
fn a_ratio_is_to_the_floor_of_the_same_cell() {
    let mut results = Results::default();
    add(&mut results, cell("raw", 1), &[1, 1, 1], None);
    add(&mut results, cell("raw", 100), &[50, 50, 50], None);
    add(&mut results, cell("replica", 100), &[100, 100, 300], Some("raw"));
    add(&mut results, cell("replica", 1_000), &[100], Some("raw"));
    results.set_ratios();
    let found = results.find(&cell("replica", 100)).unwrap();
    assert_eq!((found.ratio, found.ratio_of_totals), (Some(0.5), Some(0.3)));
    assert_eq!(results.find(&cell("raw", 1)).unwrap().ratio, None);
    assert_eq!(results.find(&cell("replica", 1_000)).unwrap().ratio, None, "it has no floor");
}

#[test]
fn merged_figures_take_the_place_of_older_ones() {
    let (mut old, mut new) = (Results::default(), Results::default());
    add(&mut old, cell("raw", 1), &[1], None);
    add(&mut old, cell("raw", 2), &[2], None);
    add(&mut new, cell("raw", 1), &[3], None);
    old.merge(new);
    assert_eq!(old.measurements.len(), 2);
    assert_eq!(old.find(&cell("raw", 1)).unwrap().total, 3);
}

#[test]
fn a_result_file_reads_back_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/results.json");
    let mut results = Results::default();
    add(&mut results, cell("raw", 1), &[1, 2, 3], None);
    results.write(&path).unwrap();
    assert_eq!(Results::read(&path).unwrap().measurements, results.measurements);
}
