#![allow(clippy::unwrap_used, reason = "tests")]

use std::ops::ControlFlow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::*;
use crate::event::{Event, Record};
use crate::fold::{Folds, Refusal};
use crate::id::{Dot, ReplicaId};
use crate::memory_store::MemoryStore;
use crate::replica::{Replica, ReplicaOptions, WriteError};
use crate::{EventError, Precondition};

const NOW: i64 = 1_700_000_000_000_000_000;

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Crate {
    kg: f64,
    seals: u32,
    places: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all = "kebab-case")]
enum CrateEvent {
    Weighed(f64),
    Moved {
        to: String,
    },
    Sealed,
    #[serde(rename(serialize = "lost", deserialize = "found"))]
    Lost,
}

impl Aggregate for Crate {
    type Event = CrateEvent;
    const NAME: &'static str = "crate";

    fn event_version(event: &CrateEvent) -> u32 {
        if matches!(event, CrateEvent::Moved { .. }) { 3 } else { 1 }
    }

    fn validate(event: &CrateEvent) -> Result<(), Refusal> {
        match event {
            CrateEvent::Weighed(kg) if *kg < 0.0 => Err("lighter than air".into()),
            _ => Ok(()),
        }
    }

    fn apply(&mut self, event: CrateEvent, _: &Event<'_>) -> Result<(), FoldError> {
        match event {
            CrateEvent::Weighed(kg) => self.kg = kg,
            CrateEvent::Moved { to } => self.places.push(to),
            CrateEvent::Sealed => self.seals += 1,
            CrateEvent::Lost => return Err("lost".into()),
        }
        Ok(())
    }
}

fn root() -> RootName {
    RootName::new("crate").unwrap()
}

fn folds() -> Arc<Folds> {
    Arc::new(Folds::new().aggregate::<Crate>("crate").unwrap())
}

fn append() -> Append<Crate> {
    Append::to(&root(), "C1")
}

fn moved(to: &str) -> CrateEvent {
    CrateEvent::Moved { to: to.to_owned() }
}

fn replica() -> Replica {
    let options = ReplicaOptions::default();
    Replica::open(Arc::new(MemoryStore::new()), folds(), options, Box::new(|| [7; 16])).unwrap()
}

/// Each event with its type, version, data, what is said of its time, and metadata.
fn written(replica: &Replica) -> Vec<String> {
    let mut said = Vec::new();
    let visit = &mut |event: &Event<'_>| {
        let Record { event_type, version, occurred, occurred_offset, data, .. } = event.record;
        let data = str::from_utf8(data).unwrap();
        let ahead = (occurred.unwrap() - NOW) / 1_000_000_000;
        let metadata = event.record.metadata;
        said.push(format!(
            "{event_type}/{version} {data} {ahead}s {occurred_offset:?} {metadata:?}"
        ));
        ControlFlow::Continue(())
    };
    let query = At::now().query("crate");
    replica.reader().aggregate_events(&root(), "C1", None, 100, &query, visit).unwrap();
    said
}

#[test]
fn what_is_appended_is_written_as_serde_writes_it_with_what_is_said_of_it() {
    let mut replica = replica();
    let scan = Fact::of(moved("Tema"))
        .occurred_at(NOW - 3_000_000_000)
        .occurred_offset(-90)
        .metadata("actor", "Kofi");
    let append = append()
        .event(CrateEvent::Weighed(1.5))
        .event(scan)
        .event(Fact::of(CrateEvent::Sealed).occurred_at(NOW - 1_000_000_000))
        .occurred_at(NOW - 2_000_000_000)
        .occurred_offset(60)
        .metadata("actor", "Ama")
        .metadata("device", "9");
    replica.append(&append.prepare(folds(), NOW).unwrap(), NOW).unwrap();
    assert_eq!(
        written(&replica),
        [
            r#"moved/3 {"to":"Tema"} -3s Some(-90) {"actor": "Kofi", "device": "9"}"#,
            r#"weighed/1 1.5 -2s Some(60) {"actor": "Ama", "device": "9"}"#,
            r#"sealed/1 null -1s None {"actor": "Ama", "device": "9"}"#,
        ]
    );
    let read = AggregateAt::<Crate>::read(&replica.reader(), &root(), "C1", At::now()).unwrap();
    let read = read.unwrap();
    let state = Crate { kg: 1.5, seals: 1, places: vec!["Tema".to_owned()] };
    assert_eq!((read.state, read.event_count, read.refused_count), (state, 3, 0));
    let early = At::now().occurred_until(NOW - 2_500_000_000);
    let read = AggregateAt::<Crate>::read(&replica.reader(), &root(), "C1", early).unwrap();
    assert_eq!(read.unwrap().state.places, ["Tema"]);
    let other = AggregateAt::<Crate>::read(&replica.reader(), &root(), "C2", At::now()).unwrap();
    assert_eq!(other, None);
}

#[test]
fn a_key_makes_a_repeat_recognisable_and_a_condition_is_kept() {
    let mut replica = replica();
    let first = append().event(moved("Tema")).event(CrateEvent::Sealed).key("k").if_absent();
    let stored = replica.append(&first.prepare(folds(), NOW).unwrap(), NOW).unwrap();
    let again = replica.append(&first.clone().prepare(folds(), NOW + 9).unwrap(), NOW).unwrap();
    assert_eq!((again.dots, again.replayed), (stored.dots, true));
    for late in [
        append().event(CrateEvent::Sealed).if_absent(),
        append().event(CrateEvent::Sealed).if_etag("00"),
    ] {
        let late = late.prepare(folds(), NOW).unwrap();
        assert!(matches!(replica.append(&late, NOW), Err(WriteError::Precondition { .. })));
    }
    let etag = replica.reader().etag(&root(), "C1").unwrap().unwrap();
    let next = append().event(CrateEvent::Sealed).if_etag(etag);
    assert!(matches!(next.precondition(), Some(Precondition::Etag(_))));
    replica.append(&next.prepare(folds(), NOW).unwrap(), NOW).unwrap();
}

#[track_caller]
fn check_unwritable(append: Append<Crate>, expected: &str) {
    let prepared = append.prepare(folds(), NOW);
    let fault = prepared.map(|batch| batch.len()).unwrap_err();
    assert!(fault.to_string().contains(expected), "{fault}");
}

#[test]
fn what_cannot_be_written_is_said_before_anything_is_sent() {
    let sealed = || append().event(CrateEvent::Sealed);
    check_unwritable(append(), "no event");
    // JSON has null for it.
    check_unwritable(sealed().event(CrateEvent::Weighed(f64::NAN)), "event 1 cannot be written");
    // It would be stored, and be in no state.
    check_unwritable(append().event(CrateEvent::Lost), "which the fold crate does not take");
    check_unwritable(sealed().event(CrateEvent::Weighed(-1.0)), "event 1: the event was refused");
    check_unwritable(sealed().key(""), "the key of an append");
    check_unwritable(sealed().key("schlüssel"), "the key of an append");
    check_unwritable(sealed().key("k".repeat(251)), "the key of an append");
    check_unwritable(sealed().if_etag("\"x\""), "an etag is");
    check_unwritable(sealed().metadata("", "x"), "the metadata of event 0");
    check_unwritable(sealed().occurred_at(NOW).occurred_offset(i16::MIN), "occurred_at");
    check_unwritable(
        append().event(Fact::of(CrateEvent::Sealed).key("a")).key("b"),
        "none of its own",
    );
    let dot = Dot { origin: ReplicaId::from_bytes([1; 16]), seq: 1 };
    let foreign = EventId { root: RootName::new("truck").unwrap(), dot };
    check_unwritable(append().event(Fact::of(CrateEvent::Sealed).voids([foreign])), "another root");
    // The first fault is the one that is said.
    check_unwritable(append().key("").event(CrateEvent::Lost), "the key of an append");
    assert!(sealed().key("k".repeat(250)).prepare(folds(), NOW).is_ok());
    // The offset of a clock that nobody read.
    assert_eq!(sealed().occurred_offset(60).encoded().unwrap()[0].occurred_offset, None);
}

#[test]
fn an_event_that_takes_another_back_names_it() {
    let mut replica = replica();
    let wrong = append().event(moved("Tema")).prepare(folds(), NOW).unwrap();
    let dot = replica.append(&wrong, NOW).unwrap().dots[0];
    let voids = Fact::of(moved("Kumasi")).voids([EventId { root: root(), dot }]);
    replica.append(&append().event(voids).prepare(folds(), NOW).unwrap(), NOW).unwrap();
    let read = AggregateAt::<Crate>::read(&replica.reader(), &root(), "C1", At::now()).unwrap();
    assert_eq!(read.unwrap().state.places, ["Kumasi"]);
}

/// An enum that serde does not write with a tag.
#[derive(Default, Serialize, Deserialize)]
struct Untold;

#[derive(Serialize, Deserialize)]
enum UntoldEvent {
    Moved(u8),
}

impl Aggregate for Untold {
    type Event = UntoldEvent;
    const NAME: &'static str = "untold";
    const TYPES: Option<&'static [&'static str]> = Some(&["Moved"]);

    fn apply(
        &mut self,
        UntoldEvent::Moved(_): UntoldEvent,
        _: &Event<'_>,
    ) -> Result<(), FoldError> {
        Ok(())
    }
}

#[test]
fn an_event_without_a_tag_is_not_written() {
    let append = Append::<Untold>::to(&root(), "C1").event(UntoldEvent::Moved(1));
    assert!(matches!(append.encoded(), Err(Unwritable::Encode { index: 0, .. })));
}

#[test]
fn an_id_that_no_url_leads_to_is_refused() {
    let append = Append::<Crate>::to(&root(), "..").event(CrateEvent::Sealed);
    let refused = append.prepare(folds(), NOW).map(|batch| batch.len());
    let source = EventError::DotSegment;
    assert_eq!(refused, Err(Unwritable::Event { index: 0, source }));
}
