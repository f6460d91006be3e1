//! The same typed calls on a device, in a server's own process, and at a server.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use laterbase_client::client::{Client, ClientError};
use laterbase_client::device::{Device, DeviceOptions};
use laterbase_client::transport::Transport;
use laterbase_core::event::Event;
use laterbase_core::fold::{Aggregate, FoldError, Folds, MergePatch, Refusal};
use laterbase_core::id::RootName;
use laterbase_core::memory_store::MemoryStore;
use laterbase_core::reader::{ReadError, Reader};
use laterbase_core::time::{format_time, parse_time};
use laterbase_core::typed::{self, AggregateAt, Append, At, Fact, Recorded, Unwritable};
use laterbase_server::{AggregateError, AppendError, Server, ServerHandle};
use serde::{Deserialize, Serialize};

use crate::depot::client;

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Shipment {
    place: String,
    seals: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
enum Scan {
    Arrived { at: String },
    Sealed,
}

impl Aggregate for Shipment {
    type Event = Scan;
    const NAME: &'static str = "shipment";

    fn validate(event: &Scan) -> Result<(), Refusal> {
        match event {
            Scan::Arrived { at } if at.is_empty() => Err("where did it arrive?".into()),
            _ => Ok(()),
        }
    }

    fn apply(&mut self, event: Scan, _: &Event<'_>) -> Result<(), FoldError> {
        match event {
            Scan::Arrived { at } => self.place = at,
            Scan::Sealed => self.seals += 1,
        }
        Ok(())
    }
}

/// Where typed events are appended and states are read.
trait Place {
    type AppendError: std::fmt::Display;
    type ReadError: std::fmt::Display;

    async fn append(&self, append: &Append<Shipment>) -> Result<Recorded, Self::AppendError>;
    async fn aggregate(
        &self,
        root: &RootName,
        id: &str,
        at: At,
    ) -> Result<Option<AggregateAt<Shipment>>, Self::ReadError>;
    fn is_precondition_failed(error: &Self::AppendError) -> bool;
    fn unwritable(error: &Self::AppendError) -> Option<&Unwritable>;
}

impl Place for Device {
    type AppendError = typed::AppendError;
    type ReadError = ReadError;

    async fn append(&self, append: &Append<Shipment>) -> Result<Recorded, Self::AppendError> {
        Self::append(self, append)
    }

    async fn aggregate(
        &self,
        root: &RootName,
        id: &str,
        at: At,
    ) -> Result<Option<AggregateAt<Shipment>>, ReadError> {
        Self::aggregate(self, root, id, at)
    }

    fn is_precondition_failed(error: &Self::AppendError) -> bool {
        error.is_precondition_failed()
    }

    fn unwritable(error: &Self::AppendError) -> Option<&Unwritable> {
        if let typed::AppendError::Unwritable(fault) = error { Some(fault) } else { None }
    }
}

impl Place for ServerHandle {
    type AppendError = AppendError;
    type ReadError = AggregateError;

    async fn append(&self, append: &Append<Shipment>) -> Result<Recorded, AppendError> {
        Self::append(self, append).await
    }

    async fn aggregate(
        &self,
        root: &RootName,
        id: &str,
        at: At,
    ) -> Result<Option<AggregateAt<Shipment>>, AggregateError> {
        Self::aggregate(self, root, id, at).await
    }

    fn is_precondition_failed(error: &AppendError) -> bool {
        error.is_precondition_failed()
    }

    fn unwritable(error: &AppendError) -> Option<&Unwritable> {
        if let AppendError::Unwritable(fault) = error { Some(fault) } else { None }
    }
}

impl<T: Transport> Place for Client<T> {
    type AppendError = ClientError;
    type ReadError = ClientError;

    async fn append(&self, append: &Append<Shipment>) -> Result<Recorded, ClientError> {
        Self::append(self, append).await
    }

    async fn aggregate(
        &self,
        root: &RootName,
        id: &str,
        at: At,
    ) -> Result<Option<AggregateAt<Shipment>>, ClientError> {
        Self::aggregate(self, root, id, at).await
    }

    fn is_precondition_failed(error: &ClientError) -> bool {
        error.is_precondition_failed()
    }

    fn unwritable(error: &ClientError) -> Option<&Unwritable> {
        if let ClientError::Unwritable(fault) = error { Some(fault) } else { None }
    }
}

/// What a clock on the wall says.
#[derive(Clone)]
struct WallClock(Arc<AtomicI64>);

impl WallClock {
    fn at(time: &str) -> Self {
        Self(Arc::new(AtomicI64::new(parse_time(time).unwrap())))
    }

    fn set(&self, time: &str) {
        self.0.store(parse_time(time).unwrap(), Ordering::SeqCst);
    }

    fn read(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

fn root() -> RootName {
    RootName::new("shipment").unwrap()
}

fn append(id: &str) -> Append<Shipment> {
    Append::to(&root(), id)
}

fn arrived(at: &str) -> Scan {
    Scan::Arrived { at: at.to_owned() }
}

fn time(text: &str) -> i64 {
    parse_time(text).unwrap()
}

/// A day of one shipment: what was said of it, and what is read of it.
async fn check_a_day<P: Place>(place: &P, clock: &WallClock) {
    let first = append("VAX-7")
        .event(arrived("Accra"))
        .event(Fact::of(Scan::Sealed).occurred_at(time("2024-03-02T08:00:00Z")))
        .occurred_at(time("2024-03-02T09:00:00Z"))
        .occurred_offset(60)
        .metadata("actor", "Ama")
        .key("paper-17")
        .if_absent();
    let Ok(stored) = place.append(&first).await else { panic!("the first append is refused") };
    assert_eq!(stored.ids.len(), 2);
    assert!(!stored.is_repeat);

    let Ok(again) = place.append(&first).await else { panic!("a repeat is refused") };
    assert_eq!(again.ids, stored.ids);
    assert!(again.is_repeat);

    clock.set("2024-03-05T07:00:00Z");
    for late in [append("VAX-7").if_absent(), append("VAX-7").if_etag("0")] {
        let refused = place.append(&late.event(arrived("Tema"))).await.err().unwrap();
        assert!(P::is_precondition_failed(&refused), "{refused}");
    }
    let next = append("VAX-7").event(arrived("Kumasi")).if_etag(stored.etag.unwrap());
    let next = next.occurred_at(time("2024-03-03T10:00:00Z"));
    let Ok(next) = place.append(&next).await else { panic!("the etag is the one of now") };
    check_reads(place, next.etag.as_deref()).await;

    let back = Fact::of(Scan::Sealed).voids(next.ids);
    let Ok(back) = place.append(&append("VAX-7").event(back).if_present()).await else {
        panic!("it is not taken back");
    };
    check_place(place, At::now(), "Accra", 2).await;
    assert_eq!(back.ids.len(), 1);
}

async fn check_reads<P: Place>(place: &P, etag: Option<&str>) {
    let Ok(Some(now)) = place.aggregate(&root(), "VAX-7", At::now()).await else {
        panic!("it is not there");
    };
    assert_eq!(now.state, Shipment { place: "Kumasi".to_owned(), seals: 1 });
    assert_eq!((now.event_count, now.refused_count, Some(&*now.etag)), (3, 0, etag));
    let saturday = time("2024-03-02T08:30:00Z");
    check_place(place, At::now().occurred_until(saturday), "", 1).await;
    check_place(place, At::now().recorded_until(time("2024-03-04T00:00:00Z")), "Accra", 1).await;
    check_place(place, At::now().known_at(time("2024-03-04T00:00:00Z")), "Accra", 1).await;
    let sunday = At::now().occurred_until(time("2024-03-03T23:59:59Z"));
    check_place(place, sunday, "Kumasi", 1).await;
    check_place(place, sunday.known_at(time("2024-03-04T00:00:00Z")), "Accra", 1).await;
    for (id, at) in [("VAX-8", At::now()), ("VAX-7", At::now().occurred_until(0))] {
        let unknown = place.aggregate(&root(), id, at).await;
        assert!(matches!(unknown, Ok(None)));
    }
}

async fn check_place<P: Place>(place: &P, at: At, expected: &str, seals: u32) {
    match place.aggregate(&root(), "VAX-7", at).await {
        Ok(Some(read)) => assert_eq!((&*read.state.place, read.state.seals), (expected, seals)),
        Ok(None) => panic!("nothing is known at {at:?}"),
        Err(error) => panic!("{error}"),
    }
}

async fn check_refusals<P: Place>(place: &P) {
    let refused = place.append(&append("VAX-9")).await.err().unwrap();
    assert_eq!(P::unwritable(&refused), Some(&Unwritable::Empty));
    let refused = place.append(&append("VAX-9").event(arrived("")).metadata("a", "b")).await;
    let refused = refused.err().unwrap().to_string();
    assert!(refused.contains("where did it arrive?"), "{refused}");
    let other = RootName::new("truck").unwrap();
    assert!(place.aggregate(&other, "T1", At::now()).await.is_err(), "it is no root of shipments");
}

/// What was written, as the log has it.
fn written(reader: &Reader) -> Vec<String> {
    let mut events = Vec::new();
    let query = At::now().query("shipment");
    let visit = &mut |event: &Event<'_>| {
        let record = event.record;
        let data = str::from_utf8(record.data).unwrap();
        let (occurred, offset) = (format_time(event.occurred()), record.occurred_offset);
        let (actor, key) = (record.metadata.get("actor"), record.idempotency_key);
        events
            .push(format!("{} {data} {occurred} {offset:?} {actor:?} {key:?}", record.event_type));
        ControlFlow::Continue(())
    };
    reader.aggregate_events(&root(), "VAX-7", None, 100, &query, visit).unwrap();
    events
}

#[track_caller]
fn check_written(reader: &Reader) {
    assert_eq!(
        written(reader),
        [
            r#"Sealed null 2024-03-02T08:00:00Z None Some("Ama") Some("paper-17#1")"#,
            r#"Arrived {"at":"Accra"} 2024-03-02T09:00:00Z Some(60) Some("Ama") Some("paper-17")"#,
            r#"Arrived {"at":"Kumasi"} 2024-03-03T10:00:00Z None None None"#,
            r#"Sealed null 2024-03-03T10:00:00Z None None None"#,
        ]
    );
}

const SATURDAY: &str = "2024-03-02T10:00:00Z";

fn served(clock: &WallClock) -> Server {
    let clock = clock.clone();
    let builder = Server::builder().aggregate::<Shipment>("shipment");
    let builder = builder.fold("truck", Arc::new(MergePatch));
    builder.clock(Arc::new(move || clock.read())).build().unwrap()
}

#[tokio::test]
async fn a_day_on_a_device() {
    let clock = WallClock::at(SATURDAY);
    let wall_clock = clock.clone();
    let folds = Folds::new().aggregate::<Shipment>("shipment").unwrap();
    let folds = folds.fold("truck", Arc::new(MergePatch)).unwrap();
    let wall_clock = Box::new(move || wall_clock.read());
    let options = DeviceOptions { folds, wall_clock, ..DeviceOptions::default() };
    let device = Device::over(Arc::new(MemoryStore::new()), options).unwrap();
    check_a_day(&device, &clock).await;
    check_written(device.reader());
    check_refusals(&device).await;
}

#[tokio::test]
async fn a_day_in_a_servers_own_process() {
    let clock = WallClock::at(SATURDAY);
    let server = served(&clock);
    check_a_day(&server.handle(), &clock).await;
    check_written(server.reader());
    check_refusals(&server.handle()).await;
    let nobodys = RootName::new("order").unwrap();
    let append = Append::<Shipment>::to(&nobodys, "O1").event(Scan::Sealed);
    let refused = server.handle().append(&append).await;
    assert!(matches!(refused, Err(AppendError::UnknownRoot { .. })));
    let unknown = server.handle().aggregate::<Shipment>(&nobodys, "O1", At::now()).await;
    assert!(matches!(unknown, Err(AggregateError::UnknownRoot { .. })));
}

#[tokio::test]
async fn a_day_at_a_server() {
    let clock = WallClock::at(SATURDAY);
    let server = served(&clock);
    let client = client(&server);
    check_a_day(&client, &clock).await;
    check_written(server.reader());
    check_refusals(&client).await;
    let nobodys = RootName::new("order").unwrap();
    let unknown = client.aggregate::<Shipment>(&nobodys, "O1", At::now()).await.unwrap_err();
    assert!(unknown.problem().is_some_and(|problem| problem.is("unknown-root")), "{unknown}");
}

/// A large append is made ready, and a large state read, away from the runtime's threads.
#[tokio::test]
async fn a_large_append_and_a_large_state_in_a_servers_own_process() {
    let server = served(&WallClock::at(SATURDAY));
    let handle = server.handle();
    let place = "x".repeat(600_000);
    handle.append(&append("VAX-7").event(arrived(&place))).await.unwrap();
    for _ in 0..2 {
        let read = handle.aggregate::<Shipment>(&root(), "VAX-7", At::now()).await.unwrap();
        assert_eq!(read.unwrap().state.place, place);
    }
    let refused = append("VAX-7").event(arrived(&place)).event(arrived(""));
    let refused = handle.append(&refused).await;
    assert!(matches!(refused, Err(AppendError::Unwritable(_))));
}
