//! Servers that are busy, set back, choosy, or not what they say.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use laterbase_client::client::ClientError;
use laterbase_client::device::{Device, DeviceOptions};
use laterbase_client::sync::{SyncError, sync};
use laterbase_client::transport::{ResponseBody, ServiceTransport, Transport, TransportError};
use laterbase_core::fold::MergePatch;
use laterbase_core::id::ReplicaId;
use laterbase_core::memory_store::MemoryStore;
use laterbase_core::store::Store;
use laterbase_server::{Server, SyncRoots};

use crate::depot::{client, client_over, device, holdings, impatient, server};
use crate::sample;

/// Sends the question what a server holds to one transport and everything else to another, which
/// pretends to be the first.
struct Boast<A, B> {
    heads: A,
    rest: B,
    replica: ReplicaId,
}

impl<A: Transport, B: Transport> Transport for Boast<A, B> {
    async fn send(
        &self,
        request: Request<Bytes>,
    ) -> Result<Response<ResponseBody>, TransportError> {
        let mut response = if request.uri().path() == "/sync/heads" {
            self.heads.send(request).await?
        } else {
            self.rest.send(request).await?
        };
        let replica = self.replica.to_string().parse().unwrap();
        response.headers_mut().insert("laterbase-replica", replica);
        Ok(response)
    }
}

/// Turns the first requests away.
struct Busy<T> {
    inner: T,
    left: AtomicU32,
}

impl<T: Transport> Transport for Busy<T> {
    async fn send(
        &self,
        request: Request<Bytes>,
    ) -> Result<Response<ResponseBody>, TransportError> {
        let take = |left: u32| left.checked_sub(1);
        if self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_err() {
            return self.inner.send(request).await;
        }
        let body = Full::new(Bytes::new()).map_err(|never| match never {}).boxed_unsync();
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        Ok(response)
    }
}

fn transport(server: &Server) -> impl Transport + use<> {
    ServiceTransport::new(server.router())
}

#[tokio::test]
async fn a_busy_server_is_asked_again() {
    let (server, device) = (server(), device());
    sample::record(&device, &sample::lines(1, 10));
    let client = client_over(Busy { inner: transport(&server), left: AtomicU32::new(3) });
    let report = sync(&device, &client, &impatient(4), &mut |_progress| {}).await.unwrap();
    assert_eq!(report.pushed, 10);
    assert!(report.requests >= 5, "{report:?}");
}

#[tokio::test]
async fn a_server_that_stays_busy_is_given_up() {
    let (server, device) = (server(), device());
    let client = client_over(Busy { inner: transport(&server), left: AtomicU32::new(4) });
    let error = sync(&device, &client, &impatient(4), &mut |_progress| {}).await.unwrap_err();
    assert!(matches!(error, SyncError::Client(ClientError::Problem(_))), "{error}");
    assert_eq!(client.traffic().requests, 4);
}

#[tokio::test]
async fn another_server_at_the_same_address_gets_everything_again() {
    let (before, after, device) = (server(), server(), device());
    let lines = sample::lines(3, 400);
    sample::record(&device, &lines[..300]);
    sync(&device, &client(&before), &impatient(1), &mut |_progress| {}).await.unwrap();
    sample::record(&device, &lines[300..]);
    sync(&device, &client(&after), &impatient(1), &mut |_progress| {}).await.unwrap();
    assert_eq!(holdings(after.reader()), holdings(device.reader()));
}

#[tokio::test]
async fn a_server_that_keeps_back_what_it_says_it_has_ends_the_sync() {
    let (boasting, empty, source, device) = (server(), server(), device(), device());
    sample::record(&source, &sample::lines(4, 20));
    sync(&source, &client(&boasting), &impatient(1), &mut |_progress| {}).await.unwrap();
    let replica = boasting.reader().replica_id();
    let (heads, rest) = (transport(&boasting), transport(&empty));
    let client = client_over(Boast { heads, rest, replica });
    let error = sync(&device, &client, &impatient(1), &mut |_progress| {}).await.unwrap_err();
    assert!(matches!(error, SyncError::Stuck { .. }), "{error}");
    assert!(client.traffic().requests < 30, "{:?}", client.traffic());
    assert!(holdings(device.reader()).is_empty());
}

#[tokio::test]
async fn roots_that_a_server_does_not_take_are_left_out_and_named() {
    let choosy = Server::builder().fold("order", Arc::new(MergePatch));
    let choosy = choosy.sync_roots(SyncRoots::Known).build().unwrap();
    let device = device();
    sample::record(&device, &sample::lines(5, 100));
    let report = sync(&device, &client(&choosy), &impatient(1), &mut |_| {}).await.unwrap();
    let skipped: Vec<String> = report.skipped.iter().map(ToString::to_string).collect();
    assert_eq!(skipped, ["container@depot-7", "shipment"]);
    assert_eq!(holdings(choosy.reader()).keys().collect::<Vec<_>>(), ["order"]);
    let pending = device.pending().unwrap();
    assert_eq!(pending["order"], 0);
    assert_ne!(pending["shipment"], 0);
}

/// Mutations, each tried: let the level move on although something was left out, in the commit of a
/// page or at the end of a push.
#[tokio::test]
async fn roots_that_were_left_out_follow_once_the_server_takes_them() {
    let (store, device) = (MemoryStore::new(), device());
    sample::record(&device, &sample::lines(5, 100));
    let choosy = Server::builder().fold("order", Arc::new(MergePatch));
    let choosy = choosy.sync_roots(SyncRoots::Known).store(Arc::new(store.reopen()));
    let choosy = choosy.build().unwrap();
    for _ in 0..2 {
        sync(&device, &client(&choosy), &impatient(1), &mut |_| {}).await.unwrap();
    }
    choosy.close().await.unwrap();
    let open = Server::builder().fallback(Arc::new(MergePatch)).store(Arc::new(store.reopen()));
    let open = open.build().unwrap();
    let report = sync(&device, &client(&open), &impatient(1), &mut |_| {}).await.unwrap();
    assert_eq!(holdings(open.reader()), holdings(device.reader()));
    assert!(report.skipped.is_empty() && report.pushed > 0, "{report:?}");
    assert_eq!(device.pending().unwrap().values().sum::<u64>(), 0);
}

#[tokio::test]
async fn a_server_that_writes_under_our_own_id_is_refused() {
    let store = Arc::new(MemoryStore::new());
    let twins = Arc::new(store.reopen());
    let device = Device::over(store as Arc<dyn Store>, DeviceOptions::default());
    let device = device.unwrap();
    let twin = Server::builder().fallback(Arc::new(MergePatch)).store(twins).build().unwrap();
    let error = sync(&device, &client(&twin), &impatient(1), &mut |_| {}).await.unwrap_err();
    assert!(matches!(error, SyncError::SameReplica { .. }), "{error}");
}

#[tokio::test]
async fn a_copied_store_syncs_with_its_original() {
    let directory = tempfile::tempdir().unwrap();
    let (original, copy) = (directory.path().join("original"), directory.path().join("copy"));
    let device = Device::open(&original, DeviceOptions::default()).unwrap();
    sample::record(&device, &sample::lines(6, 200));
    device.close().unwrap();
    let copied = Command::new("cp").arg("-R").args([&original, &copy]).status().unwrap();
    assert!(copied.success());
    let device = Device::open(&original, DeviceOptions::default()).unwrap();
    sample::record(&device, &sample::lines(7, 100));
    device.close().unwrap();
    let server = Server::builder().fallback(Arc::new(MergePatch)).data(&original);
    let server = server.build().unwrap();
    let device = Device::open(&copy, DeviceOptions::default()).unwrap();
    sample::record(&device, &sample::lines(8, 100));
    assert_eq!(device.pending().unwrap().values().sum::<u64>(), 300);
    let report = sync(&device, &client(&server), &impatient(1), &mut |_| {}).await.unwrap();
    assert_eq!((report.pushed, report.pulled), (100, 100));
    assert_eq!(holdings(device.reader()), holdings(server.reader()));
    assert_eq!(device.pending().unwrap().values().sum::<u64>(), 0);
}

#[tokio::test]
async fn what_is_no_laterbase_server_is_named_as_such() {
    let page = ServiceTransport::new(tower::service_fn(|_request: Request<Full<Bytes>>| async {
        Ok::<_, std::io::Error>(Response::new(Full::new(Bytes::from_static(b"<html>"))))
    }));
    let client = client_over(page);
    let error = sync(&device(), &client, &impatient(2), &mut |_progress| {}).await.unwrap_err();
    assert!(matches!(error, SyncError::Client(ClientError::Protocol { .. })), "{error}");
}
