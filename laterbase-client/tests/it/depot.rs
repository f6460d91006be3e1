//! A server to sync with, and ways of asking what a replica holds.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::Arc;

use laterbase_client::client::Client;
use laterbase_client::device::{Device, DeviceOptions};
use laterbase_client::sync::{BackoffOptions, SyncOptions};
use laterbase_client::transport::{ServiceTransport, Transport};
use laterbase_core::fold::MergePatch;
use laterbase_core::json::{JsonEvent, write_event_verbatim};
use laterbase_core::memory_store::MemoryStore;
use laterbase_core::reader::Reader;
use laterbase_core::version_vector::VersionVector;
use laterbase_server::{Server, ServerHandle};
use std::time::Duration;

/// A server in memory that takes every root.
pub(crate) fn server() -> Server {
    Server::builder().fallback(Arc::new(MergePatch)).build().unwrap()
}

/// A client that calls the server's router, without a socket.
pub(crate) fn client(server: &Server) -> Client<impl Transport + use<>> {
    client_over(ServiceTransport::new(server.router()))
}

pub(crate) fn client_over<T: Transport>(transport: T) -> Client<T> {
    Client::new("http://depot".parse().unwrap(), transport)
}

/// A device in memory.
pub(crate) fn device() -> Device {
    Device::over(Arc::new(MemoryStore::new()), DeviceOptions::default()).unwrap()
}

/// Options that do not wait between tries.
pub(crate) fn impatient(failures_max: u32) -> SyncOptions {
    let backoff = BackoffOptions { first: Duration::ZERO, longest: Duration::ZERO, failures_max };
    SyncOptions { backoff, ..SyncOptions::default() }
}

/// Per root: events, aggregates and digest.
pub(crate) type Holdings = BTreeMap<String, (u64, u64, String)>;

pub(crate) fn holdings(reader: &Reader) -> Holdings {
    let roots = reader.status().unwrap().roots.into_iter();
    roots.map(|root| (root.name.to_string(), (root.events, root.aggregates, root.digest))).collect()
}

/// Every event of every root: what its writer said, as sorted text, and none twice under one id.
pub(crate) fn contents(reader: &Reader) -> Vec<String> {
    let mut contents = Vec::new();
    for root in reader.roots() {
        let mut vv = VersionVector::new();
        loop {
            let page = reader
                .feed(&root, &vv, 1_000, &mut |event| {
                    let mut text = Vec::new();
                    write_event_verbatim(&mut text, &root, event);
                    contents.push(String::from_utf8(text).unwrap());
                    ControlFlow::Continue(())
                })
                .unwrap();
            if !page.more {
                break;
            }
            vv = page.vv;
        }
    }
    let all = contents.len();
    contents.sort_unstable();
    contents.dedup();
    assert_eq!(contents.len(), all, "an event is there twice");
    let mut said: Vec<String> = contents.iter().map(|event| said(event)).collect();
    said.sort_unstable();
    said
}

/// What the writers of some lines said, sorted.
pub(crate) fn said_in(lines: &[String]) -> Vec<String> {
    let mut said: Vec<String> = lines
        .iter()
        .map(|line| {
            let event = JsonEvent::parse(line.as_bytes()).unwrap();
            format!("{:?} {:?}", event.root(), event.record())
        })
        .collect();
    said.sort_unstable();
    said
}

/// What the writer of an event said, taken from the event as it comes out.
fn said(event: &str) -> String {
    // What the replica adds stands in fixed places: the id at the front, the stamps in the middle.
    let (_id, rest) = event.split_once("\"root\"").unwrap();
    let (before, rest) = rest.split_once("\"recorded_at\":\"").unwrap();
    let (_stamps, after) = rest.split_once("\"hlc\":\"").unwrap();
    let text = format!("{{\"root\"{before}{}", &after[16 + "\",".len()..]);
    let event = JsonEvent::parse(text.as_bytes()).unwrap();
    format!("{:?} {:?}", event.root(), event.record())
}

/// A server behind a socket on this machine, stopped when it is dropped.
pub(crate) struct Listening {
    pub(crate) address: SocketAddr,
    handle: ServerHandle,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Listening {
    pub(crate) fn start(server: Server) -> Self {
        let handle = server.handle();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let serve = move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                server.serve(listener).await.unwrap();
            });
        };
        Self { address, handle, thread: Some(std::thread::spawn(serve)) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.handle.stop();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !std::thread::panicking()
        {
            panic!("the server panicked");
        }
    }
}
