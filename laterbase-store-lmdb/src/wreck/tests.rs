#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::sync::Arc;

use laterbase_core::PreparedBatch;
use laterbase_core::delta::Delta;
use laterbase_core::event::Record;
use laterbase_core::fold::{Folds, Latest};
use laterbase_core::id::{Dot, RootName};
use laterbase_core::replica::{Random, Replica, ReplicaOptions};
use laterbase_core::verify::salvage;
use tempfile::TempDir;

use super::*;
use crate::{LmdbOptions, LmdbStore, check_files};

const ORIGINS: u8 = 40;
const EVENTS: u64 = 10;

/// Events of many origins, so that one that is lost takes few with it.
fn filled(path: &Path) {
    for origin in 1..=ORIGINS {
        let store = Arc::new(LmdbStore::open(path, LmdbOptions::default()).unwrap());
        let folds = Arc::new(Folds::new().fallback(Arc::new(Latest)));
        let options = ReplicaOptions { new_identity: true, ..ReplicaOptions::default() };
        let random: Random = Box::new(move || [origin; 16]);
        let mut replica = Replica::open(store, Arc::clone(&folds), options, random).unwrap();
        let mut batch = PreparedBatch::new(RootName::new("order").unwrap(), folds, 0);
        for number in 0..EVENTS {
            let long = if number == 7 { 6_000 } else { 300 };
            let data = format!("\"{}\"", "x".repeat(long));
            batch.push(&Record::json("a", "Moved", &data)).unwrap();
        }
        replica.append(&batch, 0).unwrap();
    }
}

fn salvaged(store: &dyn Store) -> BTreeMap<Dot, Vec<u8>> {
    let mut events = BTreeMap::new();
    let mut take = |page: &[u8], _: usize| {
        for run in Delta::decode(page).unwrap().runs {
            for (seq, event) in (run.first_seq..).zip(&run.events) {
                events.insert(Dot { origin: run.origin, seq }, event.record.to_vec());
            }
        }
        Ok::<_, StoreError>(())
    };
    salvage(store, &|_| true, &mut take, &mut |_, _| {}).unwrap();
    events
}

#[test]
fn a_store_that_is_whole_is_read_whole_without_lmdb() {
    let directory = TempDir::new().unwrap();
    filled(directory.path());
    let by_lmdb = {
        let store = LmdbStore::open(directory.path(), LmdbOptions::default()).unwrap();
        salvaged(&store)
    };
    assert_eq!(by_lmdb.len() as u64, u64::from(ORIGINS) * EVENTS);
    assert_eq!(salvaged(&Wreck::open(directory.path()).unwrap()), by_lmdb);
}

/// Mutation: believe the tree of tables, as LMDB does, and a damaged branch takes half of it all.
#[test]
fn a_page_that_is_gone_takes_little_with_it() {
    let directory = TempDir::new().unwrap();
    filled(directory.path());
    let path = directory.path().join("truth/data.mdb");
    let whole = fs::read(&path).unwrap();
    let all = salvaged(&Wreck::open(directory.path()).unwrap());
    let mut faults = 0;
    for page in 0..whole.len() / 4096 {
        let mut bytes = whole.clone();
        bytes[page * 4096..(page + 1) * 4096].fill(0xff);
        fs::write(&path, bytes).unwrap();
        faults += usize::from(!check_files(directory.path()).unwrap().is_sound());
        let left = salvaged(&Wreck::open(directory.path()).unwrap());
        assert!(left.iter().all(|(dot, record)| all.get(dot) == Some(record)), "page {page}");
        assert!(left.len() > all.len() / 2, "page {page}: {} of {}", left.len(), all.len());
        let is_of_log = bytes_are_of_log(&whole[page * 4096..][..4096]);
        assert!(!is_of_log || left.len() + 40 > all.len(), "page {page}: {}", left.len());
    }
    assert!(faults > 50, "{faults}");
}

/// Whether a page holds nothing but records.
fn bytes_are_of_log(page: &[u8]) -> bool {
    page.windows(64).any(|window| window == [b'x'; 64])
}
