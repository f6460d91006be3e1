//! Recording while another process has the store open.
//!
//! A driver scanned while `sync` waited for a server that had taken the connection and said
//! nothing: `record` waited ten seconds for the store and failed, and the scan was lost.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::command::Workplace;
use crate::depot::{Listening, server};
use crate::dice::Dice;
use crate::proxy::{Proxy, Speed};

/// Commands beside a sync that are timed, where nothing else is said.
const FEW: usize = 25;

/// What a record may take longer beside a sync than on a store that nobody has open.
const SLACK: Duration = Duration::from_millis(100);

/// A process that is ended when the test is.
struct Running(Child);

impl Running {
    fn sync(place: &Workplace, url: &str) -> Self {
        let mut command = place.command(&["sync", "--server", url]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.0.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// As `kill -9`.
    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _gone = self.0.kill();
        let _waited = self.0.wait();
    }
}

fn scan(number: usize) -> String {
    format!(r#"{{"aggregate_id":"P{number}","type":"Scanned","data":{{"n":{number}}}}}"#)
}

#[track_caller]
fn record(place: &Workplace, line: &str) -> Duration {
    let started = Instant::now();
    let ended = place.feed(&["record", "--root", "r"], line.as_bytes());
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{}", ended.stdout);
    started.elapsed()
}

/// Records beside whoever has the store open, and on an idle store in turn, so that both meet the
/// same load of the machine. Both times hold what it takes to start a process.
#[track_caller]
fn check_pace(place: &Workplace, count: usize) {
    let idle = Workplace::new();
    record(&idle, &scan(0));
    let (mut beside, mut alone) = (Vec::new(), Vec::new());
    for number in 1..=count {
        beside.push(record(place, &scan(number)));
        alone.push(record(&idle, &scan(number)));
    }
    beside.sort_unstable();
    alone.sort_unstable();
    let at = |times: &[Duration], share: usize| times[(times.len() * share).div_ceil(100) - 1];
    let [middle, most] = [50, 99].map(|share| (at(&beside, share), at(&alone, share)));
    eprintln!("beside and alone: median {middle:?}, 99 % {most:?}");
    assert!(middle.0 <= middle.1 + SLACK, "{middle:?}");
    assert!(most.0 <= 2 * most.1 + SLACK, "{most:?}");
}

/// Takes a connection and hands it to `answer`. Gives the URL, and tells when somebody came.
fn odd_server(
    answer: impl Fn(std::net::TcpStream) + Send + Sync + Clone + 'static,
) -> (String, std::sync::mpsc::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (came, coming) = std::sync::mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let answer = answer.clone();
            thread::spawn(move || answer(stream.unwrap()));
            let _nobody_waits = came.send(());
        }
    });
    (url, coming)
}

/// Says nothing for as long as the test runs.
fn silent(stream: std::net::TcpStream) {
    thread::park();
    drop(stream);
}

/// One byte a second.
fn trickling(mut stream: std::net::TcpStream) {
    let answer =
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9999\r\n\r\n";
    for byte in answer.iter().chain(std::iter::repeat(&b' ')) {
        if stream.write_all(&[*byte]).is_err() {
            return;
        }
        thread::sleep(Duration::from_secs(1));
    }
}

#[test]
fn two_hundred_scans_beside_a_sync_with_a_silent_server_are_recorded_at_once() {
    let (url, coming) = odd_server(silent);
    let place = Workplace::new();
    record(&place, &scan(0));
    let sync = Running::sync(&place, &url);
    coming.recv().unwrap();
    check_pace(&place, 200);
    // One process sees what the other one has acknowledged.
    assert_eq!(place.event_count(), 201);
    sync.kill();
    assert_eq!(place.event_count(), 201);
    place.succeed(&["verify"]);
}

#[test]
fn scans_beside_a_sync_with_a_server_that_trickles_are_recorded_at_once() {
    let (url, coming) = odd_server(trickling);
    let place = Workplace::new();
    record(&place, &scan(0));
    let _sync = Running::sync(&place, &url);
    coming.recv().unwrap();
    check_pace(&place, FEW);
    assert_eq!(place.event_count(), FEW as u64 + 1);
}

#[test]
fn scans_beside_a_photo_on_a_slow_link_are_recorded_at_once_and_pushed_by_the_next_sync() {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(1).enable_all().build().unwrap();
    let server = server();
    let reader = server.reader().clone();
    let listening = Listening::start(server);
    let speed = Speed { bits_per_second: 32_000, latency: Duration::from_millis(50) };
    let slow = runtime.block_on(Proxy::slow(listening.address, speed));
    let place = Workplace::new();
    // Of a kind that does not shrink on the link.
    let mut dice = Dice::new(1);
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef";
    let photo: String = (0..1_398_000).map(|_| char::from(letters[dice.below(32)])).collect();
    record(&place, &format!(r#"{{"aggregate_id":"P0","type":"Photo","data_base64":"{photo}"}}"#));
    let sync = Running::sync(&place, &slow.url());
    while slow.counts().up < 2_000 {
        thread::yield_now();
    }
    check_pace(&place, FEW);
    sync.kill();
    assert_eq!(place.event_count(), FEW as u64 + 1);
    let summary = place.summary(&["sync", "--server", &listening.url()]);
    assert_eq!(summary["pushed"], FEW + 1, "{summary}");
    assert_eq!(reader.head(), FEW as u64 + 1);
}

/// What is handed over while nothing is left to push is seen by the same watch.
#[test]
fn scans_beside_a_watching_sync_are_pushed_by_it() {
    let server = server();
    let reader = server.reader().clone();
    let mut head = reader.head();
    let listening = Listening::start(server);
    let place = Workplace::new();
    record(&place, &scan(0));
    let mut command =
        place.command(&["sync", "--server", &listening.url(), "--watch", "--interval", "1"]);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let _watch = Running(command.spawn().unwrap());
    for number in 1..=30 {
        record(&place, &scan(number));
    }
    let started = Instant::now();
    while head < 31 {
        assert!(started.elapsed() < Duration::from_secs(50), "{head} of 31 came");
        thread::yield_now();
        head = reader.head();
    }
}

#[test]
fn a_bad_line_that_is_handed_over_is_named_as_on_a_store_of_ones_own() {
    let (url, coming) = odd_server(silent);
    let (place, alone) = (Workplace::new(), Workplace::new());
    for place in [&place, &alone] {
        record(place, &scan(0));
    }
    let _sync = Running::sync(&place, &url);
    coming.recv().unwrap();
    let keyed = |data: u32| {
        format!(r#"{{"aggregate_id":"P","type":"t","data":{data},"idempotency_key":"k"}}"#)
    };
    let future = r#"{"aggregate_id":"P","type":"t","data":1,"occurred_at":"2200-01-01T00:00:00Z"}"#;
    let inputs = [
        keyed(1),
        keyed(1),
        format!("{}\n{}", scan(1), keyed(2)),
        format!("{}\n\n{future}", scan(2)),
        format!("{}\nnonsense", scan(3)),
    ];
    for input in inputs {
        let [here, there] = [&place, &alone].map(|place| {
            let ended = place.feed(&["record", "--root", "r", "--json"], input.as_bytes());
            // The two stores give ids of their own.
            let mut said: Vec<&str> = ended.stderr.split("another event: r:").collect();
            for behind in said.iter_mut().skip(1) {
                *behind = behind.split_at(32).1;
            }
            (ended.code, ended.stdout.clone(), said.concat())
        });
        assert_eq!(here, there, "{input}");
    }
    assert_eq!(place.event_count(), alone.event_count());
}

/// Each waits for its turn in the one process, and none for the network.
#[test]
fn many_processes_hand_over_at_once_while_the_sync_is_killed_and_nothing_is_lost_or_twice() {
    let (url, coming) = odd_server(silent);
    let place = Workplace::new();
    record(&place, &scan(0));
    let mut sync = Some(Running::sync(&place, &url));
    coming.recv().unwrap();
    thread::scope(|scope| {
        for writer in 0..4 {
            let place = &place;
            scope.spawn(move || {
                for number in 0..10 {
                    // All alike: what is lost or there twice shows in the count only.
                    assert!(record(place, &scan(0)) > Duration::ZERO, "{writer} {number}");
                }
            });
        }
        // Two are killed while the others record, a third one stays.
        for _ in 0..2 {
            while place.event_count() < 5 {}
            sync.take().unwrap().kill();
            sync = Some(Running::sync(&place, &url));
            let _holds_or_waits = coming.recv_timeout(Duration::from_secs(5));
        }
    });
    drop(sync);
    assert_eq!(place.event_count(), 41);
    place.succeed(&["verify"]);
}

#[test]
fn a_holder_that_is_stopped_is_named_within_a_bounded_time() {
    let (url, coming) = odd_server(silent);
    let place = Workplace::new();
    record(&place, &scan(0));
    let sync = Running::sync(&place, &url);
    coming.recv().unwrap();
    sync.signal("-STOP");
    let started = Instant::now();
    let ended = place.feed(&["record", "--root", "r"], scan(1).as_bytes());
    assert!(started.elapsed() < Duration::from_secs(30));
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("does not answer; nothing was handed over"), "{}", ended.stderr);
    // What it holds can be read all the same.
    assert_eq!(place.event_count(), 1);
    sync.signal("-CONT");
    record(&place, &scan(1));
    assert_eq!(place.event_count(), 2);
}

#[test]
fn a_holder_of_another_version_is_named_at_once() {
    let place = Workplace::new();
    record(&place, &scan(0));
    let store = place.path("laterbase-data");
    let _held = hold(&store);
    let listener = std::os::unix::net::UnixListener::bind(store.join("laterbase.socket")).unwrap();
    thread::spawn(move || {
        let (mut stream, _address) = listener.accept().unwrap();
        stream.write_all(b"\0\0\0\x09LBHO\x09\0\0\0\x4d").unwrap();
        thread::park();
    });
    let ended = place.feed(&["record", "--root", "r"], scan(1).as_bytes());
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("process 77 has the store open"), "{}", ended.stderr);
    assert!(ended.stderr.contains("version 9"), "{}", ended.stderr);
}

fn hold(store: &Path) -> impl Drop + use<> {
    use laterbase_store_lmdb::{LmdbOptions, LmdbStore};
    struct Hold(Option<LmdbStore>);
    impl Drop for Hold {
        fn drop(&mut self) {
            self.0.take();
        }
    }
    Hold(Some(LmdbStore::open(store, LmdbOptions::default()).unwrap()))
}
