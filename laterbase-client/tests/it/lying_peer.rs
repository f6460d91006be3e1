//! Servers that lie: what they say is refused or contained, whatever it is.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Collected};
use laterbase_client::client::{Client, Compression};
use laterbase_client::device::Device;
use laterbase_client::sync::{SyncError, SyncReport, sync};
use laterbase_client::transport::{ResponseBody, ServiceTransport, Transport, TransportError};
use laterbase_core::heads::{HeadEntry, HeadsPage};
use laterbase_server::Server;
use serde_json::json;
use tokio::time::timeout;
use tower::ServiceExt;

use crate::depot::{client, client_over, contents, device, holdings, impatient, said_in, server};
use crate::forged::{claim, first_events, origin, root, sealed};
use crate::sample;

/// An answer on its way, with what was asked.
struct Answer {
    method: Method,
    path: String,
    query: String,
    /// Which of the link's answers it is, from 0.
    number: u32,
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    /// In place of `body`, as large as it takes.
    endless: bool,
}

impl Answer {
    fn is_page(&self) -> bool {
        self.headers.get("content-type").is_some_and(|v| v == "application/vnd.laterbase.delta")
    }

    fn is_heads(&self) -> bool {
        self.path == "/sync/heads" && self.status == StatusCode::OK
    }

    fn is_log(&self) -> bool {
        (&self.method, self.path.as_str()) == (&Method::GET, "/sync")
    }

    fn is_push(&self) -> bool {
        (&self.method, self.path.as_str()) == (&Method::POST, "/sync")
    }

    fn set(&mut self, name: &'static str, value: impl AsRef<str>) {
        self.headers.insert(name, value.as_ref().parse().unwrap());
    }

    /// Another body, and headers that fit it.
    fn say(&mut self, status: u16, media_type: &'static str, body: impl Into<Bytes>) {
        self.status = StatusCode::from_u16(status).unwrap();
        self.body = body.into();
        self.headers.remove("content-length");
        self.set("content-type", media_type);
    }

    /// A page in place of what the server gives, as long as it gives something.
    fn say_page(&mut self, page: Vec<u8>) {
        if self.is_log() || self.path == "/sync/wants" {
            self.say(200, "application/vnd.laterbase.delta", page);
            self.set("laterbase-more", "false");
        }
    }

    fn say_heads(&mut self, page: &HeadsPage) {
        if self.is_heads() {
            self.body = page.encode().into();
            self.headers.remove("content-length");
            self.headers.remove("laterbase-next");
            if let Some((root, origin)) = &page.next {
                self.set("laterbase-next", format!("{root}/{origin}"));
            }
        }
    }
}

/// Passes requests on to an honest server and tells something else than it answers.
struct Liar<F> {
    router: Router,
    lie: F,
    answers: AtomicU32,
}

impl<F: Fn(&mut Answer) + Send + Sync> Transport for Liar<F> {
    async fn send(
        &self,
        request: Request<Bytes>,
    ) -> Result<Response<ResponseBody>, TransportError> {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let response = self.router.clone().oneshot(request.map(Body::from)).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.map(Collected::to_bytes).unwrap();
        let mut answer = Answer {
            method,
            path: uri.path().to_owned(),
            query: uri.query().unwrap_or_default().to_owned(),
            number: self.answers.fetch_add(1, Ordering::Relaxed),
            status: head.status,
            headers: head.headers,
            body,
            endless: false,
        };
        (self.lie)(&mut answer);
        let body = if answer.endless { zeros() } else { Body::from(answer.body) };
        let broken = |error: axum::Error| TransportError::Broken { source: error.into() };
        let mut response = Response::new(body.map_err(broken).boxed_unsync());
        *response.status_mut() = answer.status;
        *response.headers_mut() = answer.headers;
        Ok(response)
    }
}

fn zeros() -> Body {
    let piece = Bytes::from(vec![0; 64 * 1024]);
    Body::from_stream(stream::repeat_with(move || Ok::<_, io::Error>(piece.clone())))
}

fn liar<F: Fn(&mut Answer) + Send + Sync>(server: &Server, lie: F) -> Client<Liar<F>> {
    let liar = Liar { router: server.router(), lie, answers: AtomicU32::new(0) };
    client_over(liar).with_compression(Compression::Never)
}

/// All of `some`, as often as it is there, is among `all`. Both are sorted.
#[track_caller]
fn assert_among(some: &[String], all: &[String]) {
    let mut rest = all.iter();
    for event in some {
        assert!(rest.any(|other| other == event), "lost: {event}");
    }
}

async fn honest_sync(device: &Device, server: &Server) {
    for _ in 0..2 {
        sync(device, &client(server), &impatient(1), &mut |_| {}).await.unwrap();
    }
}

/// A sync that may fail, but not go on for ever.
async fn try_sync<T: Transport>(
    device: &Device,
    client: &Client<T>,
) -> Result<SyncReport, SyncError> {
    let syncing = async { sync(device, client, &impatient(3), &mut |_| {}).await };
    timeout(Duration::from_secs(30), syncing).await.expect("it comes to an end")
}

/// Meets the liar with both sides having news, for the first time or not, and an honest server at
/// the same address afterwards.
async fn check_contained(lie: impl Fn(&mut Answer) + Send + Sync + Copy) {
    for is_known in [false, true] {
        let (server, source, device) = (server(), device(), device());
        let mut lines = sample::lines(1, 90);
        sample::record(&device, &lines[..20]);
        sample::record(&source, &lines[20..50]);
        honest_sync(&source, &server).await;
        if is_known {
            honest_sync(&device, &server).await;
        }
        sample::record(&device, &lines[50..70]);
        sample::record(&source, &lines[70..]);
        honest_sync(&source, &server).await;
        let before = contents(device.reader());

        let lying = liar(&server, lie);
        let outcome = try_sync(&device, &lying).await;
        assert!(lying.traffic().requests < 100, "{:?} {outcome:?}", lying.traffic());
        assert_among(&before, &contents(device.reader()));

        let more = sample::lines(2, 5);
        sample::record(&device, &more);
        lines.extend(more);
        honest_sync(&device, &server).await;
        let everything = said_in(&lines);
        assert_among(&everything, &contents(server.reader()));
        assert_eq!(device.pending().unwrap().values().sum::<u64>(), 0);

        // What a server withheld under a cursor of its own is there all the same, for whoever
        // asks it anew.
        let address = "http://elsewhere".parse().unwrap();
        let anew = Client::new(address, ServiceTransport::new(server.router()));
        sync(&device, &anew, &impatient(1), &mut |_| {}).await.unwrap();
        assert_among(&everything, &contents(device.reader()));
        assert_eq!(holdings(device.reader()), holdings(server.reader()));
    }
}

#[tokio::test]
async fn counts_that_do_not_fit_a_page() {
    for count in [0, 1, 200] {
        check_contained(|answer| {
            if answer.is_page() && answer.body.len() > 100 {
                let mut page = answer.body.to_vec();
                // Magic, format, the length of the root's name and the name; origin; first seq.
                let count_at = 4 + 1 + 1 + usize::from(page[5]) + 16 + 1;
                page[count_at] = page[count_at].wrapping_add(count);
                answer.body = sealed(page).into();
            }
        })
        .await;
    }
}

#[tokio::test]
async fn seqs_beyond_every_bound() {
    for seq in [0, u64::MAX / 2, u64::MAX / 2 + 1, u64::MAX] {
        check_contained(|answer| answer.say_page(claim("order", origin(7), seq, 1))).await;
    }
    let far = |answer: &mut Answer| answer.say_page(claim("order", origin(7), 1 << 62, 1));
    check_contained(far).await;
}

#[tokio::test]
async fn the_last_stamp_that_there_is() {
    check_contained(|answer| answer.say_page(claim("order", origin(7), 1, u64::MAX))).await;
}

#[tokio::test]
async fn a_page_that_is_cut_short_or_has_more_than_was_asked_for() {
    check_contained(|answer| {
        if answer.is_page() {
            answer.body = answer.body.slice(..answer.body.len() / 2);
            answer.headers.remove("content-length");
        }
    })
    .await;
    let unasked = |answer: &mut Answer| answer.say_page(first_events("order", 100..400, "{}"));
    check_contained(unasked).await;
    let too_many = |answer: &mut Answer| answer.say_page(first_events("order", 0..10_001, "{}"));
    check_contained(too_many).await;
}

/// Dots in the device's own name, which it has never given or has given to something else.
#[tokio::test]
async fn events_in_our_own_name() {
    for (is_known, seq) in [(false, 1), (true, 1), (true, 2)] {
        let (server, device) = (server(), device());
        let lines = sample::lines(3, 40);
        sample::record(&device, &lines);
        if is_known {
            honest_sync(&device, &server).await;
        }
        let own = device.id();
        let page = claim("order", own, seq, 99);
        let client = liar(&server, move |answer| answer.say_page(page.clone()));
        let _either = try_sync(&device, &client).await;
        assert_among(&said_in(&lines), &contents(device.reader()));
        let more = sample::lines(4, 10);
        sample::record(&device, &more);
        honest_sync(&device, &server).await;
        assert_among(&said_in(&more), &contents(device.reader()));
        assert_among(&said_in(&more), &contents(server.reader()));
    }
}

#[tokio::test]
async fn roots_that_were_not_asked_for_are_left_out() {
    let (server, device) = (server(), device());
    let client = liar(&server, |answer| answer.say_page(claim("secret", origin(7), 1, 1)));
    let mut options = impatient(3);
    options.roots = "order".parse().unwrap();
    let _either = sync(&device, &client, &options, &mut |_| {}).await;
    assert_eq!(device.reader().head(), 0);
}

#[tokio::test]
async fn a_bomb_and_a_body_without_an_end() {
    let bomb = zstd::bulk::compress(&vec![0; 200 << 20], 19).unwrap();
    assert!(bomb.len() < 100_000, "{}", bomb.len());
    check_contained(|answer| {
        answer.body = bomb.clone().into();
        answer.headers.remove("content-length");
        answer.set("content-encoding", "zstd");
    })
    .await;
    check_contained(|answer| {
        answer.headers.remove("content-length");
        answer.endless = answer.status == StatusCode::OK;
    })
    .await;
}

#[tokio::test]
async fn more_and_more_of_nothing() {
    check_contained(|answer| {
        if answer.is_log() {
            let empty = laterbase_core::delta::DeltaBuilder::new().finish();
            answer.say(200, "application/vnd.laterbase.delta", empty);
            answer.set("laterbase-more", "true");
        }
    })
    .await;
    check_contained(|answer| answer.set("laterbase-more", "true")).await;
}

#[tokio::test]
async fn headers_that_make_no_sense() {
    for (name, value) in [
        ("laterbase-cursor", "\u{7f}?"),
        ("laterbase-cursor", "AAAA"),
        ("laterbase-cursor", "________________________________"),
        ("laterbase-replica", "nobody"),
        ("laterbase-next", "order/none"),
        ("laterbase-more", "perhaps"),
        ("content-encoding", "rot13"),
    ] {
        check_contained(|answer| {
            let value = http::HeaderValue::from_bytes(value.as_bytes());
            answer.headers.insert(name, value.unwrap_or(http::HeaderValue::from_static("?")));
        })
        .await;
    }
}

#[tokio::test]
async fn nothing_where_something_should_be() {
    check_contained(|answer| {
        answer.status = StatusCode::NO_CONTENT;
        answer.headers.clear();
        answer.body = Bytes::new();
    })
    .await;
    check_contained(|answer| answer.headers.clear()).await;
    check_contained(|answer| answer.body = Bytes::new()).await;
}

#[tokio::test]
async fn another_replica_in_every_answer() {
    check_contained(|answer| {
        answer.set("laterbase-replica", origin(u128::from(answer.number) + 1).to_string());
    })
    .await;
}

#[tokio::test]
async fn other_counts_than_were_pushed() {
    for (stored, known) in [(0, 0), (1, 0), (u64::MAX, 0), (u64::MAX, u64::MAX)] {
        check_contained(|answer| {
            if answer.is_push() {
                let (before, after) = ("AAAA", "BBBB");
                let document =
                    json!({"stored": stored, "known": known, "before": before, "after": after});
                answer.say(200, "application/json", document.to_string());
            }
        })
        .await;
    }
}

/// A server that says yes and forgets; the honest one at its address never gave those cursors.
#[tokio::test]
async fn a_yes_to_a_page_that_is_thrown_away() {
    let (honest, other, device) = (server(), server(), device());
    let lines = sample::lines(5, 60);
    sample::record(&device, &lines);
    let id = honest.reader().replica_id().to_string();
    let client = liar(&other, move |answer| answer.set("laterbase-replica", &id));
    sync(&device, &client, &impatient(3), &mut |_| {}).await.unwrap();
    assert_eq!(device.pending().unwrap().values().sum::<u64>(), 0, "as it was told");
    honest_sync(&device, &honest).await;
    assert_eq!(contents(honest.reader()), said_in(&lines));
}

#[tokio::test]
async fn holes_and_forks_that_there_are_not() {
    for held in [0, 1, 5, u64::MAX] {
        for kind in ["hole", "fork"] {
            check_contained(|answer| {
                if answer.is_push() && answer.query.is_empty() {
                    let document = json!({
                        "type": format!("urn:laterbase:problem:{kind}"), "title": "no", "status": 409,
                        "root": "order", "origin": origin(held.into()).to_string(),
                        "held": held, "seq": held,
                    });
                    answer.say(409, "application/problem+json", document.to_string());
                }
            })
            .await;
        }
    }
}

/// Heads of origins that there are not, on page after page.
#[tokio::test]
async fn a_server_that_claims_to_hold_more_than_there_is() {
    let head = |number: u128, seq| HeadEntry {
        root: root("order"),
        origin: origin(number),
        seq,
        check: [7; 8],
    };
    let page = |numbers: std::ops::Range<u128>, is_last: bool| {
        let entries: Vec<_> = numbers.map(|number| head(number, 1)).collect();
        let last = entries.last().map(|last| (last.root.clone(), last.origin));
        HeadsPage { entries, next: last.filter(|_| !is_last) }
    };
    check_contained(|answer| answer.say_heads(&page(0..50, true))).await;
    check_contained(|answer| {
        answer.say_heads(&HeadsPage { entries: vec![head(3, u64::MAX / 2)], next: None });
    })
    .await;
    // The same page for ever.
    check_contained(|answer| answer.say_heads(&page(0..50, false))).await;
    // Always another page.
    check_contained(|answer| {
        let first = u128::from(answer.number) * 50;
        answer.say_heads(&page(first..first + 50, false));
    })
    .await;
}
