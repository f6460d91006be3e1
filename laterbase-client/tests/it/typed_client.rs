//! The typed calls against a real server behind a real socket.

use laterbase_client::client::{Client, ClientError, NewEvent};
use laterbase_client::transport::{HttpTransport, TransportError};
use laterbase_core::id::RootName;
use laterbase_core::version_vector::VersionVector;

use crate::depot::{Listening, server};

fn connect(url: &str) -> Client<HttpTransport> {
    Client::new(url.parse().unwrap(), HttpTransport::new().unwrap())
}

fn root() -> RootName {
    RootName::new("flight").unwrap()
}

fn event(id: &str, data: &str) -> NewEvent {
    NewEvent {
        aggregate_id: id.to_owned(),
        event_type: "Departed".to_owned(),
        occurred_at: Some("2013-01-01T05:17:00Z".to_owned()),
        data: Some(serde_json::from_str(data).unwrap()),
        ..NewEvent::default()
    }
}

const ID: &str = "UA1545/2013-01-01/EWR";

#[tokio::test]
async fn what_is_written_is_read_back_by_every_route() {
    let listening = Listening::start(server());
    let client = connect(&listening.url());
    let events = [event(ID, r#"{"gate":"A1"}"#), event("B 6", r#"{"gate": 7.50}"#)];
    let written = client.write(&root(), &events).await.unwrap();
    assert_eq!(written.ids.len(), 2);

    let aggregate = client.aggregate_json(&root(), ID).await.unwrap().unwrap();
    assert_eq!((aggregate.state.get(), aggregate.event_count), (r#"{"gate":"A1"}"#, 1));
    assert!(client.aggregate_json(&root(), "UA1545").await.unwrap().is_none());

    let first = client.aggregates(&root(), None, 1).await.unwrap();
    let second = client.aggregates(&root(), first.next.as_deref(), 1).await.unwrap();
    assert_eq!((first.aggregates[0].id.as_str(), second.aggregates[0].id.as_str()), ("B 6", ID));
    assert_eq!(second.next, None);
    assert_eq!(second.aggregates[0].state.as_ref().unwrap().get(), r#"{"gate":"A1"}"#);

    let late = NewEvent { occurred_at: Some("2012-12-31T00:00:00Z".to_owned()), ..event(ID, "[]") };
    let third = client.write(&root(), &[late]).await.unwrap();
    let first = client.history(&root(), ID, None, 1).await.unwrap();
    let second = client.history(&root(), ID, first.next.as_deref(), 1).await.unwrap();
    assert_eq!((&first.events[0].id, &second.events[0].id), (&third.ids[0], &written.ids[0]));
    assert_eq!(second.next, None);

    let page = client.feed(&root(), &VersionVector::new(), 1).await.unwrap();
    assert_eq!((&page.events[0].id, page.more), (&written.ids[0], true));
    let page = client.feed(&root(), &page.vv, 10).await.unwrap();
    assert_eq!(page.events[0].data.as_ref().unwrap().get(), r#"{"gate": 7.50}"#);
    assert_eq!((&page.events[1].id, page.more), (&third.ids[0], false));

    let status = client.status().await.unwrap();
    let held = &status.roots[&root()];
    assert_eq!((held.events, held.aggregates, &held.vv), (3, 2, &page.vv));
}

#[tokio::test]
async fn a_write_made_again_under_its_key_stores_nothing() {
    let listening = Listening::start(server());
    let client = connect(&listening.url());
    let events = [NewEvent { idempotency_key: Some("k".to_owned()), ..event(ID, "1") }];
    let first = client.write(&root(), &events).await.unwrap();
    assert_eq!(client.write(&root(), &events).await.unwrap(), first);
}

#[tokio::test]
async fn a_refused_event_is_named_by_index_and_field() {
    let listening = Listening::start(server());
    let client = connect(&listening.url());
    let error = client.write(&root(), &[event(ID, "1"), event("", "2")]).await.unwrap_err();
    let problem = error.problem().unwrap();
    assert_eq!((problem.status.as_u16(), problem.index), (422, Some(1)));
    assert_eq!(problem.field.as_deref(), Some("aggregate_id"));
    assert!(client.status().await.unwrap().roots.values().all(|root| root.events == 0));
}

#[tokio::test]
async fn deltas_go_both_ways() {
    let (near, far) = (Listening::start(server()), Listening::start(server()));
    let (near, far) = (connect(&near.url()), connect(&far.url()));
    near.write(&root(), &[event(ID, "1"), event(ID, "2")]).await.unwrap();
    let held = near.status().await.unwrap().roots[&root()].vv.clone();
    let page = near.pull_delta(&root(), &VersionVector::new(), 10).await.unwrap();
    assert_eq!(far.push_delta(&root(), page.clone()).await.unwrap(), held);
    assert_eq!(far.push_delta(&root(), page).await.unwrap(), held, "again, to no effect");
}

#[tokio::test]
async fn a_delta_with_a_hole_is_answered_with_what_is_held() {
    let (near, far) = (Listening::start(server()), Listening::start(server()));
    let (near, far) = (connect(&near.url()), connect(&far.url()));
    near.write(&root(), &[event(ID, "1")]).await.unwrap();
    let first = near.status().await.unwrap().roots[&root()].vv.clone();
    near.write(&root(), &[event(ID, "2")]).await.unwrap();
    let page = near.pull_delta(&root(), &first, 10).await.unwrap();
    let error = far.push_delta(&root(), page).await.unwrap_err();
    let problem = error.problem().unwrap();
    assert_eq!((problem.status.as_u16(), &problem.vv), (409, &Some(VersionVector::new())));
}

#[tokio::test]
async fn a_server_that_is_not_there_took_nothing() {
    let address = Listening::start(server()).url();
    let client = connect(&address);
    let error = client.status().await.unwrap_err();
    assert!(matches!(error, ClientError::Transport(TransportError::Connect { .. })), "{error:?}");
    assert!(error.is_transient());
    assert_eq!(client.traffic().bytes_sent, 0);
}
