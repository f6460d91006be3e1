//! The stream over everything, as `docs/protocol.md` shows it.

use std::fmt::Write as _;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use laterbase_client::transport::{ResponseBody, ServiceTransport, Transport};
use laterbase_core::event::Record;

use crate::forged::{first_events, root};
use crate::page_block::check_block;
use crate::steady_replica::SteadyReplica;

/// Asks, and puts question and answer on the page. Gives the answer's headers.
async fn show(
    page: &mut String,
    transport: &impl Transport,
    target: &str,
    headers: &[(&str, &str)],
) -> (HeaderMap, Bytes) {
    writeln!(page, "```http\nGET {target} HTTP/1.1").unwrap();
    let mut request = Request::get(target).header("host", "depot.example:4920");
    for (name, value) in headers {
        writeln!(page, "{name}: {value}").unwrap();
        request = request.header(*name, *value);
    }
    let answer = transport.send(request.body(Bytes::new()).unwrap()).await.unwrap();
    let status = answer.status();
    writeln!(page, "\nHTTP/1.1 {status}").unwrap();
    for (name, value) in answer.headers() {
        let is_told = name == "content-type" || name.as_str().starts_with("laterbase-");
        if is_told {
            writeln!(page, "{name}: {}", value.to_str().unwrap()).unwrap();
        }
    }
    let headers = answer.headers().clone();
    let body = body_of(answer).await;
    writeln!(page, "\n{}\n```\n", std::str::from_utf8(&body).unwrap().trim_end()).unwrap();
    (headers, body)
}

/// The body, or of one that never ends what comes at once.
async fn body_of(answer: Response<ResponseBody>) -> Bytes {
    let is_live = answer.headers()["content-type"] == "text/event-stream";
    let mut body = answer.into_body();
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let data = frame.unwrap().into_data().unwrap_or_default();
        let is_news = !data.starts_with(b":");
        bytes.extend_from_slice(&data);
        if is_live && is_news {
            break;
        }
    }
    bytes.freeze()
}

#[tokio::test]
async fn the_samples_of_the_stream_are_what_is_said() {
    let replica = SteadyReplica::new(3);
    replica.merge(&first_events("order", 7..8, r#"{"qty":2}"#));
    replica.merge(&first_events("shipment@depot-7", 9..10, r#"{"at":"Lagos"}"#));
    let device = SteadyReplica::new(4).device();
    let mut batch = device.batch(&root("shipment@depot-8"));
    let occurred = Some(1_709_200_800_000_000_000);
    let departed = Record::json("ASN-5", "Departed", r#"{"from":"Abuja"}"#);
    batch.push(&Record { occurred, ..departed }).unwrap();
    device.record(&batch).unwrap();
    let delta = device.reader().delta(&root("shipment@depot-8"), &Default::default(), 9, 1 << 20);
    replica.merge(&delta.unwrap().bytes);

    let transport = ServiceTransport::new(replica.server().router());
    let mut page = String::new();
    page.push_str("The first two events of two kinds of roots.\n\n");
    let target = "/events?roots=order,shipment@*&limit=2";
    let (_, body) = show(&mut page, &transport, target, &[]).await;
    let first: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let after = first["after"].as_str().unwrap();

    page.push_str("What came behind them, as CloudEvents.\n\n");
    let target = format!("/events?roots=order,shipment@*&after={after}");
    let clouds = [("accept", "application/cloudevents-batch+json")];
    let (headers, _) = show(&mut page, &transport, &target, &clouds).await;

    page.push_str("All departures, live.\n\n");
    let live = [("accept", "text/event-stream"), ("last-event-id", after)];
    show(&mut page, &transport, "/events?types=Departed", &live).await;

    page.push_str("One event.\n\n");
    let id = first["events"][0]["id"].as_str().unwrap();
    show(&mut page, &transport, &format!("/events/{id}"), &[]).await;

    page.push_str("Two of them, one of which this server does not hold.\n\n");
    let absent = id.replace("-1", "-2");
    show(&mut page, &transport, &format!("/events?ids={id},{absent}"), &[]).await;

    page.push_str("A cursor of another log.\n\n");
    let other = format!("A{}", &headers["laterbase-after"].to_str().unwrap()[1..]);
    show(&mut page, &transport, &format!("/events?after={other}"), &[]).await;
    check_block("stream samples", page.trim_end_matches('\n'));
}
