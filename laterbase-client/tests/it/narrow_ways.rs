//! Ways to a server that let only so much through at a time.
//!
//! The story: 40 photos of 200 kB went through a proxy that takes 1 MiB (nginx, as it comes). The
//! second page had 2 MB, was answered with 413 and an HTML page, and the sync ended; so did each
//! one after it.

use std::sync::Mutex;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Collected, Full};
use laterbase_client::client::{Client, Compression};
use laterbase_client::device::Device;
use laterbase_client::sync::{SyncError, SyncReport, sync};
use laterbase_client::transport::{ResponseBody, ServiceTransport, Transport, TransportError};
use laterbase_core::event::Record;
use laterbase_core::fork::Doubt;
use laterbase_server::Server;

use crate::depot::{client, client_over, device, holdings, impatient, server};
use crate::forged::root;

/// How a way tells that something is too large.
#[derive(Clone, Copy)]
pub(crate) enum Narrow {
    /// As a proxy does.
    Refuses,
    /// As some firewalls do.
    Breaks,
}

/// A way that lets bodies of so many bytes through, either way.
pub(crate) struct NarrowWay<T> {
    inner: T,
    how: Narrow,
    up: usize,
    down: usize,
    /// Bytes of the bodies that were sent to it, and whether they got through.
    seen: Mutex<Vec<(usize, bool)>>,
}

impl<T: Transport> NarrowWay<T> {
    fn turn_away(&self) -> Result<Response<ResponseBody>, TransportError> {
        match self.how {
            Narrow::Breaks => Err(TransportError::Broken { source: "reset".into() }),
            Narrow::Refuses => {
                let mut response = Response::new(whole(Bytes::from_static(b"<h1>413</h1>")));
                *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
                Ok(response)
            }
        }
    }

    fn refused(&self) -> Vec<usize> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|(_, passed)| !passed).map(|(size, _)| *size).collect()
    }
}

impl<T: Transport> Transport for NarrowWay<T> {
    async fn send(
        &self,
        request: Request<Bytes>,
    ) -> Result<Response<ResponseBody>, TransportError> {
        let size = request.body().len();
        self.seen.lock().unwrap().push((size, size <= self.up));
        if size > self.up {
            return self.turn_away();
        }
        let (head, body) = self.inner.send(request).await?.into_parts();
        let body = body.collect().await.map(Collected::to_bytes)?;
        if body.len() > self.down {
            return self.turn_away();
        }
        Ok(Response::from_parts(head, whole(body)))
    }
}

fn whole(body: Bytes) -> ResponseBody {
    Full::new(body).map_err(|never| match never {}).boxed_unsync()
}

/// Records one event after the other, each of so many bytes.
fn record(device: &Device, name: &str, sizes: &[usize]) {
    for size in sizes {
        let mut batch = device.batch(&root(name));
        let data = format!("\"{}\"", "x".repeat(*size));
        batch.push(&Record::json("photo", "Taken", &data)).unwrap();
        device.record(&batch).unwrap();
    }
}

async fn try_sync<T: Transport>(
    device: &Device,
    client: &Client<T>,
) -> Result<SyncReport, SyncError> {
    sync(device, client, &impatient(8), &mut |_| {}).await
}

pub(crate) fn way(
    server: &Server,
    how: Narrow,
    up: usize,
    down: usize,
) -> NarrowWay<impl Transport + use<>> {
    let inner = ServiceTransport::new(server.router());
    NarrowWay { inner, how, up, down, seen: Mutex::default() }
}

/// A client over it, which says what it means without compression.
fn over<T: Transport>(way: T) -> Client<T> {
    client_over(way).with_compression(Compression::Never)
}

#[tokio::test]
async fn pages_are_halved_until_they_get_through() {
    for how in [Narrow::Refuses, Narrow::Breaks] {
        for limit in [1 << 20, 300_000, 210_000] {
            let (server, device) = (server(), device());
            record(&device, "parcel", &[200_000; 40]);
            let way = way(&server, how, limit, usize::MAX);
            let report = try_sync(&device, &over(&way)).await.unwrap();
            assert_eq!((report.pushed, report.held_back.len()), (40, 0), "{limit}");
            assert_eq!(holdings(server.reader()), holdings(device.reader()));
            // What was refused once is not tried again and again.
            assert!(way.refused().len() <= 5, "{limit}: {:?}", way.refused());
        }
    }
}

#[tokio::test]
async fn the_next_sync_begins_with_what_got_through() {
    let (server, device) = (server(), device());
    record(&device, "parcel", &[90_000; 20]);
    let way = way(&server, Narrow::Refuses, 200_000, usize::MAX);
    try_sync(&device, &over(&way)).await.unwrap();
    assert!(!way.refused().is_empty());
    way.seen.lock().unwrap().clear();
    record(&device, "parcel", &[90_000; 20]);
    let report = try_sync(&device, &over(&way)).await.unwrap();
    assert_eq!((report.pushed, way.refused()), (20, vec![]));
}

/// An event that fits nowhere is named, what follows it waits, and all others go.
#[tokio::test]
async fn an_event_that_does_not_get_through_alone_is_named_and_the_rest_goes() {
    for how in [Narrow::Refuses, Narrow::Breaks] {
        let (server, device) = (server(), device());
        record(&device, "order", &[100, 100]);
        record(&device, "parcel", &[1_000, 700_000, 1_000, 1_000]);
        record(&device, "shipment", &[100]);
        let way = way(&server, how, 500_000, usize::MAX);
        for _again in 0..2 {
            let report = try_sync(&device, &over(&way)).await.unwrap();
            assert_eq!(report.held_back.len(), 1, "{report:?}");
            let held = &report.held_back[0];
            assert_eq!((held.root.as_str(), held.origin, held.seq), ("parcel", device.id(), 2));
            let Doubt::TooLarge { size_bytes, is_ours, .. } = held.reason else {
                panic!("{held:?}")
            };
            assert!(is_ours && (700_000..710_000).contains(&size_bytes), "{held:?}");
            assert!(held.to_string().contains(&format!("{}-2", device.id())), "{held}");
            let pending = device.pending().unwrap();
            assert_eq!((pending["order"], pending["parcel"], pending["shipment"]), (0, 3, 0));
        }
        // Once the way is wider, it goes with what waited for it.
        let report = try_sync(&device, &client(&server)).await.unwrap();
        assert_eq!((report.pushed, report.held_back.len()), (3, 0));
        assert_eq!(holdings(server.reader()), holdings(device.reader()));
    }
}

#[tokio::test]
async fn answers_that_are_too_large_are_asked_for_in_parts() {
    let (server, source, device) = (server(), device(), device());
    record(&source, "parcel", &[100_000; 20]);
    try_sync(&source, &client(&server)).await.unwrap();
    let way = way(&server, Narrow::Refuses, usize::MAX, 250_000);
    let report = try_sync(&device, &over(&way)).await.unwrap();
    assert_eq!((report.pulled, report.held_back.len()), (20, 0));
    // And where both know each other.
    record(&source, "parcel", &[100_000; 20]);
    try_sync(&source, &client(&server)).await.unwrap();
    let report = try_sync(&device, &over(&way)).await.unwrap();
    assert_eq!((report.pulled, report.held_back.len()), (20, 0));
    assert_eq!(holdings(server.reader()), holdings(device.reader()));
}

#[tokio::test]
async fn an_answer_of_one_event_that_is_too_large_holds_back_its_origin_only() {
    for is_known in [false, true] {
        let (server, source, other, device) = (server(), device(), device(), device());
        let way = way(&server, Narrow::Refuses, usize::MAX, 500_000);
        if is_known {
            record(&source, "order", &[100]);
            try_sync(&source, &client(&server)).await.unwrap();
            try_sync(&device, &over(&way)).await.unwrap();
        }
        record(&source, "parcel", &[1_000, 700_000, 1_000]);
        try_sync(&source, &client(&server)).await.unwrap();
        record(&other, "parcel", &[1_000, 1_000]);
        try_sync(&other, &client(&server)).await.unwrap();
        for _again in 0..2 {
            let report = try_sync(&device, &over(&way)).await.unwrap();
            let held = &report.held_back[0];
            assert_eq!((report.held_back.len(), held.origin, held.seq), (1, source.id(), 2));
            assert!(matches!(held.reason, Doubt::TooLarge { is_ours: false, .. }), "{held:?}");
            let vv = device.reader().version_vector(&root("parcel"));
            assert_eq!((vv.get(&source.id()), vv.get(&other.id())), (1, 2));
        }
        // Something new of that origin finds the way as narrow, and then wider.
        record(&source, "parcel", &[1_000]);
        try_sync(&source, &client(&server)).await.unwrap();
        let report = try_sync(&device, &over(&way)).await.unwrap();
        assert_eq!(report.held_back.len(), 1, "{report:?}");
        record(&source, "parcel", &[1_000]);
        try_sync(&source, &client(&server)).await.unwrap();
        let report = try_sync(&device, &client(&server)).await.unwrap();
        assert_eq!(report.held_back, []);
        assert_eq!(holdings(server.reader()), holdings(device.reader()));
    }
}

#[tokio::test]
async fn a_way_that_lets_nothing_through_is_an_error_and_not_a_long_list() {
    let (server, device) = (server(), device());
    record(&device, "parcel", &[100; 3]);
    let way = way(&server, Narrow::Refuses, usize::MAX, 0);
    assert!(try_sync(&device, &over(&way)).await.is_err());
}
