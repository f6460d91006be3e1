#![allow(clippy::unwrap_used, reason = "tests")]

use laterbase_core::fold::Folds;

use super::*;

fn gathering(root: &RootName) -> Gathering<'_> {
    Gathering::new(Arc::new(Folds::new()), Some(root))
}

fn json(number: u64, text: &str) -> Entry<'_> {
    Entry { number, said: Said::Json(text.as_bytes()), text_bytes: text.len(), progress: 0 }
}

/// A batch was begun by an event that was refused, and all that came hours later happened then.
#[test]
fn what_was_refused_does_not_say_when_the_next_event_happens() {
    let root = RootName::new("asn").unwrap();
    let mut gathering = gathering(&root);
    let bad = gathering.push(&json(1, r#"{"aggregate_id":"A","type":"","data":1}"#)).unwrap_err();
    assert_eq!((bad.number, bad.batch_number), (Some(1), 1));
    let later = wall_clock_nanos();
    gathering.push(&json(2, r#"{"aggregate_id":"A","type":"t","data":1}"#)).unwrap();
    let record = Record::decode(gathering.encoded().next().unwrap()).unwrap();
    assert!(record.occurred.unwrap() >= later, "{record:?}");
    // Nor is it the first of the batch.
    assert_eq!(gathering.push(&json(3, "no")).unwrap_err().batch_number, 2);
}

/// By the numbers of the input, all events of one number were taken out for one.
#[test]
fn events_of_one_number_are_taken_out_one_by_one() {
    let root = RootName::new("asn").unwrap();
    let mut gathering = gathering(&root);
    for id in ["A", "B", "C"] {
        let text = format!(r#"{{"aggregate_id":"{id}","type":"t","data":1}}"#);
        gathering.push(&json(1, &text)).unwrap();
        gathering.keep(Raw::Text(text.into_bytes()));
    }
    let refused = |index| Refused {
        batch: Some(0),
        index: Some(index),
        field: None,
        detail: "no".to_owned(),
        holder: None,
    };
    let (_, places) = split(gathering.roots.values());
    let blamed = gathering.blame_all(vec![refused(2), refused(0)], &places);
    let NotStored::Events(bad) = blamed else { panic!("events are at fault") };
    let rejected = gathering.take_out(&bad);
    let ids: Vec<String> = gathering
        .encoded()
        .map(|record| Record::decode(record).unwrap().aggregate_id.to_owned())
        .collect();
    assert_eq!(
        (ids.as_slice(), rejected.len(), gathering.event_count),
        (&["B".to_owned()][..], 2, 1)
    );
    assert!(
        matches!(&rejected[0].1, Raw::Text(text) if text.starts_with(br#"{"aggregate_id":"C""#))
    );
    assert!(gathering.take_out(&bad).is_empty(), "they are not there any more");
}

#[test]
fn who_records_is_said_of_events_that_do_not_say_it() {
    let root = RootName::new("asn").unwrap();
    let actor = Some("ama".to_owned());
    let mut gathering = gathering(&root).with_defaults(Defaults { root: None, actor });
    for metadata in [r#"{"reason":"stock"}"#, r#"{"actor":"kofi"}"#] {
        let text = format!(r#"{{"aggregate_id":"A","type":"t","data":1,"metadata":{metadata}}}"#);
        gathering.push(&json(1, &text)).unwrap();
    }
    let said: Vec<Vec<(String, String)>> = gathering
        .encoded()
        .map(|record| {
            let metadata = Record::decode(record).unwrap().metadata;
            metadata.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
        })
        .collect();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let expected =
        [vec![pair("actor", "ama"), pair("reason", "stock")], vec![pair("actor", "kofi")]];
    assert_eq!(said, expected);
}
