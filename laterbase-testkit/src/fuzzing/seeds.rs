//! Good bytes of every kind, made by a replica.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use laterbase_core::PreparedBatch;
use laterbase_core::delta::Delta;
use laterbase_core::event::Record;
use laterbase_core::fold::{Folds, Latest};
use laterbase_core::id::RootName;
use laterbase_core::json::write_event;
use laterbase_core::limits::BATCH_BYTES_MAX;
use laterbase_core::memory_store::MemoryStore;
use laterbase_core::replica::{Random, Replica, ReplicaOptions};
use laterbase_core::selection::RootSelection;
use laterbase_core::version_vector::VersionVector;
use laterbase_core::wants::{Want, Wants};

use crate::model;
use crate::simulator::dice::Dice;

pub(super) const NOW: i64 = 1_600_000_000_000_000_000;

pub(super) fn root() -> RootName {
    RootName::new("shipment").expect("a root's name")
}

fn empty(id: u64) -> Replica {
    open(Arc::new(MemoryStore::new()), id)
}

fn open(store: Arc<MemoryStore>, id: u64) -> Replica {
    let mut dice = Dice::new(id);
    let random: Random = Box::new(move || dice.bytes());
    let folds = Arc::new(Folds::new().fallback(Arc::new(Latest)));
    let options = ReplicaOptions { front_events_flush: 4, ..ReplicaOptions::default() };
    Replica::open(store, folds, options, random).expect("an empty store opens")
}

fn write(replica: &mut Replica) {
    let mut batch = PreparedBatch::new(root(), Arc::clone(replica.reader().folds()), NOW);
    for record in plain_records() {
        batch.push(&record).expect("a good event");
    }
    replica.append(&batch, NOW).expect("the batch is taken");
}

/// A replica that holds a few events of its own.
pub(super) fn peer() -> Replica {
    let mut peer = empty(2);
    write(&mut peer);
    peer
}

/// A replica that holds some of its own and those of a peer.
pub(super) fn replica() -> Replica {
    replica_on(Arc::new(MemoryStore::new()))
}

/// The same on a store that the caller keeps.
pub(super) fn replica_on(store: Arc<MemoryStore>) -> Replica {
    let mut replica = open(store, 1);
    write(&mut replica);
    let page = page(&peer());
    let delta = Delta::decode(&page).expect("a good page");
    replica.merge(&delta, NOW).expect("a page fits");
    replica
}

fn page(replica: &Replica) -> Vec<u8> {
    let page = replica.reader().delta(&root(), &VersionVector::new(), 100, BATCH_BYTES_MAX);
    page.expect("the store works").bytes
}

fn plain_records() -> [Record<'static>; 4] {
    [
        Record::json("ASN-5", "Departed", r#"{"from":"Ulm","n":[1,2.5,null]}"#),
        Record {
            occurred: Some(-1),
            idempotency_key: Some("k1"),
            ..Record::json("ASN-5", "Arrived", "{}")
        },
        Record {
            version: 300,
            is_json: false,
            data: &[0, 255, 1],
            ..Record::json("ü/2\0", "Sealed", "")
        },
        Record { extension: b"later", ..Record::json("c", "t", "null") },
    ]
}

pub(super) fn records() -> Vec<Vec<u8>> {
    let encoded = plain_records().map(|record| {
        let mut bytes = Vec::new();
        record.filled_in(NOW).encode(&mut bytes);
        bytes
    });
    encoded.to_vec()
}

pub(super) fn deltas() -> Vec<Vec<u8>> {
    vec![page(&peer()), page(&replica()), page(&empty(3))]
}

pub(super) fn version_vectors() -> Vec<Vec<u8>> {
    let vv = replica().reader().version_vector(&root());
    vec![vv.to_bytes(), vv.to_string().into_bytes(), VersionVector::new().to_bytes()]
}

pub(super) fn cursors() -> Vec<Vec<u8>> {
    [replica(), empty(1)].map(|replica| replica.cursor().to_string().into_bytes()).to_vec()
}

pub(super) fn heads() -> Vec<Vec<u8>> {
    let reader = replica().reader();
    let page = |limit| reader.heads_page(&RootSelection::all(), None, limit).encode();
    vec![page(10), page(1), empty(1).reader().heads_page(&RootSelection::all(), None, 1).encode()]
}

pub(super) fn wants() -> Vec<Vec<u8>> {
    let vv = replica().reader().version_vector(&root());
    let entries = vv.iter().map(|(origin, seq)| Want {
        root: root(),
        origin,
        after: seq - 1,
        until: seq + 1,
    });
    vec![Wants { entries: entries.collect() }.encode(), Wants::default().encode()]
}

pub(super) fn json() -> Vec<Vec<u8>> {
    let mut lines = vec![
        br#"{"aggregate_id":"a","type":"t","version":2,"occurred_at":"2013-01-01T05:17:00+01:00","data":{"x":[1,"\u00fc"]},"idempotency_key":"k","root":"shipment"}"#.to_vec(),
        br#"[{"aggregate_id":"a","type":"t","data_base64":"AAEC"},{"aggregate_id":"b","type":"t","data":null}]"#.to_vec(),
        br#"{"aggregate_id":"..","type":"t","version":1.0,"data":{"\u0061":[-0,1E2,1e-400,0.1],"a":"\ud83d\ude00\u0000"}}"#.to_vec(),
        br#"[{"aggregate_id":"a","type":"t","data":{"note":"\ud83d"}}]"#.to_vec(),
        [&b"\xef\xbb\xbf{\"aggregate_id\":\"a\",\"type\":\"t\",\"data\":"[..], &b"[".repeat(128), &b"]".repeat(128), b"}"].concat(),
        b"{\"aggregate_id\":\"a\",\"type\":\"t\",\"data\":1}\n\n{\"aggregate_id\":\"\",\"type\":\"t\",\"data\":1}".to_vec(),
    ];
    let read = replica().reader().arrivals(0, 2, &mut |_, event| {
        let mut line = Vec::new();
        write_event(&mut line, &root(), event);
        lines.push(line);
        ControlFlow::Continue(())
    });
    read.expect("the store works");
    lines
}

pub(super) fn times() -> Vec<Vec<u8>> {
    let texts = [
        "2013-01-01T05:17:00Z",
        "1969-12-31T23:59:59.999999999Z",
        "2262-04-11T23:47:16.854775807Z",
        "1677-09-21T00:12:43.145224192Z",
        "2024-02-29T12:00:00.5+14:00",
    ];
    texts.map(|text| text.as_bytes().to_vec()).to_vec()
}

pub(super) fn names() -> Vec<Vec<u8>> {
    let replica = replica();
    let texts: BTreeSet<String> = [
        replica.id().to_string(),
        format!("{}-18446744073709551615", replica.id()),
        "shipment@depot-7".to_owned(),
        "shipment@*,order,a.b~c_d-e".to_owned(),
    ]
    .into();
    texts.into_iter().map(String::into_bytes).collect()
}

/// Scripts of the model, and of pages that say anything.
pub(super) fn scripts() -> Vec<Vec<u8>> {
    (0..6).map(|seed| model::script(seed, 120)).collect()
}
