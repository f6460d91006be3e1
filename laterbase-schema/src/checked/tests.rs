#![allow(clippy::unwrap_used, reason = "tests")]

use laterbase_core::fold::{Folds, MergePatch};
use laterbase_core::id::{ReplicaId, RootName};
use laterbase_core::memory_store::MemoryStore;
use laterbase_core::reader::Query;
use laterbase_core::replica::{Replica, ReplicaOptions};
use laterbase_core::{EventError, PreparedBatch};

use super::*;

const NOW: i64 = 1_700_000_000_000_000_000;
const LOOSE: &str = r#"{"events":{}}"#;
const STRICT: &str = r#"{"events":{"Weighed":{"properties":{"kg":{"type":"integer"}}}}}"#;

fn open(store: &MemoryStore, schemas: &str) -> Replica {
    let schemas = Arc::new(EventSchemas::parse(schemas.as_bytes()).unwrap());
    let fold = Arc::new(Checked { fold: Arc::new(MergePatch), schemas });
    let folds = Arc::new(Folds::new().fold("pallet", fold).unwrap());
    let options = ReplicaOptions { front_events_flush: 1, ..ReplicaOptions::default() };
    let random = Box::new(|| [7; 16]);
    Replica::open(Arc::new(store.reopen()), folds, options, random).unwrap()
}

fn push(batch: &mut PreparedBatch, data: &str) -> Result<(), EventError> {
    batch.push(&Record::json("P1", "Weighed", data))
}

fn batch(replica: &Replica) -> PreparedBatch {
    let root = RootName::new("pallet").unwrap();
    PreparedBatch::new(root, Arc::clone(replica.reader().folds()), NOW)
}

#[test]
fn what_the_schema_does_not_take_is_refused_at_a_write_and_left_out_where_it_is_held() {
    let store = MemoryStore::new();
    let mut loose = open(&store, LOOSE);
    let mut written = batch(&loose);
    for data in [r#"{"kg":4}"#, r#"{"kg":"five"}"#, r#"{"lb":9}"#] {
        push(&mut written, data).unwrap();
    }
    loose.append(&written, NOW).unwrap();
    let root = RootName::new("pallet").unwrap();
    let read = |replica: &Replica| {
        let state = replica.reader().aggregate(&root, "P1", &Query::default()).unwrap().unwrap();
        (String::from_utf8(state.state).unwrap(), state.refused_count)
    };
    assert_eq!(read(&loose), (r#"{"kg":"five","lb":9}"#.to_owned(), 0));
    loose.close().unwrap();

    // Snapshots that were made without the schema do not serve with it.
    let strict = open(&store, STRICT);
    assert_eq!(strict.id(), ReplicaId::from_bytes([7; 16]));
    assert_eq!(read(&strict), (r#"{"kg":4,"lb":9}"#.to_owned(), 1));
    let refused = push(&mut batch(&strict), r#"{"kg":"six"}"#).unwrap_err();
    let EventError::Refused { reason } = refused else { panic!("{refused}") };
    assert_eq!(reason.to_string(), "data/kg: \"six\" is not of type \"integer\"");
}
