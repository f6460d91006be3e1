//! Following a server's events, over cut links and restarts, into a read model.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use bytes::Bytes;
use futures_util::StreamExt;
use http::{Request, Response};
use http_body_util::{BodyExt, StreamBody};
use laterbase_client::client::{
    Checkpoint, Client, ClientError, EventFilter, NewEvent, ReadModelError, ReceivedEvent, Roots,
    SubscribeOptions, SubscriptionError,
};
use laterbase_client::sync::BackoffOptions;
use laterbase_client::transport::{ResponseBody, ServiceTransport, Transport, TransportError};
use laterbase_core::fold::MergePatch;
use laterbase_core::memory_store::MemoryStore;
use laterbase_server::Server;
use tokio::time::timeout;

use crate::depot::{client, server};
use crate::dice::{Dice, seeds};
use crate::forged::{first_events, root};
use crate::one_cut::broken;

const ROOTS: [&str; 3] = ["order", "shipment", "shipment@depot-7"];
const EVENTS: usize = 300;

const IMPATIENT: SubscribeOptions = SubscribeOptions {
    silence_max: Duration::from_secs(30),
    backoff: BackoffOptions {
        first: Duration::ZERO,
        longest: Duration::ZERO,
        failures_max: u32::MAX,
    },
};

fn event(number: usize) -> NewEvent {
    NewEvent {
        aggregate_id: format!("a-{}", number % 7),
        event_type: if number.is_multiple_of(3) { "Third" } else { "Other, with a comma" }
            .to_owned(),
        data: Some(serde_json::from_str(&number.to_string()).unwrap()),
        ..NewEvent::default()
    }
}

/// A link to a server that is restarted now and then, and whose answers break anywhere.
#[derive(Clone)]
struct Link(Arc<Mutex<Place>>);

struct Place {
    store: MemoryStore,
    /// What stands there now, and how many requests it answers before it is started anew.
    server: Option<(Server, usize)>,
    dice: Dice,
}

impl Link {
    fn new(store: MemoryStore, seed: u64) -> Self {
        let place = Place { store, server: None, dice: Dice::new(seed) };
        Self(Arc::new(Mutex::new(place)))
    }

    /// What answers now, and after how many pieces of its answer the link breaks.
    fn next(&self) -> (Router, usize) {
        let place = &mut *self.0.lock().unwrap();
        if place.server.as_ref().is_none_or(|(_, left)| *left == 0) {
            // Streams of the old one may still be read to where they break.
            drop(place.server.take());
            let builder = Server::builder().store(Arc::new(place.store.reopen()));
            let server = builder.fallback(Arc::new(MergePatch)).build().unwrap();
            place.server = Some((server, 2 + place.dice.below(5)));
        }
        let (server, left) = place.server.as_mut().unwrap();
        *left -= 1;
        (server.router(), place.dice.below(6))
    }
}

impl Transport for Link {
    async fn send(
        &self,
        request: Request<Bytes>,
    ) -> Result<Response<ResponseBody>, TransportError> {
        let (router, pieces) = self.next();
        let response = ServiceTransport::new(router).send(request).await?;
        let frames = |body: ResponseBody| {
            let whole = body.into_data_stream().map(|piece| piece.map(http_body::Frame::data));
            whole.take(pieces).chain(futures_util::stream::iter([Err(broken())]))
        };
        Ok(response.map(|body| StreamBody::new(frames(body)).boxed_unsync()))
    }
}

/// A read model in memory, whose transactions fail now and then.
struct Ledger {
    kept: Vec<String>,
    cursor: Option<String>,
    restarts: usize,
    dice: Dice,
}

impl Ledger {
    fn new(seed: u64) -> Self {
        Self { kept: Vec::new(), cursor: None, restarts: 0, dice: Dice::new(seed) }
    }
}

impl Checkpoint for Ledger {
    type Error = &'static str;

    async fn load(&mut self) -> Result<Option<String>, Self::Error> {
        Ok(self.cursor.clone())
    }

    async fn apply(&mut self, events: &[ReceivedEvent], cursor: &str) -> Result<(), Self::Error> {
        // Where a read model waits, it may be given up.
        tokio::task::yield_now().await;
        if self.dice.below(5) == 0 {
            return Err("the disk is full");
        }
        self.kept.extend(events.iter().map(|event| event.id.to_string()));
        self.cursor = Some(cursor.to_owned());
        Ok(())
    }

    async fn restart(&mut self) -> Result<(), Self::Error> {
        (self.kept, self.cursor) = (Vec::new(), None);
        self.restarts += 1;
        Ok(())
    }
}

/// The ids of all events that a filter takes, in the order of their arrival.
async fn all(client: &Client<impl Transport>, filter: &EventFilter) -> Vec<String> {
    let (mut ids, mut after) = (Vec::new(), None);
    loop {
        let page = client.events(after.as_deref(), filter, 70).await.unwrap();
        ids.extend(page.events.iter().map(|event| event.id.to_string()));
        after = Some(page.after);
        if !page.more {
            return ids;
        }
    }
}

async fn write_some(client: &Client<impl Transport>, dice: &mut Dice, from: usize) -> usize {
    let name = ROOTS[dice.below(ROOTS.len())];
    if dice.below(3) == 0 {
        let page = first_events(name, from as u128..from as u128 + 2, "[]");
        client.push(page.into()).await.unwrap();
        return 2;
    }
    let count = 1 + dice.below(12);
    let events: Vec<NewEvent> = (from..from + count).map(event).collect();
    client.write(&root(name), &events).await.unwrap();
    count
}

/// Mutation: a subscription that keeps the cursor of the message before loses nothing and gets
/// events twice; one that takes a cursor for its own before its event was read loses it.
#[tokio::test]
async fn a_read_model_takes_every_event_in_once_and_in_order() {
    for seed in seeds(6) {
        eprintln!("LATERBASE_SEED={seed}");
        let mut dice = Dice::new(seed);
        let filter = match seed % 3 {
            0 => EventFilter::default(),
            1 => EventFilter { roots: "order,shipment@*".parse().unwrap(), ..Default::default() },
            _ => {
                let types = vec!["Other, with a comma".to_owned(), "Scanned".to_owned()];
                EventFilter { types, ..Default::default() }
            }
        };
        let store = MemoryStore::new();
        let mut ledger = Ledger::new(seed);
        let mut written = 0;
        while written < EVENTS {
            let builder = Server::builder().store(Arc::new(store.reopen()));
            let server = builder.fallback(Arc::new(MergePatch)).build().unwrap();
            for _ in 0..4 {
                written += write_some(&client(&server), &mut dice, written).await;
            }
            drop(server);
            let following = Client::new(
                "http://depot".parse().unwrap(),
                Link::new(store.reopen(), dice.roll()),
            );
            let pause = Duration::from_millis(dice.below(20) as u64);
            let _gave_up = timeout(pause, following.keep(&mut ledger, &filter, IMPATIENT)).await;
        }
        let builder = Server::builder().store(Arc::new(store.reopen()));
        let server = builder.fallback(Arc::new(MergePatch)).build().unwrap();
        let expected = all(&client(&server), &filter).await;
        let expected_count = expected.len();
        for _ in 0..1_000 {
            if ledger.kept.len() >= expected_count {
                break;
            }
            let direct = client(&server);
            let keeping = direct.keep(&mut ledger, &filter, IMPATIENT);
            let _gave_up = timeout(Duration::from_millis(20), keeping).await;
        }
        assert_eq!(ledger.kept, expected);
        assert_eq!(ledger.restarts, 0);
    }
}

#[tokio::test]
async fn a_read_model_begins_anew_where_the_log_is_another() {
    let (first, second) = (server(), server());
    let (mut ledger, filter) = (Ledger::new(7), EventFilter::default());
    for (server, count) in [(&first, 5), (&second, 3)] {
        let client = client(server);
        let events: Vec<NewEvent> = (0..count).map(event).collect();
        client.write(&root("order"), &events).await.unwrap();
        let expected = all(&client, &filter).await;
        for _ in 0..200 {
            let keeping = client.keep(&mut ledger, &filter, IMPATIENT);
            if let Ok(Err(ReadModelError::Subscription(error))) =
                timeout(Duration::from_millis(20), keeping).await
            {
                panic!("{error}");
            }
            if ledger.kept == expected {
                break;
            }
        }
        assert_eq!(ledger.kept, expected);
    }
    assert_eq!(ledger.restarts, 1);
}

#[tokio::test]
async fn what_came_in_last_is_read_from_the_end() {
    let server = server();
    let client = client(&server);
    let events: Vec<NewEvent> = (0..7).map(event).collect();
    client.write(&root("order"), &events).await.unwrap();
    let filter = EventFilter::default();
    let mut expected = all(&client, &filter).await;
    expected.reverse();
    let (mut found, mut before) = (Vec::new(), None);
    loop {
        let page = client.events_back(before.as_deref(), &filter, 3).await.unwrap();
        found.extend(page.events.iter().map(|event| event.id.to_string()));
        if !page.more {
            break;
        }
        before = Some(page.after);
    }
    assert_eq!(found, expected);
    let future = EventFilter { recorded_from: Some(i64::MAX), ..EventFilter::default() };
    assert!(client.events_back(None, &future, 3).await.unwrap().events.is_empty());
}

#[tokio::test]
async fn states_are_kept_by_what_changed_since_a_list() {
    let server = server();
    let client = client(&server);
    let partitions: Roots = "shipment@*".parse().unwrap();
    client.write(&root("shipment@depot-7"), &[event(1), event(2)]).await.unwrap();
    client.write(&root("order"), &[event(1)]).await.unwrap();
    let page = client.aggregates(partitions.clone(), None, 1).await.unwrap();
    let since = page.changed_since.unwrap();
    assert!(page.next.is_some());
    assert_eq!(page.aggregates[0].root.as_deref(), Some("shipment@depot-7"));
    let none = client.changed(partitions.clone(), &since, 10).await.unwrap();
    assert!(none.aggregates.is_empty() && !none.more);
    client.write(&root("shipment@depot-9"), &[event(3), event(10)]).await.unwrap();
    client.write(&root("order"), &[event(4)]).await.unwrap();
    let page = client.changed(partitions, &since, 10).await.unwrap();
    let changed: Vec<_> =
        page.aggregates.iter().map(|row| (row.root.as_deref().unwrap(), row.id.as_str())).collect();
    assert_eq!(changed, [("shipment@depot-9", "a-3")], "both events are of one aggregate");
    assert_eq!(page.aggregates[0].state.as_ref().unwrap().get(), "10");
    let page = client.changed(&root("order"), &since, 10).await.unwrap();
    assert_eq!((page.aggregates.len(), page.aggregates[0].root.as_deref()), (1, None));
}

#[tokio::test]
async fn what_cannot_be_followed_says_so() {
    let (here, elsewhere) = (server(), server());
    let (here, elsewhere) = (client(&here), client(&elsewhere));
    for client in [&here, &elsewhere] {
        client.write(&root("order"), &[event(1)]).await.unwrap();
    }
    let page = here.events(None, &EventFilter::default(), 1).await.unwrap();
    let mut stream = elsewhere.subscribe(Some(&page.after), EventFilter::default()).into_stream();
    let error = stream.next().await.unwrap().unwrap_err();
    assert!(matches!(error, SubscriptionError::CursorGone(_)), "{error}");
    assert!(stream.next().await.is_none());
    let mut stream = here.subscribe(Some("nonsense"), EventFilter::default()).into_stream();
    let error = stream.next().await.unwrap().unwrap_err();
    assert!(matches!(error, SubscriptionError::Failed(ClientError::Problem(_))), "{error}");
    let only_orders = Server::builder().fold("order", Arc::new(MergePatch)).build().unwrap();
    let filter = EventFilter { roots: "truck".parse().unwrap(), ..Default::default() };
    let only_orders = client(&only_orders);
    let mut stream = only_orders.subscribe(None, filter).into_stream();
    let error = stream.next().await.unwrap().unwrap_err();
    assert!(matches!(error, SubscriptionError::NotFound(_)), "{error}");
}

#[tokio::test]
async fn events_and_the_cursors_behind_them_come_as_a_stream() {
    let server = server();
    let client = client(&server);
    let events: Vec<NewEvent> = (0..4).map(event).collect();
    let written = client.write(&root("order"), &events).await.unwrap();
    let mut stream = client.subscribe(None, EventFilter::default()).into_stream();
    let (first, cursor) = stream.next().await.unwrap().unwrap();
    assert_eq!(first.id, written.ids[0]);
    drop(stream);
    let third = EventFilter { types: vec!["Third".to_owned()], ..Default::default() };
    let mut stream = client.subscribe(Some(&cursor), third).into_stream();
    let (last, _) = stream.next().await.unwrap().unwrap();
    assert_eq!((&last.id, last.data.unwrap().get()), (&written.ids[3], "3"));

    let correction = NewEvent {
        metadata: [("actor".to_owned(), "A. Okoro".to_owned())].into(),
        voids: vec![written.ids[1].clone()],
        ..event(1)
    };
    let correction = client.write(&root("order"), &[correction]).await.unwrap().ids;
    let told = client.event(&correction[0]).await.unwrap().unwrap();
    assert_eq!((&told.voids[0], &told.metadata["actor"][..]), (&written.ids[1], "A. Okoro"));
    let wrong = client.event(&written.ids[1]).await.unwrap().unwrap();
    assert_eq!((wrong.voided_by, wrong.voids), (correction, vec![]));

    let found = client.event(&written.ids[2]).await.unwrap().unwrap();
    assert_eq!(found.data.unwrap().get(), "2");
    let mut absent = written.ids[2].clone();
    absent.dot.seq = 99;
    assert!(client.event(&absent).await.unwrap().is_none());
}
