#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use laterbase_core::event::Record;
use laterbase_core::fold::Folds;
use laterbase_core::id::{EventId, ReplicaId};

use super::*;

fn batches() -> Vec<PreparedBatch> {
    let batch = |root: &str, ids: &[&str]| {
        let folds = Arc::new(Folds::new());
        let mut batch = PreparedBatch::new(RootName::new(root).unwrap(), folds, 7);
        for id in ids {
            batch.push(&Record::json(id, "Packed", "{\"a\":1}")).unwrap();
        }
        batch
    };
    vec![batch("pallet", &["P1", "P2"]), batch("truck@north", &["T"])]
}

#[test]
fn a_request_to_record_comes_through() {
    let batches = batches();
    let bytes = encode_record(&[3; 16], &batches.iter().collect::<Vec<_>>());
    let Request::Record { token, batches: handed } = Request::decode(&bytes).unwrap() else {
        panic!("another request");
    };
    assert_eq!(token, [3; 16]);
    for (sent, handed) in batches.iter().zip(&handed) {
        assert_eq!(sent.root(), &handed.root);
        assert_eq!(sent.encoded().collect::<Vec<_>>(), handed.records);
    }
    assert_eq!(batches.len(), handed.len());
}

#[test]
fn a_request_to_remember_comes_through() {
    let entries = vec![(b"k".to_vec(), b"v".to_vec()), (b"l".to_vec(), Vec::new())];
    let bytes = encode_remember(&entries);
    assert!(matches!(Request::decode(&bytes).unwrap(), Request::Remember(read) if read == entries));
}

#[test]
fn answers_come_through() {
    let refused = |batch, index, field: Option<&str>| Refused {
        batch,
        index,
        field: field.map(str::to_owned),
        detail: "why".to_owned(),
        holder: batch.map(|_| {
            let dot = laterbase_core::id::Dot { origin: ReplicaId::from_bytes([7; 16]), seq: 3 };
            EventId { root: RootName::new("truck@north").unwrap(), dot }
        }),
    };
    let (whole, one) = (refused(None, None, None), refused(Some(1), Some(2), Some("type")));
    let answers =
        [Answer::Done(7), Answer::Refused(vec![whole.clone()]), Answer::Refused(vec![one, whole])];
    for answer in answers {
        assert_eq!(Answer::decode(&answer.encode()).unwrap(), answer);
    }
}

#[test]
fn a_greeting_of_a_later_version_is_understood_as_far_as_its_version() {
    let mut bytes = Greeting { version: 9, process: 77 }.encode();
    bytes.extend_from_slice(b"and more");
    assert_eq!(Greeting::decode(&bytes).unwrap(), Greeting { version: 9, process: 77 });
    assert!(Greeting::decode(b"HTTP/1.1 200 OK").is_err());
}

#[test]
fn no_message_that_is_cut_short_or_too_long_is_understood() {
    let batches = batches();
    let messages = [
        encode_record(&[3; 16], &batches.iter().collect::<Vec<_>>()),
        encode_remember(&[(vec![1], vec![2])]),
    ];
    for bytes in messages {
        for end in 0..bytes.len() {
            assert!(Request::decode(&bytes[..end]).is_err(), "{end} of {bytes:?}");
        }
        assert!(Request::decode(&[&bytes[..], &[0]].concat()).is_err());
    }
    // A list that says that it is long.
    assert!(Request::decode(b"m\xff\xff\xff\xff").is_err());
}
