//! What replicas ask each other for: heads, wanted events, arrivals.

#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;
use crate::chain::{ChainHash, RecordHash};
use crate::delta::{Delta, DeltaBuilder, Outgoing};
use crate::event::Record;
use crate::fold::{Folds, MergePatch};
use crate::heads::HeadEntry;
use crate::hlc::Hlc;
use crate::memory_store::MemoryStore;
use crate::replica::{Replica, ReplicaOptions};
use crate::selection::RootSelection;
use crate::wants::{Want, Wants};

const NOW: i64 = 1_700_000_000_000_000_000;

/// Root, origin, first and last seq.
type Stretch = (&'static str, u8, u64, u64);

fn replica() -> Replica {
    let folds = Arc::new(Folds::new().fallback(Arc::new(MergePatch)));
    let options = ReplicaOptions { front_events_flush: 8, ..ReplicaOptions::default() };
    let random = Box::new(|| [0xee; 16]);
    Replica::open(Arc::new(MemoryStore::new()), folds, options, random).unwrap()
}

fn root(name: &str) -> RootName {
    RootName::new(name).unwrap()
}

fn origin(id: u8) -> ReplicaId {
    ReplicaId::from_bytes([id; 16])
}

/// Merges made-up events, each stretch in a commit of its own.
fn merge(replica: &mut Replica, stretches: &[Stretch]) {
    for &(name, id, first, last) in stretches {
        let mut builder = DeltaBuilder::new();
        let mut chain = ChainHash::genesis(&root(name), origin(id));
        let mut run = None;
        for seq in 1..=last {
            if seq == first {
                run = Some(builder.start_run(&root(name), origin(id), seq, chain));
            }
            let mut record = Vec::new();
            Record::json("a", "t", &seq.to_string()).filled_in(0).encode(&mut record);
            let recorded = Hlc::from_bits(seq);
            chain = chain.next(recorded, RecordHash::of(&record));
            let (origin, record) = (origin(id), &record[..]);
            if let Some(run) = run {
                builder.push(run, Outgoing { origin, seq, recorded, record, chain });
            }
        }
        replica.merge(&Delta::decode(&builder.finish()).unwrap(), NOW).unwrap();
    }
}

/// The runs of a page.
fn runs(page: &[u8]) -> Vec<(String, u8, u64, u64)> {
    let delta = Delta::decode(page).unwrap();
    let run = |run: &crate::delta::Run<'_>| {
        (run.root.to_string(), run.origin.as_bytes()[0], run.first_seq, run.last_seq())
    };
    delta.runs.iter().map(run).collect()
}

fn want(name: &str, id: u8, after: u64, until: u64) -> Want {
    Want { root: root(name), origin: origin(id), after, until }
}

fn all_heads(reader: &Reader, selection: &RootSelection, limit: usize) -> Vec<HeadEntry> {
    let (mut heads, mut after) = (Vec::new(), None);
    loop {
        let page = reader.heads_page(selection, after.as_ref(), limit);
        assert!(page.entries.len() <= limit);
        heads.extend(page.entries);
        after = page.next;
        if after.is_none() {
            return heads;
        }
    }
}

#[test]
fn heads_carry_the_chain_of_what_is_held() {
    let mut replica = replica();
    merge(&mut replica, &[("b", 1, 1, 3), ("a", 2, 1, 1)]);
    let heads = all_heads(&replica.reader(), &RootSelection::all(), 10);
    let names: Vec<_> = heads.iter().map(|head| (head.root.as_str(), head.seq)).collect();
    assert_eq!(names, [("a", 1), ("b", 3)]);
    let chain = replica.reader().chain_at(&root("b"), origin(1), 3).unwrap().unwrap();
    assert_eq!(heads[1].check, HeadEntry::check_of(chain));
}

#[test]
fn the_events_of_some_origins_are_counted_over_the_roots_that_are_taken() {
    let mut replica = replica();
    merge(&mut replica, &[("a", 1, 1, 3), ("b", 1, 1, 2), ("b", 2, 1, 5), ("c", 1, 1, 1)]);
    let reader = replica.reader();
    let takes = |root: &RootName| root.as_str() != "c";
    assert_eq!(reader.held_count(&takes, &[origin(1)]), 5);
    assert_eq!(reader.held_count(&takes, &[origin(1), origin(2), origin(1)]), 10);
    assert_eq!(reader.held_count(&takes, &[origin(9)]), 0);
    assert_eq!(reader.held_count(&takes, &[]), 0);
}

#[test]
fn wanted_events_come_contiguous_from_several_runs_of_the_log() {
    let mut replica = replica();
    merge(&mut replica, &[("a", 1, 1, 4), ("a", 2, 1, 2), ("a", 1, 5, 9), ("b", 1, 1, 1)]);
    let wants = Wants { entries: vec![want("b", 1, 0, 9), want("a", 1, 2, 7)] };
    let page = replica.reader().wanted_delta(&wants, 100, usize::MAX).unwrap();
    assert_eq!(runs(&page.bytes), [("b".into(), 1, 1, 1), ("a".into(), 1, 3, 7)]);
    assert!(page.complete);
    let page = replica.reader().wanted_delta(&wants, 4, usize::MAX).unwrap();
    assert_eq!(runs(&page.bytes), [("b".into(), 1, 1, 1), ("a".into(), 1, 3, 5)]);
    assert!(!page.complete);
}

/// Mutation: without the exception for the first event, a large one is never delivered.
#[test]
fn one_wanted_event_is_always_delivered() {
    let mut replica = replica();
    merge(&mut replica, &[("a", 1, 1, 3)]);
    let wants = Wants { entries: vec![want("c", 1, 0, 1), want("a", 1, 1, 3)] };
    let page = replica.reader().wanted_delta(&wants, 0, 0).unwrap();
    assert_eq!(runs(&page.bytes), [("a".into(), 1, 2, 2)]);
    assert!(!page.complete);
}

#[test]
fn a_page_of_arrivals_ends_where_its_cursor_says() {
    let mut replica = replica();
    let all = |_: &RootName| true;
    let taken = |limit| Taken { root: &all, not_of: &[], limit, bytes_max: usize::MAX };
    let start = replica.reader().cursor();
    merge(&mut replica, &[("a", 1, 1, 3), ("b", 2, 1, 2)]);
    let reader = replica.reader();
    let page = reader.arrivals_delta(&start, &taken(4)).unwrap().unwrap();
    assert_eq!(runs(&page.bytes), [("a".into(), 1, 1, 3), ("b".into(), 2, 1, 1)]);
    assert!(page.more);
    let rest = reader.arrivals_delta(&page.cursor, &taken(4)).unwrap().unwrap();
    assert_eq!(runs(&rest.bytes), [("b".into(), 2, 2, 2)]);
    assert!(!rest.more);
    assert_eq!(rest.cursor, reader.cursor());
}

#[test]
fn the_cursor_of_the_writer_is_ahead_by_what_is_staged() {
    let mut replica = replica();
    merge(&mut replica, &[("a", 1, 1, 3)]);
    assert_eq!(replica.cursor(), replica.reader().cursor());
    let mut batch = crate::PreparedBatch::new(root("a"), Arc::clone(replica.reader().folds()), NOW);
    batch.push(&Record::json("a", "t", "1")).unwrap();
    replica.stage_append(&batch, NOW).unwrap();
    let ahead = replica.cursor();
    assert_eq!((replica.reader().cursor().position(), ahead.position()), (3, 4));
    replica.commit().unwrap();
    assert_eq!(replica.reader().cursor(), ahead);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Pages of any size add up to the heads of the selected roots, in their order, each once.
    #[test]
    fn pages_of_heads_add_up(
        held in prop::collection::btree_map((0_usize..4, 1_u8..9), 1_u64..4, 0..20),
        limit in 1_usize..8,
    ) {
        let names = ["b", "a", "b@x", "c"];
        let mut replica = replica();
        for (&(name, id), &seq) in &held {
            merge(&mut replica, &[(names[name], id, 1, seq)]);
        }
        for (text, takes) in [("", &names[..]), ("b@*,c", &["b@x", "c"]), ("z", &[])] {
            let mut expected: Vec<_> = held
                .iter()
                .filter(|((name, _), _)| takes.contains(&names[*name]))
                .map(|(&(name, id), &seq)| (root(names[name]), origin(id), seq))
                .collect();
            expected.sort();
            let selection = text.parse().unwrap();
            let heads = all_heads(&replica.reader(), &selection, limit);
            let found: Vec<_> =
                heads.into_iter().map(|head| (head.root, head.origin, head.seq)).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
