//! A shipment of vaccines, told by two replicas that meet late:
//! `cargo run --example cold_chain -p laterbase-core`.
//!
//! Custody, location, a temperature excursion, a correction in the manner of EPCIS, a late scan,
//! and an old version of an event. `docs/aggregates.md` tells the same story.

#![expect(clippy::print_stdout, reason = "the story is this program's output")]

use std::collections::BTreeMap;
use std::error::Error;
use std::ops::ControlFlow;
use std::sync::Arc;

use laterbase_core::PreparedBatch;
use laterbase_core::delta::Delta;
use laterbase_core::event::{Event, Record};
use laterbase_core::fold::{Aggregate, FoldError, Folds, Refusal, decode_json};
use laterbase_core::id::{Dot, RootName};
use laterbase_core::limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX};
use laterbase_core::memory_store::MemoryStore;
use laterbase_core::reader::Query;
use laterbase_core::replica::{Replica, ReplicaOptions};
use laterbase_core::time::{format_time, parse_time};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Vaccines are spoilt above this.
const CELSIUS_MAX: f64 = 8.0;

#[derive(Default, Serialize, Deserialize)]
struct Shipment {
    custodian: Option<String>,
    /// Event ids and places, in the order of the scans.
    scans: Vec<(String, Place)>,
    excursions: Vec<f64>,
    /// Ids of events that were declared errors, and why.
    declared_wrong: BTreeMap<String, String>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Place {
    name: String,
    /// Global Location Number; version 1 of the event did not have it.
    gln: Option<String>,
}

#[derive(Deserialize)]
#[serde(tag = "type", content = "data")]
enum ShipmentEvent {
    CustodyTaken {
        by: String,
    },
    LocationScanned {
        place: Place,
    },
    TemperatureRead {
        celsius: f64,
    },
    /// Another event is an error. It is backdated to that event, as EPCIS has it.
    ErrorDeclared {
        event: String,
        reason: String,
    },
}

impl Aggregate for Shipment {
    type Event = ShipmentEvent;
    const NAME: &'static str = "shipment";

    /// Brings `{"site"}` of version 1 up to `{"place": {"name", "gln"}}` of version 2.
    fn decode(record: &Record<'_>) -> Result<ShipmentEvent, Refusal> {
        #[derive(Deserialize)]
        struct ScannedV1 {
            site: String,
        }
        match (record.event_type, record.version) {
            ("LocationScanned", 1) => {
                let old: ScannedV1 = serde_json::from_slice(record.data)
                    .map_err(|error| Refusal(error.to_string()))?;
                let data = json!({ "place": { "name": old.site } }).to_string();
                decode_json(&Record { version: 2, data: data.as_bytes(), ..*record })
            }
            ("LocationScanned", 2) | (_, 1) => decode_json(record),
            (_, newer) => Err(format!("version {newer} is not known here yet").into()),
        }
    }

    fn apply(&mut self, event: ShipmentEvent, context: &Event<'_>) -> Result<(), FoldError> {
        let id = context.dot.to_string();
        if self.declared_wrong.contains_key(&id) {
            return Ok(());
        }
        match event {
            ShipmentEvent::CustodyTaken { by } => self.custodian = Some(by),
            ShipmentEvent::LocationScanned { place } => self.scans.push((id, place)),
            ShipmentEvent::TemperatureRead { celsius } if celsius > CELSIUS_MAX => {
                self.excursions.push(celsius);
            }
            ShipmentEvent::TemperatureRead { .. } => {}
            ShipmentEvent::ErrorDeclared { event, reason } => {
                self.scans.retain(|(scan, _)| *scan != event);
                self.declared_wrong.insert(event, reason);
            }
        }
        Ok(())
    }
}

/// A replica, and the folds that it reads by.
struct Desk {
    replica: Replica,
    folds: Arc<Folds>,
    root: RootName,
}

impl Desk {
    fn open(id: u8) -> Result<Self, Box<dyn Error>> {
        let folds = Arc::new(Folds::new().aggregate::<Shipment>("shipment")?);
        let store = Arc::new(MemoryStore::new());
        let options = ReplicaOptions::default();
        let random = Box::new(move || [id; 16]);
        let replica = Replica::open(store, Arc::clone(&folds), options, random)?;
        Ok(Self { replica, folds, root: RootName::new("shipment")? })
    }

    /// Records an event at `now`. It happened then, unless the record says otherwise.
    fn record(&mut self, now: &str, record: Record<'_>) -> Result<Dot, Box<dyn Error>> {
        let now = parse_time(now)?;
        let mut batch = PreparedBatch::new(self.root.clone(), Arc::clone(&self.folds), now);
        batch.push(&record)?;
        Ok(self.replica.append(&batch, now)?.dots[0])
    }

    /// Takes what another desk has and this one lacks.
    fn hear(&mut self, now: &str, other: &Self) -> Result<(), Box<dyn Error>> {
        let held = self.replica.reader().version_vector(&self.root);
        let reader = other.replica.reader();
        let page = reader.delta(&self.root, &held, BATCH_EVENTS_MAX, BATCH_BYTES_MAX)?;
        self.replica.merge(&Delta::decode(&page.bytes)?, parse_time(now)?)?;
        Ok(())
    }

    /// Says where the shipment was at `occurred`, by what this desk knew at `known`.
    fn tell(&self, occurred: &str, known: &str) -> Result<(), Box<dyn Error>> {
        let (occurred_until, known_at) = (Some(parse_time(occurred)?), Some(parse_time(known)?));
        let query = Query { occurred_until, known_at, ..Query::default() };
        let read = self.replica.reader().aggregate(&self.root, "VAX-7", &query)?;
        let read = read.ok_or("nothing was known")?;
        let shipment: Shipment = serde_json::from_slice(&read.state)?;
        let place = shipment.scans.last().map_or("nowhere", |(_, place)| &place.name);
        let custodian = shipment.custodian.as_deref().unwrap_or("nobody");
        println!("at {occurred}, as known at {known}: {place}, with {custodian},");
        println!("    too warm {} times, {} events", shipment.excursions.len(), read.event_count);
        Ok(())
    }

    fn print_history(&self) -> Result<(), Box<dyn Error>> {
        let print = &mut |event: &Event<'_>| {
            let times = [event.occurred(), event.recorded.to_unix_nanos(), event.arrived];
            let [occurred, recorded, arrived] = times.map(format_time);
            let event_type = event.record.event_type;
            println!("{occurred} {event_type:<15} recorded {recorded} arrived {arrived}");
            ControlFlow::Continue(())
        };
        let (reader, query) = (self.replica.reader(), Query::default());
        reader.aggregate_events(&self.root, "VAX-7", None, BATCH_EVENTS_MAX, &query, print)?;
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let (mut office, mut truck) = (Desk::open(1)?, Desk::open(2)?);
    let event = |event_type, data| Record::json("VAX-7", event_type, data);
    let scan = |data| Record { version: 2, ..event("LocationScanned", data) };

    // Saturday: the office still has the old scanner, which writes version 1.
    office.record("2024-03-02T08:00:00Z", event("CustodyTaken", r#"{"by":"Volta Freight"}"#))?;
    office.record("2024-03-02T09:00:00Z", event("LocationScanned", r#"{"site":"Accra"}"#))?;
    // Sunday: the truck is out of reach, and scans the wrong gate once.
    truck.record("2024-03-03T10:00:00Z", scan(r#"{"place":{"name":"Kumasi","gln":"6034000"}}"#))?;
    truck.record("2024-03-03T12:00:00Z", event("TemperatureRead", r#"{"celsius":11.5}"#))?;
    let wrong = truck.record("2024-03-03T13:00:00Z", scan(r#"{"place":{"name":"Tema"}}"#))?;
    // Tuesday: they meet; the wrong scan is declared an error; a paper form turns up.
    office.hear("2024-03-05T07:00:00Z", &truck)?;
    let declared = json!({ "event": wrong.to_string(), "reason": "wrong gate" }).to_string();
    let occurred = Some(parse_time("2024-03-03T13:00:00Z")?);
    let declared = Record { occurred, ..event("ErrorDeclared", &declared) };
    office.record("2024-03-05T08:00:00Z", declared)?;
    let occurred = Some(parse_time("2024-03-03T10:30:00Z")?);
    let form = Record { occurred, ..event("CustodyTaken", r#"{"by":"Kumasi Depot"}"#) };
    office.record("2024-03-05T09:00:00Z", form)?;

    office.print_history()?;
    for known in ["2024-03-04T09:00:00Z", "2024-03-05T07:30:00Z", "2024-03-05T10:00:00Z"] {
        office.tell("2024-03-03T18:00:00Z", known)?;
    }
    Ok(())
}
