//! Random topologies and whatever may befall them: replicas write, meet, are cut off, hear things
//! twice, are restarted, copied and restored, in an order that a seed repeats.
//!
//! After every step each replica still holds what it held, once, and counts as safe only what
//! others have had. In the end all links work, and everybody holds everything that survived.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{Method, Request, Response};
use laterbase_client::client::Client;
use laterbase_client::device::{Device, DeviceOptions, UpkeepMode};
use laterbase_client::sync::{SyncError, SyncOptions, SyncReport, sync};
use laterbase_client::transport::{ResponseBody, ServiceTransport, Transport, TransportError};
use laterbase_core::fold::MergePatch;
use laterbase_core::memory_store::MemoryStore;
use laterbase_core::selection::RootSelection;
use laterbase_core::store::Store;
use laterbase_server::Server;
use tower::ServiceExt;

use crate::depot::{Holdings, contents, holdings};
use crate::dice::{Dice, announce, seeds};
use crate::node::tiny_pages;
use crate::one_cut::OneCut;
use crate::sample;

const ROOTS: [&str; 3] = ["order", "shipment", "shipment@depot-7"];
const SELECTIONS: [&str; 4] = ["", "order", "shipment,shipment@*", "order,shipment@depot-7"];

/// Events by the number that they carry, which no other one has.
type Serials = BTreeSet<u64>;

/// A replica: its store, and what is known of it from outside.
struct Site {
    address: String,
    store: MemoryStore,
    /// Changes with every restore that is noticed.
    home: [u8; 32],
    /// Never writes events of its own.
    is_relay: bool,
    held: Serials,
    /// Recorded here, or by what this is a copy of.
    own: Serials,
    backup: Option<Box<Backup>>,
}

struct Backup {
    store: MemoryStore,
    held: Serials,
    own: Serials,
}

impl Site {
    fn new(number: usize, is_relay: bool) -> Self {
        Self {
            address: format!("http://site-{number}"),
            store: MemoryStore::new(),
            home: [0; 32],
            is_relay,
            held: Serials::new(),
            own: Serials::new(),
            backup: None,
        }
    }

    fn opened(&self) -> Arc<dyn Store> {
        Arc::new(self.store.reopen().at_home(self.home))
    }

    fn device(&self) -> Device {
        let upkeep = UpkeepMode::Writer;
        let options = DeviceOptions { upkeep, ..DeviceOptions::default() };
        Device::over(self.opened(), options).unwrap()
    }

    fn server(&self) -> Server {
        let builder = Server::builder().store(self.opened());
        builder.fallback(Arc::new(MergePatch)).build().unwrap()
    }

    fn serials(&self) -> Serials {
        let texts = contents(self.device().reader());
        let serials: Serials = texts.iter().map(|text| serial_of(text)).collect();
        assert_eq!(serials.len(), texts.len(), "an event is there twice");
        serials
    }

    fn holdings(&self, selection: &RootSelection) -> Holdings {
        let mut holdings = holdings(self.device().reader());
        holdings.retain(|root, _| selection.takes(&root.parse().unwrap()));
        holdings
    }

    fn pending(&self, selection: &RootSelection) -> u64 {
        let pending = self.device().pending().unwrap().into_iter();
        pending.filter(|(root, _)| selection.takes(root)).map(|(_, count)| count).sum()
    }

    fn back_up(&mut self) {
        let (store, held, own) =
            (self.store.after_power_loss(), self.held.clone(), self.own.clone());
        self.backup = Some(Box::new(Backup { store, held, own }));
    }
}

fn line(serial: u64, dice: &mut Dice) -> String {
    let root = ROOTS[dice.below(ROOTS.len())];
    let (id, day) = (dice.below(9), 1 + dice.below(28));
    format!(
        r#"{{"root":"{root}","aggregate_id":"A-{id}","type":"serial {serial}","occurred_at":"2021-05-{day:02}T00:00:00Z","data":{{"n":{serial}}}}}"#
    )
}

/// The number in an event, as [`contents`] puts it.
fn serial_of(text: &str) -> u64 {
    let (_, rest) = text.split_once("serial").unwrap();
    let digits = rest.trim_start_matches(|c: char| !c.is_ascii_digit());
    digits.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
}

/// Sends every page and every question twice, and gives the second answer.
struct Twice(Router);

impl Transport for Twice {
    async fn send(
        &self,
        request: Request<Bytes>,
    ) -> Result<Response<ResponseBody>, TransportError> {
        if request.method() == Method::POST {
            let first = request.clone().map(Body::from);
            self.0.clone().oneshot(first).await.unwrap();
        }
        ServiceTransport::new(self.0.clone()).send(request).await
    }
}

struct World {
    dice: Dice,
    sites: Vec<Site>,
    /// Client and server.
    links: Vec<(usize, usize)>,
    next_serial: u64,
    /// Events that more than one site has held at some time.
    shared: Serials,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let count = 3 + dice.below(4);
        let sites = (0..count).map(|number| Site::new(number, number % 3 == 1)).collect();
        // A tree, and a few links more.
        let mut links: Vec<_> = (1..count).map(|number| (number, dice.below(number))).collect();
        for _ in 0..dice.below(count) {
            links.push((dice.below(count), dice.below(count)));
        }
        links.retain(|(from, to)| from != to);
        for link in &mut links {
            if dice.below(2) == 0 {
                *link = (link.1, link.0);
            }
        }
        Self { dice, sites, links, next_serial: 1, shared: Serials::new() }
    }

    async fn step(&mut self) -> String {
        let at = self.dice.below(self.sites.len());
        match self.dice.below(20) {
            0..5 => self.record(at),
            5..15 => self.meet().await,
            15..17 => {
                self.sites[at].back_up();
                format!("{at} is backed up")
            }
            17 => self.restore(at, true),
            18 if self.sites[at].is_relay => self.restore(at, false),
            19 if self.sites.len() < 7 => self.copy(at),
            _ => String::new(),
        }
    }

    fn record(&mut self, at: usize) -> String {
        if self.sites[at].is_relay {
            return String::new();
        }
        let count = 1 + self.dice.below(8) as u64;
        let serials = self.next_serial..self.next_serial + count;
        self.next_serial = serials.end;
        let lines: Vec<_> = serials.clone().map(|serial| line(serial, &mut self.dice)).collect();
        let site = &mut self.sites[at];
        sample::record(&site.device(), &lines);
        site.own.extend(serials.clone());
        format!("{at} records {serials:?}")
    }

    /// A site finds itself as it was when it was backed up, and may notice.
    fn restore(&mut self, at: usize, is_noticed: bool) -> String {
        let site = &mut self.sites[at];
        let Some(backup) = site.backup.take() else { return String::new() };
        let Backup { store, held, own } = *backup;
        (site.store, site.held, site.own) = (store, held, own);
        if is_noticed {
            site.home =
                Dice::new(self.dice.roll()).roll().to_be_bytes().repeat(4).try_into().unwrap();
        }
        format!("{at} is restored, and {}", if is_noticed { "notices" } else { "does not notice" })
    }

    /// A copy of a site's directory joins.
    fn copy(&mut self, from: usize) -> String {
        let number = self.sites.len();
        let source = &self.sites[from];
        let mut copy = Site::new(number, source.is_relay);
        copy.store = source.store.after_power_loss();
        copy.home = [u8::try_from(number).unwrap(); 32];
        (copy.held, copy.own) = (source.held.clone(), source.own.clone());
        self.shared.extend(&source.held);
        self.sites.push(copy);
        self.links.push((number, self.dice.below(number)));
        format!("{number} is a copy of {from}")
    }

    async fn meet(&mut self) -> String {
        let (from, to) = self.links[self.dice.below(self.links.len())];
        let selection = SELECTIONS[self.dice.below(SELECTIONS.len())];
        let options = SyncOptions { roots: selection.parse().unwrap(), ..tiny_pages() };
        let (at, kind) = (self.dice.below(4_000), self.dice.below(3));
        let outcome = self.sync(from, to, &options, kind, at).await;
        let word = match (&outcome, kind) {
            (Ok(_), _) => "in full".to_owned(),
            (Err(_), 0) => format!("until it is cut after {at} bytes"),
            (Err(error), _) => panic!("{from} cannot sync with {to}: {error}"),
        };
        if outcome.is_ok() {
            let roots = &options.roots;
            let (from, to) = (&self.sites[from], &self.sites[to]);
            assert_eq!(from.holdings(roots), to.holdings(roots), "after a sync of {selection:?}");
            assert_eq!(from.pending(roots), 0, "after a sync of {selection:?}");
        }
        format!("{from} syncs {selection:?} with {to}, {word}")
    }

    async fn sync(
        &self,
        from: usize,
        to: usize,
        options: &SyncOptions,
        kind: usize,
        at: usize,
    ) -> Result<SyncReport, SyncError> {
        let (device, server) = (self.sites[from].device(), self.sites[to].server());
        let (url, router) = (self.sites[to].address.parse().unwrap(), server.router());
        let quiet = &mut |_| {};
        match kind {
            0 => {
                let client = Client::new(url, OneCut::after_bytes(router, at));
                sync(&device, &client, options, quiet).await
            }
            1 => sync(&device, &Client::new(url, Twice(router)), options, quiet).await,
            _ => {
                let client = Client::new(url, ServiceTransport::new(router));
                sync(&device, &client, options, quiet).await
            }
        }
    }

    /// What must hold after every step.
    #[track_caller]
    fn check(&mut self, story: &[String]) {
        let now: Vec<Serials> = self.sites.iter().map(Site::serials).collect();
        for (index, held) in now.iter().enumerate() {
            let others = now.iter().enumerate().filter(|(other, _)| *other != index);
            self.shared.extend(others.flat_map(|(_, other)| held.intersection(other)));
        }
        for (index, (site, held)) in self.sites.iter_mut().zip(now).enumerate() {
            let lost: Vec<_> = site.held.difference(&held).collect();
            assert!(lost.is_empty(), "{index} lost {lost:?}\n{}", story.join("\n"));
            let unsafe_count = site
                .own
                .iter()
                .filter(|serial| held.contains(serial) && !self.shared.contains(serial));
            let (unsafe_count, pending) =
                (unsafe_count.count() as u64, site.pending(&RootSelection::all()));
            assert!(
                pending >= unsafe_count,
                "{index} counts {pending} pending, {unsafe_count} are nowhere else\n{}",
                story.join("\n")
            );
            site.held = held;
        }
    }

    /// All links work, until nothing moves any more.
    async fn settle(&mut self, story: &[String]) {
        let everything: Serials = self.sites.iter().flat_map(|site| &site.held).copied().collect();
        for round in 0.. {
            assert!(round < 20, "no end to it\n{}", story.join("\n"));
            let mut moved = 0;
            for &(from, to) in &self.links {
                let report = self.sync(from, to, &tiny_pages(), 2, 0).await.unwrap();
                assert_eq!(report.held_back, [], "{from} to {to}\n{}", story.join("\n"));
                moved += report.pushed + report.pulled;
            }
            if moved == 0 {
                break;
            }
        }
        let expected = self.sites[0].holdings(&RootSelection::all());
        for (index, site) in self.sites.iter().enumerate() {
            assert_eq!(site.serials(), everything, "{index}\n{}", story.join("\n"));
            assert_eq!(site.holdings(&RootSelection::all()), expected, "{index}");
        }
        for &(from, to) in &self.links {
            let report = self.sync(from, to, &tiny_pages(), 2, 0).await.unwrap();
            assert_eq!((report.requests, report.pushed, report.pulled), (1, 0, 0), "{report:?}");
            assert_eq!(self.sites[from].pending(&RootSelection::all()), 0);
        }
    }
}

async fn play(seed: u64) {
    announce(seed);
    let (mut world, mut story) = (World::new(seed), Vec::new());
    for _ in 0..50 {
        let said = world.step().await;
        if !said.is_empty() {
            story.push(said);
            world.check(&story);
        }
    }
    world.settle(&story).await;
}

#[tokio::test]
async fn replicas_of_any_topology_converge_whatever_befell_them() {
    for seed in seeds(25) {
        play(seed).await;
    }
}
