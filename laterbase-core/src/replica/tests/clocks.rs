//! Wall clocks that are wrong for a while, and are corrected.

use super::*;
use crate::hlc::HlcError;
use crate::verify::verify;

/// The wall clock of one scan was 73 years ahead. Everything that the store recorded after its
/// correction claimed the same moment in 2099: it won every merge, was missing from reads of the
/// past, and `future` was 0.
#[test]
fn what_does_not_say_when_it_happened_happens_at_the_wall_clock_of_the_write() {
    let mut replica = fresh(1);
    let ahead = NOW + 73 * YEAR;
    for (id, now) in [("wrong", ahead), ("right", NOW), ("later", NOW + HOUR)] {
        write(&mut replica, id, "{}", now);
    }
    let mut seen = Vec::new();
    let visit = &mut |_: &RootName, event: &crate::event::Event<'_>| {
        let Record { occurred, is_occurred_defaulted, .. } = event.record;
        seen.push((occurred, is_occurred_defaulted));
        ControlFlow::Continue(())
    };
    replica.reader().arrivals(0, 10, visit).unwrap();
    assert_eq!(seen, [ahead, NOW, NOW + HOUR].map(|time| (Some(time), true)));
    let query = Query { occurred_until: Some(NOW), ..Query::default() };
    let reader = replica.reader();
    assert!(reader.aggregate(&root(), "right", &query).unwrap().is_some());
    assert!(reader.aggregate(&root(), "wrong", &query).unwrap().is_none());
    let events = feed(&replica);
    assert!(events.is_sorted_by(|a, b| a.1 < b.1), "stamps go on from where they were");
    let status = reader.status().unwrap();
    assert_eq!(status.counters.future, 2, "two are stamped in a future");
    let years = status.clock_ahead_seconds(NOW) / (365 * 24 * 3_600);
    assert_eq!((years, status.clock_ahead_seconds(ahead)), (73, 0));
}

#[test]
fn a_future_is_counted_on_any_axis_once() {
    let (mut ahead, mut right) = (fresh(1), fresh(2));
    let past = Record { occurred: Some(NOW - HOUR), ..Record::json("s", "t", "1") };
    // Stamped in the future, happened in the past; both; neither.
    ahead.append(&batch(&[past]), NOW + HOUR).unwrap();
    ahead.append(&batch_at(NOW + HOUR, &[Record::json("s", "t", "2")]), NOW + HOUR).unwrap();
    sync(&ahead, &mut right, NOW);
    write(&mut right, "s", "{}", NOW);
    assert_eq!(right.reader().status().unwrap().counters.future, 2);
    assert_eq!(ahead.reader().status().unwrap().counters.future, 0);
}

/// After a wall clock that was ahead was corrected, everything "arrived" in 2099: a read of what was
/// known in between found nothing.
#[test]
fn what_was_known_is_found_after_the_clock_was_ahead_and_was_corrected() {
    let store = MemoryStore::new();
    let mut replica = open(&store, 1);
    let clock = [0, 1, 2, 73 * YEAR / HOUR, 73 * YEAR / HOUR + 1, 3, 4, -5, 5, 5, 6];
    for (index, hours) in clock.into_iter().enumerate() {
        write(&mut replica, "s", &format!("{{\"n\":{index}}}"), NOW + hours * HOUR);
    }
    let check = |replica: &Replica| {
        for (hours, known) in [
            (-6, 0),
            // The clock was back there once more, and all that came before was known then.
            (-5, 8),
            (2, 8),
            (4, 8),
            (5, 10),
            (6, 11),
            (73 * YEAR / HOUR + 9, 11),
        ] {
            let time = NOW + hours * HOUR;
            assert_eq!(replica.reader().known_until(time).unwrap(), known, "{hours} h");
            let query = Query { known_at: Some(time), ..Query::default() };
            let read = replica.reader().aggregate(&root(), "s", &query).unwrap();
            assert_eq!(read.map_or(0, |read| read.event_count), known, "{hours} h");
        }
    };
    check(&replica);
    drop(replica);
    let replica = open(&store, 1);
    check(&replica);
    assert!(verify(&store, &mut |_, _| {}).unwrap().is_sound());
}

#[test]
fn a_turn_of_the_clock_that_is_lost_or_made_up_is_a_fault() {
    use crate::store::{Area, Batch, Table};
    let store = MemoryStore::new();
    let mut replica = open(&store, 1);
    for hours in [2, 1, 3] {
        write(&mut replica, "s", "{}", NOW + hours * HOUR);
    }
    replica.close().unwrap();
    let faults = |change: &dyn Fn(&mut Batch)| {
        let copy = store.after_power_loss();
        let mut batch = Batch::new(Area::Truth);
        change(&mut batch);
        copy.commit(&batch).unwrap();
        verify(&copy, &mut |_, _| {}).unwrap().fault_count
    };
    let put = |batch: &mut Batch, at, time: i64| {
        batch.put(Table::Meta, &crate::keys::turn(at), &time.to_be_bytes());
    };
    assert_eq!(faults(&|_| {}), 0);
    assert_eq!(faults(&|batch| batch.delete(Table::Meta, &crate::keys::turn(2))), 1);
    assert_eq!(faults(&|batch| put(batch, 2, NOW)), 1);
    assert_eq!(faults(&|batch| put(batch, 3, NOW + 3 * HOUR)), 1);
    assert_eq!(faults(&|batch| put(batch, 9, NOW)), 1);
    assert_eq!(faults(&|batch| batch.put(Table::Meta, &crate::keys::turn(2), b"short")), 2);
}

/// The time that is filled in is not what the writer said: without care, the retry of a scan whose
/// answer was lost would be a conflict.
#[test]
fn a_repeat_is_told_by_what_its_writer_said() {
    let mut replica = fresh(1);
    let keyed = Record { idempotency_key: Some("k"), ..Record::json("s", "t", "1") };
    let mut again = |record, now| replica.append(&batch_at(now, &[record]), now);
    let first = again(keyed, NOW).unwrap();
    let repeat = again(keyed, NOW + HOUR).unwrap();
    assert_eq!((repeat.dots, repeat.replayed), (first.dots.clone(), true));
    for other in [
        Record { occurred: Some(NOW), ..keyed },
        Record { occurred: Some(NOW + 1), ..keyed },
        Record { data: b"2", ..keyed },
        Record { version: 2, ..keyed },
        Record { aggregate_id: "other", ..keyed },
    ] {
        let error = again(other, NOW + HOUR).unwrap_err();
        let WriteError::KeyConflict { index: 0, holder: Some(holder) } = error else {
            panic!("{error}")
        };
        assert_eq!((holder.event.dot, holder.aggregate_id.as_str()), (first.dots[0], "s"));
    }
    let said = Record { idempotency_key: Some("said"), occurred: Some(NOW), ..keyed };
    again(said, NOW).unwrap();
    assert!(again(said, NOW + HOUR).unwrap().replayed);
    assert!(again(Record { occurred: None, ..said }, NOW).is_err(), "it says less now");
}

#[test]
fn a_clock_without_stamps_left_refuses_what_is_new_and_answers_repeats() {
    use crate::store::{Area, Batch, Table};
    let store = MemoryStore::new();
    let keyed = Record { idempotency_key: Some("k"), ..Record::json("s", "t", "1") };
    let mut replica = open(&store, 1);
    replica.append(&batch(&[keyed]), NOW).unwrap();
    replica.close().unwrap();
    let mut end = Batch::new(Area::Truth);
    end.put(Table::Meta, crate::keys::CLOCK, &u64::MAX.to_be_bytes());
    store.commit(&end).unwrap();
    let mut replica = open(&store, 1);
    let error = replica.append(&batch(&[Record::json("s", "t", "2")]), NOW).unwrap_err();
    assert!(matches!(error, WriteError::Clock(HlcError::Exhausted)), "{error}");
    assert!(replica.append(&batch(&[keyed]), NOW).unwrap().replayed);
    assert_eq!(replica.reader().head(), 1);
}
