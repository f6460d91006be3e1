//! Servers that answer for ever, or hardly at all, and links that are only slow.
//!
//! The story: a server that sent one byte a second kept a sync, and the store with it, for as long
//! as it liked. What brings nothing is given up in bounded time; what is only slow gets through.
//! Time is the test's own here, but for the last one, which has a real socket.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response};
use http_body_util::{BodyExt, Collected, Full, StreamBody};
use laterbase_client::client::{Client, ClientError, Compression, Patience};
use laterbase_client::device::Device;
use laterbase_client::sync::{HeadwayOptions, SyncError, SyncOptions, sync};
use laterbase_client::transport::{
    HttpTransport, ResponseBody, ServiceTransport, Transport, TransportError,
};
use laterbase_core::delta::DeltaBuilder;
use laterbase_core::event::Record;
use laterbase_core::id::ReplicaId;
use laterbase_core::version_vector::VersionVector;
use tokio::time::{Instant, pause, resume, sleep};

use crate::depot::{client, client_over, device, holdings, impatient, server};
use crate::forged::root;
use crate::sample;

async fn fail<T: Transport>(device: &Device, client: &Client<T>) -> SyncError {
    sync(device, client, &SyncOptions::default(), &mut |_| {}).await.unwrap_err()
}

/// Takes requests and never says a word.
struct Silent;

impl Transport for Silent {
    async fn send(&self, _: Request<Bytes>) -> Result<Response<ResponseBody>, TransportError> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_given_up_within_a_minute_or_so() {
    let start = Instant::now();
    let error = fail(&device(), &client_over(Silent)).await;
    assert!(start.elapsed() < Duration::from_secs(70), "{:?}", start.elapsed());
    let silent = TransportError::Silent { seconds: 30 }.to_string();
    assert_eq!(error.to_string(), silent);
}

/// Answers everything with some bytes at once, and then a byte a second for ever.
struct Trickling {
    at_once: usize,
}

impl Transport for Trickling {
    async fn send(&self, _: Request<Bytes>) -> Result<Response<ResponseBody>, TransportError> {
        let pieces = stream::unfold(self.at_once, |first| async move {
            if first == 0 {
                sleep(Duration::from_secs(1)).await;
            }
            let piece = Bytes::from(vec![b' '; first.max(1)]);
            Some((Ok(http_body::Frame::data(piece)), 0))
        });
        Ok(Response::new(BodyExt::boxed_unsync(StreamBody::new(pieces))))
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_trickles_is_given_up_whatever_it_sent_before() {
    for at_once in [0, 1_000_000] {
        let start = Instant::now();
        let error = fail(&device(), &client_over(Trickling { at_once })).await;
        assert!(start.elapsed() < Duration::from_secs(70), "{:?}", start.elapsed());
        let SyncError::Client(ClientError::Transport(TransportError::Crawling { bytes, .. })) =
            error
        else {
            panic!("{error}")
        };
        assert!(bytes >= at_once as u64 && bytes < at_once as u64 + 40, "{bytes}");
    }
}

/// Carries so many bytes a second, either way. The server behind it lives in real time.
struct Slow<T> {
    inner: T,
    bytes_per_second: u64,
}

impl<T: Transport> Transport for Slow<T> {
    async fn send(
        &self,
        request: Request<Bytes>,
    ) -> Result<Response<ResponseBody>, TransportError> {
        let rate = self.bytes_per_second;
        sleep(Duration::from_secs(request.body().len() as u64 / rate)).await;
        resume();
        let (head, body) = self.inner.send(request).await?.into_parts();
        let body = body.collect().await.map(Collected::to_bytes)?;
        pause();
        let pieces = stream::unfold(body, move |mut rest| async move {
            if rest.is_empty() {
                return None;
            }
            sleep(Duration::from_secs(5)).await;
            let length = rest.len().min(5 * usize::try_from(rate).unwrap());
            let piece = rest.split_to(length);
            Some((Ok(http_body::Frame::data(piece)), rest))
        });
        Ok(Response::from_parts(head, BodyExt::boxed_unsync(StreamBody::new(pieces))))
    }
}

/// A photo of a megabyte takes four minutes over such a link, and more beside other events.
#[tokio::test]
async fn a_photo_gets_through_over_four_kilobytes_a_second() {
    let (server, device, other) = (server(), device(), device());
    let mut batch = device.batch(&root("parcel"));
    let data = format!("\"{}\"", "x".repeat(1_000_000));
    batch.push(&Record::json("photo", "Taken", &data)).unwrap();
    device.record(&batch).unwrap();
    sample::record(&device, &sample::lines(1, 500));
    pause();
    let slow = Slow { inner: ServiceTransport::new(server.router()), bytes_per_second: 4_000 };
    let client = client_over(slow).with_compression(Compression::Never);
    for device in [&device, &other] {
        let start = Instant::now();
        sync(device, &client, &impatient(1), &mut |_| {}).await.unwrap();
        assert!(start.elapsed() > Duration::from_secs(240), "{:?}", start.elapsed());
        assert_eq!(holdings(device.reader()), holdings(server.reader()));
    }
    resume();
}

/// Tells of a log without an end: each page leads on to another, and none brings anything new.
struct Endless<T> {
    inner: T,
    replica: ReplicaId,
    page: Vec<u8>,
    answers: AtomicU64,
}

impl<T: Transport> Transport for Endless<T> {
    async fn send(
        &self,
        request: Request<Bytes>,
    ) -> Result<Response<ResponseBody>, TransportError> {
        let is_log = request.uri().path() == "/sync" && request.method() == http::Method::GET;
        let mut response = self.inner.send(request).await?;
        if is_log {
            let number = self.answers.fetch_add(1, Ordering::Relaxed);
            *response.status_mut() = http::StatusCode::OK;
            let headers = response.headers_mut();
            headers.remove("content-length");
            headers.insert("laterbase-more", "true".parse().unwrap());
            headers.insert("laterbase-replica", self.replica.to_string().parse().unwrap());
            headers.insert("laterbase-cursor", format!("place-{number}").parse().unwrap());
            let page = Full::new(Bytes::from(self.page.clone()));
            *response.body_mut() = page.map_err(|never| match never {}).boxed_unsync();
        }
        Ok(response)
    }
}

#[tokio::test]
async fn pages_that_bring_nothing_new_come_to_an_end() {
    for is_empty in [true, false] {
        let (server, device) = (server(), device());
        sample::record(&device, &sample::lines(1, 20));
        sync(&device, &client(&server), &impatient(1), &mut |_| {}).await.unwrap();
        let roots = device.reader().roots();
        let known = device.reader().delta(&roots[0], &VersionVector::new(), 3, 1 << 20).unwrap();
        let page = if is_empty { DeltaBuilder::new().finish() } else { known.bytes };
        let inner = ServiceTransport::new(server.router());
        let (replica, answers) = (server.reader().replica_id(), AtomicU64::new(0));
        let endless = Endless { inner, replica, page, answers };
        let headway = HeadwayOptions { idle_answers_max: 50, ..HeadwayOptions::default() };
        let options = SyncOptions { headway, ..impatient(1) };
        let error = sync(&device, &client_over(&endless), &options, &mut |_| {}).await;
        assert!(matches!(error, Err(SyncError::Stuck { .. })), "{error:?}");
        let answers = endless.answers.load(Ordering::Relaxed);
        assert!((50..55).contains(&answers), "{answers}");
        // The honest server at that address is met anew.
        sample::record(&device, &sample::lines(2, 20));
        sync(&device, &client(&server), &impatient(1), &mut |_| {}).await.unwrap();
        assert_eq!(holdings(device.reader()), holdings(server.reader()));
    }
}

/// A thread that answers on a socket, a byte every few milliseconds, until nobody listens.
fn trickle() -> (String, std::thread::JoinHandle<u32>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serve = move || {
        let mut connections = 0;
        while connections < 2 {
            let (mut stream, _) = listener.accept().unwrap();
            connections += 1;
            let _request = stream.read(&mut [0; 4096]).unwrap();
            let head = "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n";
            let _gone = stream.write_all(head.as_bytes());
            while stream.write_all(b" ").is_ok() {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        connections
    };
    (url, std::thread::spawn(serve))
}

#[tokio::test]
async fn a_trickling_socket_is_given_up() {
    let (url, serving) = trickle();
    let client = Client::new(url.parse().unwrap(), HttpTransport::new().unwrap());
    let patience =
        Patience { silence_max: Duration::from_millis(200), slowest_link_bytes: 100_000 };
    let headway = HeadwayOptions { patience, ..HeadwayOptions::default() };
    let options = SyncOptions { headway, ..impatient(10) };
    let error = sync(&device(), &client, &options, &mut |_| {}).await.unwrap_err();
    let is_crawling =
        matches!(error, SyncError::Client(ClientError::Transport(TransportError::Crawling { .. })));
    assert!(is_crawling, "{error:?}");
    drop(client);
    // The connection is closed by a task of this thread's.
    let served = tokio::task::spawn_blocking(|| serving.join().unwrap());
    assert_eq!(served.await.unwrap(), 2);
}
