//! What a sync costs on the wire, counted at the socket: the table in `docs/protocol.md`.
//!
//! With `LATERBASE_WRITE_TABLES=1` the table is written anew instead of compared.

use std::fmt::Write as _;

use laterbase_client::client::{Client, Compression};
use laterbase_client::device::Device;
use laterbase_client::sync::{SyncOptions, sync};
use laterbase_client::transport::HttpTransport;
use laterbase_core::id::RootName;

use crate::depot::{Listening, holdings};
use crate::forged::{first_events, root};
use crate::page_block::check_block;
use crate::proxy::Proxy;
use crate::steady_replica::SteadyReplica;

/// A large store; a million events where `LATERBASE_SCALE` is set, which changes no byte.
const MANY: usize = 100_000;
const ORIGINS: u128 = 10_000;

/// Data of one event.
const PAYLOAD_BYTES: u64 = 200;

const IDLE_BYTES_MAX: u64 = 512;
const NEWS_BYTES_MAX: u64 = PAYLOAD_BYTES + 1_024;

/// What one sync took.
#[derive(Clone, Copy, Debug)]
struct Cost {
    round_trips: u64,
    up: u64,
    down: u64,
}

impl Cost {
    const fn bytes(self) -> u64 {
        self.up + self.down
    }

    #[track_caller]
    fn at_most(self, round_trips: u64, bytes: u64) -> Self {
        assert!(self.round_trips <= round_trips && self.bytes() <= bytes, "{self:?}");
        self
    }
}

/// A device, and a server behind a counted link.
struct Stand {
    listening: Listening,
    device: Device,
    client: Client<HttpTransport>,
    link: Proxy,
    options: SyncOptions,
}

impl Stand {
    async fn new(device: &SteadyReplica, server: &SteadyReplica) -> Self {
        let listening = Listening::start(server.server());
        let link = Proxy::start(listening.address).await;
        let client = Client::new(link.url().parse().unwrap(), HttpTransport::new().unwrap());
        let client = client.with_compression(Compression::Always);
        let (device, options) = (device.device(), SyncOptions::default());
        Self { listening, device, client, link, options }
    }

    /// A pair that has met before.
    async fn met(device: &SteadyReplica, server: &SteadyReplica) -> Self {
        let mut stand = Self::new(device, server).await;
        stand.sync().await;
        stand
    }

    async fn sync(&mut self) -> Cost {
        let before = self.link.counts();
        sync(&self.device, &self.client, &self.options, &mut |_| {}).await.unwrap();
        let counts = self.link.counts() - before;
        Cost { round_trips: counts.round_trips, up: counts.up, down: counts.down }
    }

    /// A new event here.
    fn record(&self) {
        let mut batch = self.device.batch(&parcel());
        let data = data();
        batch.push(&laterbase_core::event::Record::json("P-0001", "Scanned", &data)).unwrap();
        self.device.record(&batch).unwrap();
    }

    /// A new event there, of another device.
    async fn arrive(&self, number: u128) {
        let data = data();
        let page = first_events("parcel", number..number + 1, &data);
        let url = self.listening.url().parse().unwrap();
        let direct = Client::new(url, HttpTransport::new().unwrap());
        assert_eq!(direct.push(page.into()).await.unwrap().stored, 1);
    }
}

/// Of an event that is news.
fn data() -> String {
    format!(r#"{{"place":"{}"}}"#, "x".repeat(200 - 12))
}

fn parcel() -> RootName {
    root("parcel")
}

/// Two replicas that hold the same events of one origin, in some roots.
fn twins(count: usize, roots: &[&str]) -> [SteadyReplica; 2] {
    let device = SteadyReplica::new(1);
    for name in roots {
        device.record(&root(name), count / roots.len());
    }
    let server = device.copy(2);
    [device, server]
}

/// Two replicas that hold the same events of many origins.
fn crowds() -> [SteadyReplica; 2] {
    let device = SteadyReplica::new(1);
    device.merge(&first_events("parcel", 0..ORIGINS, r#"{"place":"depot"}"#));
    let server = device.copy(2);
    [device, server]
}

#[derive(Default)]
struct Table {
    lines: String,
}

impl Table {
    fn add(&mut self, scenario: &str, cost: Cost) {
        let Cost { round_trips, up, down } = cost;
        writeln!(self.lines, "| {scenario} | {round_trips} | {up} | {down} | {} |", cost.bytes())
            .unwrap();
    }

    /// Nothing new, then an event here, there, and on both sides.
    async fn add_news(&mut self, what: &str, [device, server]: &[SteadyReplica; 2]) {
        let mut stand = Stand::met(device, server).await;
        let idle = stand.sync().await.at_most(1, IDLE_BYTES_MAX);
        self.add(&format!("nothing new, {what}"), idle);
        stand.record();
        let pushed = stand.sync().await.at_most(2, NEWS_BYTES_MAX);
        self.add(&format!("one new event on the device, {what}"), pushed);
        stand.arrive(1 << 40).await;
        let pulled = stand.sync().await.at_most(2, NEWS_BYTES_MAX);
        self.add(&format!("one new event on the server, {what}"), pulled);
        stand.record();
        stand.arrive(2 << 40).await;
        let both = stand.sync().await.at_most(2, 2 * NEWS_BYTES_MAX);
        self.add(&format!("one new event on each side, {what}"), both);
        stand.sync().await.at_most(1, IDLE_BYTES_MAX);
        let expected = holdings(stand.device.reader());
        assert_eq!(
            expected["parcel"].0,
            stand.device.reader().version_vector(&parcel()).event_count()
        );
    }
}

async fn first_syncs(table: &mut Table) {
    const COUNT: usize = 1_000;
    for (what, here, there) in
        [("on the device", COUNT, 0), ("on the server", 0, COUNT), ("on each side", COUNT, COUNT)]
    {
        let (device, server) = (SteadyReplica::new(1), SteadyReplica::new(2));
        device.record(&parcel(), here);
        server.record(&parcel(), there);
        let others = (device.copy(3), server.copy(4));
        let mut stand = Stand::new(&device, &server).await;
        let cost = stand.sync().await;
        assert_eq!(stand.device.reader().head(), (here + there) as u64);
        table.add(&format!("first sync, 1,000 events {what}"), cost);
        let mut stand = Stand::new(&others.0, &others.1).await;
        stand.client =
            Client::new(stand.link.url().parse().unwrap(), HttpTransport::new().unwrap())
                .with_compression(Compression::Never);
        let plain = stand.sync().await;
        assert_eq!(stand.device.reader().head(), (here + there) as u64);
        let payload = (here + there) as u64 * (PAYLOAD_BYTES + 64);
        // Design: at most 1.2 times the payload and 64 bytes an event.
        let bound = payload + (here + there) as u64 * PAYLOAD_BYTES / 5;
        table.add(&format!("the same, not compressed, {what}"), plain.at_most(5, bound));
    }
}

async fn meetings(table: &mut Table) {
    let [device, server] = twins(1_000, &["parcel"]);
    let cost = Stand::new(&device, &server).await.sync().await;
    table.add("another address, same 1,000 events of 1 origin on both sides", cost);
    let [device, server] = crowds();
    let cost = Stand::new(&device, &server).await.sync().await;
    table.add("another address, same events of 10,000 origins on both sides", cost);

    let [device, server] = twins(1_000, &["parcel", "order"]);
    let mut stand = Stand::met(&device, &server).await;
    stand.options.roots = "parcel".parse().unwrap();
    table.add("other roots are chosen, nothing new", stand.sync().await);
    stand.sync().await.at_most(1, IDLE_BYTES_MAX + 20);
}

/// Replicas that were set back, to where they lacked the last 100 of 1,000 events.
async fn setbacks(table: &mut Table) {
    let [device, server] = twins(900, &["parcel"]);
    let old = server.backup();
    let mut stand = Stand::met(&device, &server).await;
    drop(stand.device);
    device.record(&parcel(), 100);
    stand.device = device.device();
    stand.sync().await;
    let restored = Listening::start(old.server());
    stand.link.lead_to(restored.address);
    drop(std::mem::replace(&mut stand.listening, restored));
    let cost = stand.sync().await;
    assert_eq!(stand.listening_holdings().await, 1_000);
    table.add("the server was set back by 100 of 1,000 events", cost);

    // The device's own history: it went on under its id, and so did the copy put in its place.
    let device = SteadyReplica::new(1);
    device.record(&parcel(), 900);
    let (old, server) = (device.backup(), SteadyReplica::new(2));
    device.record(&parcel(), 100);
    let mut stand = Stand::met(&device, &server).await;
    drop(stand.device);
    old.record(&parcel(), 10);
    stand.device = old.device();
    let cost = stand.sync().await;
    assert_eq!(stand.device.reader().head(), 1_010);
    assert!(stand.device.reader().forks().is_empty());
    assert_eq!(stand.listening_holdings().await, 1_010);
    table.add("the device was set back by 100 of 1,000 events and wrote 10 others", cost);
    stand.sync().await.at_most(1, IDLE_BYTES_MAX);
}

impl Stand {
    /// How many events the server holds.
    async fn listening_holdings(&self) -> u64 {
        let url = self.listening.url().parse().unwrap();
        let direct = Client::new(url, HttpTransport::new().unwrap());
        direct.status().await.unwrap().roots.values().map(|root| root.events).sum()
    }
}

#[tokio::test]
async fn the_table_of_the_wire_is_as_measured() {
    let mut table = Table::default();
    table.add_news("1,000 events", &twins(1_000, &["parcel"])).await;
    table.add_news("100,000 events in 3 roots", &twins(MANY, &["order", "parcel", "trip"])).await;
    table.add_news("10,000 origins", &crowds()).await;
    first_syncs(&mut table).await;
    meetings(&mut table).await;
    setbacks(&mut table).await;
    let head = "| scenario | round trips | bytes up | bytes down | bytes |\n| --- | --- | --- | --- | --- |\n";
    check_block("wire table", &format!("{head}{}", table.lines));
}

/// The same bounds at a million events.
#[tokio::test]
async fn a_million_events_cost_no_byte_more_than_a_thousand() {
    if std::env::var_os("LATERBASE_SCALE").is_none() {
        eprintln!("left out: runs with LATERBASE_SCALE set");
        return;
    }
    Table::default().add_news("a million", &twins(1_000_000, &["parcel"])).await;
}
