#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::results::{Cell, Unit};
use crate::samples::Samples;

#[test]
fn parts_are_replaced_and_the_rest_is_left_alone() {
    let text = "a\n<!-- begin x 1 -->\nold\n<!-- end x 1 -->\nb <!-- begin y --><!-- end y --> c";
    let replaced = replace_parts(text, |name| Ok(format!("new {name}\n"))).unwrap();
    let expected = "a\n<!-- begin x 1 -->\n\nnew x 1\n\n<!-- end x 1 -->\n\
                    b <!-- begin y -->\n\nnew y\n\n<!-- end y --> c";
    assert_eq!(replaced, expected);
    assert_eq!(replace_parts(&replaced, |name| Ok(format!("new {name}"))).unwrap(), expected);
}

#[test]
fn a_part_without_an_end_or_a_meaning_is_an_error() {
    assert!(replace_parts("<!-- begin x -->", |_| Ok(String::new())).is_err());
    assert!(part_of(&Results::default(), "weather", &mut |_, _| Ok(String::new())).is_err());
}

#[test]
fn figures_have_three_digits_and_a_unit() {
    let shown = [0, 7, 999, 1_000, 12_345, 999_999, 1_500_000_000]
        .map(|value| figures::with_unit(value, Unit::Nanoseconds));
    assert_eq!(shown, ["0 ns", "7 ns", "999 ns", "1.00 µs", "12.3 µs", "1.00 ms", "1.50 s"]);
    assert_eq!(figures::count(1_234_567), "1,234,567");
    assert_eq!(figures::ratio(Some(0.756)), "76 %");
    assert_eq!(figures::ratio(None), "");
    assert_eq!([1.0, 1e4, 1e6].map(figures::tick), ["1", "10 k", "1 M"]);
}

fn sample() -> Results {
    let mut results = Results::default();
    for (subject, nanos, floor) in [("raw", 1_000, None), ("replica", 2_000, Some("raw"))] {
        for size in [10, 100] {
            let mut samples = Samples::default();
            samples.push(nanos);
            let (name, engine) = ("append".to_owned(), "lmdb".to_owned());
            let subject = subject.to_owned();
            let cell = Cell { name, engine, subject, volume: 10, size, writers: 1 };
            results.add(cell, Unit::Nanoseconds, &samples, size, floor);
        }
    }
    results.set_ratios();
    results
}

#[test]
fn a_step_of_replication_is_a_row_for_each_who_took_it() {
    let mut results = Results::default();
    for (subject, unit, value) in
        [("time", Unit::Nanoseconds, 2_000_000), ("round trips", Unit::Times, 3)]
    {
        let mut samples = Samples::default();
        samples.push(value);
        let name = "replication made first push".to_owned();
        let (engine, subject) = ("us".to_owned(), subject.to_owned());
        let cell = Cell { name, engine, subject, volume: 10, size: 0, writers: 0 };
        results.add(cell, unit, &samples, 10, None);
    }
    let table = tables::replication(&results, "made");
    assert!(table.ends_with("| first push | 10 | us | 2.00 ms | 3 |  |  |\n"), "{table}");
    assert_eq!(tables::replication(&results, "flights"), "Not measured.");
}

#[test]
fn a_document_gets_its_tables_and_plots() {
    let folder = tempfile::tempdir().unwrap();
    let document = folder.path().join("benchmarks.md");
    let parts = ["append 10", "plot append 10", "table append 10", "append 99", "peers"];
    let marks = parts.map(|part| format!("<!-- begin {part} -->\n<!-- end {part} -->\n"));
    fs::write(&document, marks.concat()).unwrap();
    write(&sample(), &document).unwrap();
    let text = fs::read_to_string(&document).unwrap();
    assert!(text.contains("| lmdb | 100 |  | 100 M |  |  | 50.0 M | 50 % |"), "{text}");
    assert!(text.contains("(plots/append-10.svg)"), "{text}");
    assert_eq!(text.matches("Not measured.").count(), 2, "{text}");
    let plot = fs::read_to_string(folder.path().join("plots/append-10.svg")).unwrap();
    assert_eq!(plot.matches("<circle").count(), 4, "{plot}");
    assert!(plot.contains(">lmdb replica</text>"), "{plot}");
}
