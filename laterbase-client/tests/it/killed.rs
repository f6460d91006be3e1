//! Devices and a depot that are killed while they sync: processes of their own, on real stores,
//! over sockets.
//!
//! A process ends by `SIGKILL`: of its own hand before or after a commit, or of its parent's in
//! the middle of a sync. Behind every round nothing that was recorded is missing, nothing is there
//! twice, and no device takes an event for safe that the depot does not hold; and once nobody is
//! killed any more, all have everything.
//!
//! Mutation, tried: remember that the server holds five events more than were on a page.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use laterbase_client::client::Client;
use laterbase_client::device::{Device, DeviceOptions};
use laterbase_client::sync::{SyncProgress, sync};
use laterbase_client::transport::HttpTransport;
use laterbase_core::fold::MergePatch;
use laterbase_core::verify::verify;
use laterbase_server::Server;
use laterbase_store_lmdb::{LmdbOptions, LmdbStore};
use laterbase_testkit::child::{self, Child, was_killed};
use laterbase_testkit::deadly_store::{Call, DeadlyStore, KillPoint};
use laterbase_testkit::rounds;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::depot::{Holdings, contents, holdings, said_in};
use crate::dice::Dice;
use crate::node::tiny_pages;
use crate::proxy::Proxy;
use crate::sample;

/// Who there is. The first one serves.
const NAMES: [&str; 3] = ["depot", "truck", "boat"];
const DEPOT: usize = 0;

/// Lines that a device records before a round.
const LINES: usize = 60;

/// A sync of so many lines in small pages makes about twenty commits to the truth on either side,
/// and few to the derived tables.
const COMMITS_MAX: [usize; 4] = [12, 12, 2, 2];

/// Words of a device about its progress before its parent kills somebody, at most.
const WORDS_MAX: usize = 12;

/// How long a depot waits for its end, should its parent be gone.
const LIFE: Duration = Duration::from_secs(120);

/// Where a process ends by its own hand.
const DEATHS: [KillPoint; 4] = [
    KillPoint { work: None, call: Call::Truth, after: false },
    KillPoint { work: None, call: Call::Truth, after: true },
    KillPoint { work: None, call: Call::Derived, after: false },
    KillPoint { work: None, call: Call::Derived, after: true },
];

/// How somebody is to die.
#[derive(Clone, Copy, Debug)]
struct Fate {
    victim: usize,
    /// By its own hand, at one of `DEATHS`; otherwise by its parent's.
    death: Option<usize>,
    /// At which such call, or behind which word about the progress of a sync.
    nth: usize,
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Serves or syncs until it is killed or done: the child's part.
fn play(directory: &Path) -> ! {
    let task = child::task();
    let [who, port, death, nth]: [usize; 4] =
        task.split(' ').map(|word| word.parse().unwrap()).collect::<Vec<_>>().try_into().unwrap();
    let store = LmdbStore::open(directory, LmdbOptions::default()).unwrap();
    let store = Arc::new(DeadlyStore::new(store, DEATHS.get(death).copied(), nth as u64));
    let runtime = runtime();
    if who == DEPOT {
        let server = Server::builder().fallback(Arc::new(MergePatch)).store(store).build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            child::tell("serving", listener.local_addr().unwrap().port().into());
            let _ = tokio::time::timeout(LIFE, server.serve(listener)).await;
        });
    } else {
        let device = Device::over(store, DeviceOptions::default()).unwrap();
        let url = format!("http://127.0.0.1:{port}").parse().unwrap();
        let client = Client::new(url, HttpTransport::new().unwrap());
        let mut say =
            |progress: SyncProgress| child::tell("moved", progress.pushed + progress.pulled);
        let done = runtime.block_on(sync(&device, &client, &tiny_pages(), &mut say));
        child::tell("done", u64::from(done.is_ok()));
        device.close().unwrap();
    }
    std::process::exit(0)
}

/// The parent's part: who is where, and what was recorded so far.
struct World {
    test: String,
    directory: TempDir,
    /// Under whose address the depot is always reached.
    proxy: Proxy,
    /// What carries it.
    _runtime: Runtime,
    /// What each has recorded.
    recorded: [Vec<String>; 3],
    /// What the depot held the last time.
    held: Vec<String>,
    kills: usize,
}

impl World {
    fn new(test: &str) -> Self {
        let runtime = runtime();
        // Nobody listens there yet.
        let proxy = runtime.block_on(Proxy::start(([127, 0, 0, 1], 9).into()));
        let (directory, recorded) = (tempfile::tempdir().unwrap(), Default::default());
        Self {
            test: test.to_owned(),
            directory,
            proxy,
            _runtime: runtime,
            recorded,
            held: vec![],
            kills: 0,
        }
    }

    fn path(&self, who: usize) -> PathBuf {
        self.directory.path().join(NAMES[who])
    }

    fn start(&self, who: usize, fate: Option<Fate>) -> Child {
        let (death, nth) = match fate.filter(|fate| fate.victim == who) {
            Some(Fate { death: Some(death), nth, .. }) => (death, nth),
            _ => (DEATHS.len(), 0),
        };
        let port = self.proxy.address().port();
        Child::start_for(&self.test, &self.path(who), &format!("{who} {port} {death} {nth}"))
    }

    fn record(&mut self, seed: u64) {
        for who in 1..NAMES.len() {
            let lines = sample::lines(seed * 10 + who as u64, LINES);
            let device = self.open(who);
            sample::record(&device, &lines);
            device.close().unwrap();
            self.recorded[who].extend(lines);
        }
    }

    fn open(&self, who: usize) -> Device {
        let store = LmdbStore::open(&self.path(who), LmdbOptions::default()).unwrap();
        let report = verify(&store, &mut |_, _| {}).unwrap();
        assert!(report.is_sound(), "{}: {:?}", NAMES[who], report.faults);
        Device::over(Arc::new(store), DeviceOptions::default()).unwrap()
    }

    /// Both devices sync with the depot at once, while somebody dies. Says whether both were done.
    fn sync(&mut self, fate: Option<Fate>) -> bool {
        let mut children: Vec<Child> = vec![self.start(DEPOT, fate)];
        if let Some((_serving, port)) = children[DEPOT].hear() {
            self.proxy.lead_to(([127, 0, 0, 1], port.try_into().unwrap()).into());
        }
        children.extend((1..NAMES.len()).map(|who| self.start(who, fate)));
        let killers: Vec<_> = children.iter().map(Child::killer).collect();
        let words = AtomicUsize::new(0);
        let speak = || {
            let count = words.fetch_add(1, Ordering::SeqCst) + 1;
            if let Some(Fate { victim, death: None, nth }) = fate
                && count == nth
            {
                killers[victim]();
            }
        };
        let done = thread::scope(|scope| {
            let devices = children[1..].iter_mut();
            let hearing: Vec<_> =
                devices.map(|device| scope.spawn(|| hear(device, &speak))).collect();
            hearing.into_iter().all(|device| device.join().unwrap())
        });
        let devices = children.split_off(1);
        self.kills += devices.into_iter().map(Child::end).filter(|&end| was_killed(end)).count();
        // It serves until it is killed.
        let is_fated = fate.is_some_and(|fate| fate.victim == DEPOT);
        let mut depot = children.remove(DEPOT);
        depot.kill();
        assert!(was_killed(depot.end()));
        self.kills += usize::from(is_fated && !done);
        done
    }

    /// What somebody holds, how much of it they think is nowhere else, and whether `verify` finds
    /// nothing.
    fn look(&self, who: usize) -> Look {
        let device = self.open(who);
        let reader = device.reader();
        let (contents, holdings) = (contents(reader), holdings(reader));
        let pending = device.pending().unwrap().values().sum();
        device.close().unwrap();
        Look { contents, holdings, pending }
    }

    /// Nothing is missing or twice, and no device takes an event for safe that is not. Says
    /// whether all have everything, and know it.
    fn check(&mut self) -> bool {
        let depot = self.look(DEPOT);
        let all = said_in(&self.recorded.concat());
        assert!(is_within(&depot.contents, &all), "the depot holds what nobody recorded");
        assert!(is_within(&self.held, &depot.contents), "the depot lost something");
        let mut agree = depot.contents == all;
        for (who, name) in NAMES.iter().enumerate().skip(1) {
            let (device, own) = (self.look(who), said_in(&self.recorded[who]));
            assert!(is_within(&own, &device.contents), "the {name} lost something");
            assert!(is_within(&device.contents, &all), "the {name} has what nobody recorded");
            let is_missing = |event: &&String| depot.contents.binary_search(event).is_err();
            let (missing, pending) =
                (device.contents.iter().filter(is_missing).count(), device.pending);
            assert!(
                pending >= missing as u64,
                "of the {name}: {missing} missing, {pending} pending"
            );
            agree &= device.holdings == depot.holdings && pending == 0;
        }
        self.held = depot.contents;
        agree
    }
}

struct Look {
    contents: Vec<String>,
    holdings: Holdings,
    pending: u64,
}

/// Hears a device out. Says whether it was done.
fn hear(device: &mut Child, speak: &impl Fn()) -> bool {
    let mut is_done = false;
    while let Some((word, number)) = device.hear() {
        speak();
        is_done = word == "done" && number == 1;
    }
    is_done
}

/// Whether everything in one sorted list is in another one, as often.
fn is_within(part: &[String], whole: &[String]) -> bool {
    let mut whole = whole.iter();
    part.iter().all(|event| whole.any(|other| other == event))
}

fn check(name: &str, victim: impl Fn(&mut Dice) -> usize, deaths: &[Option<usize>]) {
    let test = format!("{}::{name}", module_path!());
    if let Some(directory) = child::directory() {
        play(&directory);
    }
    let mut kills = 0;
    for seed in 0..rounds(1) {
        let mut dice = Dice::new(seed);
        let mut world = World::new(&test);
        for round in 0..2 * deaths.len() {
            world.record(seed * 100 + round as u64);
            let death = deaths[round % deaths.len()];
            let most = death.map_or(WORDS_MAX, |death| COMMITS_MAX[death]);
            let fate = Fate { victim: victim(&mut dice), death, nth: 1 + dice.below(most) };
            eprintln!("seed {seed}, round {round}: {fate:?}");
            world.sync(Some(fate));
            world.check();
        }
        // Nobody is killed any more: one sync brings everything up, another one down.
        assert!([world.sync(None), world.sync(None)] == [true; 2] && world.check());
        kills += world.kills;
    }
    eprintln!("{name}: {kills} kills");
    assert!(kills >= deaths.len(), "few came to the point: {kills}");
}

#[test]
fn devices_that_are_killed_before_and_after_their_commits() {
    let name = "devices_that_are_killed_before_and_after_their_commits";
    check(name, |dice| 1 + dice.below(2), &[Some(0), Some(1), Some(2), Some(3)]);
}

#[test]
fn a_depot_that_is_killed_before_and_after_its_commits() {
    let name = "a_depot_that_is_killed_before_and_after_its_commits";
    check(name, |_| DEPOT, &[Some(0), Some(1), Some(2), Some(3)]);
}

#[test]
fn either_side_is_killed_in_the_middle_of_a_sync() {
    let name = "either_side_is_killed_in_the_middle_of_a_sync";
    check(name, |dice| dice.below(3), &[None]);
}
