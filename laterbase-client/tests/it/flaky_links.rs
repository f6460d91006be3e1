//! Syncs over links that break, crawl, flap, and change what they carry.

use std::sync::Arc;
use std::time::{Duration, Instant};

use laterbase_client::client::{Client, Compression};
use laterbase_client::device::Device;
use laterbase_client::sync::{BackoffOptions, PageOptions, SyncOptions, WatchOptions, sync, watch};
use laterbase_client::transport::HttpTransport;
use laterbase_core::fold::MergePatch;
use laterbase_core::reader::Reader;
use laterbase_server::Server;
use tokio::sync::{Notify, mpsc};

use crate::depot::{Listening, client, contents, device, holdings, impatient, said_in, server};
use crate::dice::{Dice, announce, seeds};
use crate::proxy::{Fate, Proxy, Speed};
use crate::sample;

const PAGE_EVENTS: usize = 20;

/// A full page of the sample's events, with the requests around it. The longest event takes 450
/// bytes.
const PAGE_BYTES: u64 = PAGE_EVENTS as u64 * 450 + 2_500;

fn link_client(link: &Proxy) -> Client<HttpTransport> {
    Client::new(link.url().parse().unwrap(), HttpTransport::new().unwrap())
}

/// Small pages, no waits.
fn eager(failures_max: u32) -> SyncOptions {
    let pages = PageOptions {
        events_start: PAGE_EVENTS,
        events_max: PAGE_EVENTS,
        ..PageOptions::default()
    };
    SyncOptions { pages, ..impatient(failures_max) }
}

/// A server that holds half of some events, behind a socket, and a device that holds the others.
struct Meeting {
    listening: Listening,
    reader: Reader,
    device: Device,
    lines: Vec<String>,
    of_device: u64,
}

impl Meeting {
    async fn new(seed: u64, of_device: usize, of_server: usize) -> Self {
        let lines = sample::lines(seed, of_device + of_server);
        let (server, source, device) = (server(), crate::depot::device(), device());
        sample::record(&device, &lines[..of_device]);
        sample::record(&source, &lines[of_device..]);
        sync(&source, &client(&server), &impatient(1), &mut |_| {}).await.unwrap();
        let reader = server.reader().clone();
        let listening = Listening::start(server);
        Self { listening, reader, device, lines, of_device: of_device as u64 }
    }

    /// The device counts as safe only what the server has.
    #[track_caller]
    fn check_pending(&self) {
        let pending: u64 = self.device.pending().unwrap().values().sum();
        let vectors = self.reader.roots().into_iter();
        let safe: u64 =
            vectors.map(|root| self.reader.version_vector(&root).get(&self.device.id())).sum();
        assert!(pending + safe >= self.of_device, "{pending} pending, {safe} at the server");
    }

    #[track_caller]
    fn check_agreement(&self) {
        assert_eq!(contents(self.device.reader()), said_in(&self.lines));
        assert_eq!(contents(&self.reader), said_in(&self.lines));
        assert_eq!(holdings(self.device.reader()), holdings(&self.reader));
        assert_eq!(self.device.pending().unwrap().values().sum::<u64>(), 0);
    }
}

/// Bytes of a sync without any fault.
async fn whole_bytes(seed: u64) -> u64 {
    let meeting = Meeting::new(seed, 700, 900).await;
    let link = Proxy::start(meeting.listening.address).await;
    let client = link_client(&link).with_compression(Compression::Never);
    sync(&meeting.device, &client, &eager(1), &mut |_| {}).await.unwrap();
    meeting.check_agreement();
    link.counts().bytes()
}

#[tokio::test]
async fn cuts_at_random_bytes_cost_a_page_each_at_most() {
    for seed in seeds(4) {
        announce(seed);
        let whole = whole_bytes(seed).await;
        let meeting = Meeting::new(seed, 700, 900).await;
        let mut dice = Dice::new(seed);
        let link = Proxy::fated(meeting.listening.address, move |_number| Fate {
            cut_after: Some(dice.roll() % 40_000),
            ..Fate::default()
        });
        let link = link.await;
        let client = link_client(&link).with_compression(Compression::Never);
        while sync(&meeting.device, &client, &eager(1), &mut |_| {}).await.is_err() {
            meeting.check_pending();
        }
        let counts = link.counts();
        assert!(counts.cuts > 5, "{counts:?}");
        let bound = whole + counts.cuts * PAGE_BYTES;
        assert!(counts.bytes() <= bound, "{counts:?}, {whole} without cuts");
        meeting.check_agreement();
    }
}

#[tokio::test]
async fn bytes_that_change_on_the_way_are_asked_for_again() {
    for compression in [Compression::Never, Compression::Always] {
        for seed in seeds(3) {
            announce(seed);
            let meeting = Meeting::new(seed, 400, 500).await;
            let mut dice = Dice::new(seed);
            let link = Proxy::fated(meeting.listening.address, move |_number| Fate {
                corrupt: Some((dice.roll(), 6_000)),
                ..Fate::default()
            });
            let link = link.await;
            let client = link_client(&link).with_compression(compression);
            let mut given_up = 0;
            // An error that is itself damaged may end a sync; a damaged page does not.
            while sync(&meeting.device, &client, &eager(1_000), &mut |_| {}).await.is_err() {
                meeting.check_pending();
                given_up += 1;
                assert!(given_up < 5, "{:?}", link.counts());
            }
            assert!(link.counts().corrupted > 5, "{:?}", link.counts());
            meeting.check_agreement();
        }
    }
}

/// What a handheld says of a parcel: 200 bytes, as different from each other as such words are.
fn scans(count: usize) -> Vec<String> {
    let mut dice = Dice::new(5);
    let scan = |number: usize| {
        let code = format!("{:016x}{:016x}", dice.roll(), dice.roll());
        let (hour, minute, second) = (dice.below(24), dice.below(60), dice.below(60));
        let head = format!(
            r#"{{"scan":"{code}","by":"H-{:03}","weight_kg":{}.{},"note":""#,
            dice.below(500),
            dice.below(30),
            dice.below(1_000)
        );
        let note = "left with the neighbour on the ground floor, signed for, no damage to be seen ";
        let note: String = note.chars().cycle().take(200 - head.len() - 2).collect();
        format!(
            r#"{{"root":"parcel","aggregate_id":"P-{number}","type":"Scanned","occurred_at":"2024-03-01T{hour:02}:{minute:02}:{second:02}Z","data":{head}{note}"}}}}"#
        )
    };
    (0..count).map(scan).collect()
}

/// The first time that a device speaks with its server, over the worst of links.
#[tokio::test]
async fn a_hundred_events_cross_a_crawling_link_in_under_eight_seconds() {
    let (server, device) = (server(), device());
    sample::record(&device, &scans(100));
    let reader = server.reader().clone();
    let listening = Listening::start(server);
    let speed = Speed { bits_per_second: 30_000, latency: Duration::from_millis(600) };
    let link = Proxy::slow(listening.address, speed).await;
    let start = Instant::now();
    let report =
        sync(&device, &link_client(&link), &SyncOptions::default(), &mut |_| {}).await.unwrap();
    let elapsed = start.elapsed();
    assert_eq!(report.pushed, 100);
    assert!(elapsed < Duration::from_secs(8), "{elapsed:?} {:?}", link.counts());
    assert_eq!(holdings(device.reader()), holdings(&reader));
    assert_eq!(device.pending().unwrap().values().sum::<u64>(), 0);
}

/// Connections that are refused half of the time and never last.
fn flapping(seed: u64) -> impl FnMut(u64) -> Fate {
    let mut dice = Dice::new(seed);
    move |_number| Fate {
        is_refused: dice.below(2) == 0,
        cut_after: Some(dice.roll() % 20_000),
        ..Fate::default()
    }
}

/// Days of a link that comes and goes, told in connections instead of hours: both sides go on
/// writing, and the device keeps watching.
#[tokio::test]
async fn a_watch_keeps_in_sync_over_a_flapping_link() {
    const ROUNDS: usize = 60;
    const CUTS_MIN: u64 = 10;
    const SYNCS_MIN: u32 = 10;
    let seed = seeds(1)[0];
    announce(seed);
    let server = Server::builder()
        .fallback(Arc::new(MergePatch))
        .heartbeat_period(Duration::from_millis(5))
        .build()
        .unwrap();
    let reader = server.reader().clone();
    let (device, writer) = (device(), device());
    let to_server = client(&server);
    let lines = sample::lines(seed, ROUNDS * 20);
    let listening = Listening::start(server);
    let link = Proxy::fated(listening.address, flapping(seed)).await;
    let client = link_client(&link);
    let rest = Duration::from_millis(1);
    let waiting = WatchOptions {
        silence_max: Duration::from_millis(500),
        rest_first: rest,
        rest_longest: 4 * rest,
        local_interval: rest,
    };
    let backoff = BackoffOptions { first: rest, longest: rest, failures_max: 3 };
    let options = SyncOptions { backoff, ..eager(3) };
    let (done, (heard, mut syncs)) = (Notify::new(), mpsc::unbounded_channel());
    let mut on_sync = |outcome: &Result<_, _>| heard.send(outcome.is_ok()).unwrap_or_default();
    let watching = watch(&device, &client, &options, waiting, &mut on_sync, done.notified());
    let living = async {
        let mut succeeded = 0;
        for round in lines.chunks(20) {
            sample::record(&device, &round[..10]);
            sample::record(&writer, &round[10..]);
            sync(&writer, &to_server, &impatient(1), &mut |_| {}).await.unwrap();
            succeeded += u32::from(syncs.recv().await.unwrap());
        }
        // On a busy machine a few long connections carry all of it; heartbeats use up the rest.
        while contents(device.reader()) != said_in(&lines)
            || holdings(device.reader()) != holdings(&reader)
            || link.counts().cuts <= CUTS_MIN
            || succeeded <= SYNCS_MIN
        {
            succeeded += u32::from(syncs.recv().await.unwrap());
        }
        done.notify_one();
        succeeded
    };
    let ((), succeeded) = tokio::join!(watching, living);
    let counts = link.counts();
    assert!(counts.cuts > CUTS_MIN, "{counts:?}, {succeeded} syncs got through");
    assert_eq!(contents(&reader), said_in(&lines));
}
