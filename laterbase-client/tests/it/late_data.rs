//! Histories that arrive late read as if they had come in the order in which they happened.

use std::collections::BTreeMap;

use laterbase_core::id::RootName;
use laterbase_core::json::JsonEvent;
use laterbase_core::reader::Query;

use crate::archive::{Archive, JournalFold};
use crate::dice::Dice;
use crate::sample;

/// States by root and aggregate id.
type States = BTreeMap<(RootName, String), Vec<u8>>;

fn identify(line: &str) -> (RootName, String, i64) {
    let event = JsonEvent::parse(line.as_bytes()).unwrap();
    let record = event.record();
    let root = RootName::new(event.root().unwrap()).unwrap();
    (root, record.aggregate_id.to_owned(), record.occurred.unwrap())
}

/// Folds lines as they stand, without any store.
fn fold_lines(lines: &[String]) -> States {
    let mut journals: BTreeMap<(RootName, String), JournalFold> = BTreeMap::new();
    for line in lines {
        let (root, id, occurred) = identify(line);
        let event = JsonEvent::parse(line.as_bytes()).unwrap();
        journals.entry((root, id)).or_default().add(occurred, &event.record());
    }
    journals.into_iter().map(|(name, journal)| (name, journal.to_json())).collect()
}

/// How many lines come behind one of the same aggregate that happened later.
fn late_count(lines: &[String]) -> usize {
    let mut latest: BTreeMap<(RootName, String), i64> = BTreeMap::new();
    let mut count = 0;
    for line in lines {
        let (root, id, occurred) = identify(line);
        let latest = latest.entry((root, id)).or_insert(occurred);
        count += usize::from(occurred < *latest);
        *latest = occurred.max(*latest);
    }
    count
}

/// Loads a file as it came, with reads and flushes in between, and in fold order: all aggregates
/// are the same. What was read half-way can be read again at the end, by its time.
#[track_caller]
fn check_arrival_order(lines: &[String]) {
    let mut sorted = lines.to_vec();
    sorted.sort_by_key(|line| identify(line).2);
    let expected = fold_lines(&sorted);
    assert!(late_count(lines) > 0 && fold_lines(lines) != expected, "the order matters");

    let mut dice = Dice::new(lines.len() as u64);
    let mut arriving = Archive::open(1);
    arriving.load(&lines[..lines.len() / 2], &mut dice);
    let (half, half_time) = (arriving.states(&Query::default()), arriving.now());
    arriving.load(&lines[lines.len() / 2..], &mut dice);
    let mut in_order = Archive::open(2);
    in_order.load(&sorted, &mut dice);

    assert!(arriving.resumed_count() > 0, "reads went on from snapshots");
    assert_same(&arriving.states(&Query::default()), &expected);
    assert_same(&in_order.states(&Query::default()), &expected);
    let known_at = Query { known_at: Some(half_time), ..Query::default() };
    assert_same(&arriving.states(&known_at), &half);
}

/// Three writers share a file out among them; two replicas hear them in different orders and in
/// pages of different sizes.
#[track_caller]
fn check_replicas(lines: &[String]) {
    let mut dice = Dice::new(lines.len() as u64);
    let mut shares: [Vec<String>; 3] = Default::default();
    for line in lines {
        shares[dice.below(3)].push(line.clone());
    }
    let mut writers = [Archive::open(1), Archive::open(2), Archive::open(3)];
    for (writer, share) in writers.iter_mut().zip(&shares) {
        writer.append(share);
    }
    let [first, second, third] = &writers;
    let (mut one, mut other) = (Archive::open(4), Archive::open(5));
    while one.hear(&[first, second, third], 700, &mut dice) > 0 {}
    other.hear(&[third, first], 150, &mut dice);
    assert_ne!(one.etags(), other.etags(), "one of them lacks events");
    while other.hear(&[third, second, first], 150, &mut dice) > 0 {}

    assert!(one.resumed_count() > 0 && other.resumed_count() > 0, "reads went on from snapshots");
    let (left, right) = (one.etags(), other.etags());
    assert_eq!(left.len(), fold_lines(lines).len());
    assert!(left == right, "the etags differ");
    assert_same(&one.states(&Query::default()), &other.states(&Query::default()));
}

#[track_caller]
fn assert_same(left: &States, right: &States) {
    assert_eq!(left.len(), right.len());
    let different = left.iter().filter(|(name, state)| right.get(name) != Some(state));
    let names: Vec<&(RootName, String)> = different.map(|(name, _)| name).collect();
    assert!(names.is_empty(), "{} aggregates differ, {:?} first", names.len(), names[0]);
}

#[test]
fn made_up_histories_read_the_same_in_whatever_order_they_came() {
    let lines = sample::lines(11, 2_500);
    check_arrival_order(&lines);
    check_replicas(&lines);
}

#[test]
fn real_shipments_read_the_same_in_whatever_order_they_came() {
    let Some(lines) = sample::real_lines("scms.jsonl.zst") else { return };
    check_arrival_order(&lines);
    check_replicas(&lines);
}

#[test]
fn simulated_containers_read_the_same_in_whatever_order_they_came() {
    let Some(lines) = sample::real_lines("container_logistics.late_sim.jsonl.zst") else { return };
    check_arrival_order(&lines);
    check_replicas(&lines);
}
