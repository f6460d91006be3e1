//! Measures how long single writes take beside a bulk load: a server on LMDB in this process,
//! ten writers of one event at a time, four writers of 1,000, all over loopback HTTP.
//!
//! `cargo run --release -p laterbase-server --example contention [seconds]`
#![allow(clippy::print_stdout, reason = "a report for a person")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use laterbase_core::fold::MergePatch;
use laterbase_server::Server;
use tokio::net::{TcpListener, TcpStream};

const SINGLE_WRITERS: usize = 10;
const BULK_WRITERS: usize = 4;
const BULK_EVENTS: usize = 1_000;

#[tokio::main]
async fn main() -> Result<()> {
    let seconds = std::env::args().nth(1).map_or(Ok(5), |text| text.parse())?;
    let folder = tempfile::TempDir::new()?;
    let server = Server::builder()
        .fold("shipment", std::sync::Arc::new(MergePatch))
        .data(folder.path())
        .build()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let (address, handle) = (listener.local_addr()?, server.handle());
    let serving = tokio::spawn(server.serve(listener));
    for bulk_writers in [0, BULK_WRITERS] {
        let until = Instant::now() + Duration::from_secs(seconds);
        let singles: Vec<_> =
            (0..SINGLE_WRITERS).map(|seed| tokio::spawn(write(address, seed, 1, until))).collect();
        let bulks: Vec<_> = (0..bulk_writers)
            .map(|seed| tokio::spawn(write(address, 100 + seed, BULK_EVENTS, until)))
            .collect();
        let mut times = Vec::new();
        for single in singles {
            times.extend(single.await??);
        }
        let mut requests = 0;
        for bulk in bulks {
            requests += bulk.await??.len();
        }
        times.sort_unstable();
        ensure!(!times.is_empty(), "no write was answered");
        let at = |permille: usize| times[times.len() * permille / 1_000];
        println!(
            "{SINGLE_WRITERS} single writers beside {bulk_writers} of {BULK_EVENTS}: {} writes, \
             median {:.1?}, p99 {:.1?}, longest {:.1?}; bulk {} events a second",
            times.len(),
            at(500),
            at(990),
            at(999).max(times[times.len() - 1]),
            requests * BULK_EVENTS / usize::try_from(seconds)?,
        );
    }
    handle.stop();
    serving.await??;
    Ok(())
}

/// Posts requests one after another, and gives how long each took.
async fn write(
    address: SocketAddr,
    seed: usize,
    events: usize,
    until: Instant,
) -> Result<Vec<Duration>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut requests, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let mut times = Vec::new();
    let mut number = seed;
    while Instant::now() < until {
        let body = body(&mut number, events);
        let start = Instant::now();
        post(&mut requests, body).await?;
        times.push(start.elapsed());
    }
    Ok(times)
}

/// Events of 256 bytes of data, spread over 10,000 shipments.
fn body(number: &mut usize, events: usize) -> Bytes {
    let note = "x".repeat(256 - r#"{"note":""}"#.len());
    let lines: Vec<String> = (0..events)
        .map(|_| {
            *number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let id = (*number >> 20) % 10_000;
            format!(r#"{{"aggregate_id":"s-{id}","type":"Moved","data":{{"note":"{note}"}}}}"#)
        })
        .collect();
    format!("[{}]", lines.join(",")).into()
}

async fn post(requests: &mut SendRequest<Full<Bytes>>, body: Bytes) -> Result<()> {
    let request = Request::post("/e/shipment")
        .header("host", "localhost")
        .header("content-type", "application/json")
        .body(Full::new(body))?;
    requests.ready().await?;
    let response = requests.send_request(request).await?;
    ensure!(response.status() == 201, "the answer is {}", response.status());
    response.into_body().collect().await.context("the answer broke off")?;
    Ok(())
}
