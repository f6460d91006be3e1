//! A link on loopback in front of a server, whose faults are chosen: it counts what it carries,
//! cuts, delays, throttles and corrupts.

use std::net::SocketAddr;
use std::ops::Sub;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

use crate::dice::Dice;

/// What happens to one connection.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fate {
    /// It is closed at once.
    pub(crate) is_refused: bool,
    /// It breaks behind so many bytes, both ways together.
    pub(crate) cut_after: Option<u64>,
    /// A seed, and of how many bytes of bodies one is changed on average.
    pub(crate) corrupt: Option<(u64, usize)>,
}

/// How fast a link is, each way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Speed {
    pub(crate) bits_per_second: u64,
    /// How long a byte travels in one direction.
    pub(crate) latency: Duration,
}

/// What a link has carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) connections: u64,
    /// Connections that broke as they were fated to.
    pub(crate) cuts: u64,
    /// How often the client spoke after it had heard the server.
    pub(crate) round_trips: u64,
    /// Bytes from the client.
    pub(crate) up: u64,
    /// Bytes to the client.
    pub(crate) down: u64,
    /// Bytes that were changed on the way.
    pub(crate) corrupted: u64,
}

impl Counts {
    /// Both ways together.
    pub(crate) const fn bytes(&self) -> u64 {
        self.up + self.down
    }
}

impl Sub for Counts {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            connections: self.connections - earlier.connections,
            cuts: self.cuts - earlier.cuts,
            round_trips: self.round_trips - earlier.round_trips,
            up: self.up - earlier.up,
            down: self.down - earlier.down,
            corrupted: self.corrupted - earlier.corrupted,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

/// What one side said before the other one spoke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spoken {
    pub(crate) is_client: bool,
    pub(crate) bytes: Vec<u8>,
}

struct Shared {
    server: Mutex<SocketAddr>,
    counts: Mutex<Counts>,
    transcript: Mutex<Option<Vec<Spoken>>>,
    speed: Option<Speed>,
    /// When the line is free again, up and down: all connections share it.
    free: Mutex<[Instant; 2]>,
}

/// Carries connections until it is dropped.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// A link without faults.
    pub(crate) async fn start(server: SocketAddr) -> Self {
        Self::open(server, None, |_number| Fate::default()).await
    }

    /// A slow one.
    pub(crate) async fn slow(server: SocketAddr, speed: Speed) -> Self {
        Self::open(server, Some(speed), |_number| Fate::default()).await
    }

    /// A link whose connections, counted from 0, have a fate each.
    pub(crate) async fn fated(
        server: SocketAddr,
        fates: impl FnMut(u64) -> Fate + Send + 'static,
    ) -> Self {
        Self::open(server, None, fates).await
    }

    async fn open(
        server: SocketAddr,
        speed: Option<Speed>,
        mut fates: impl FnMut(u64) -> Fate + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let free = Mutex::new([Instant::now(); 2]);
        let shared = Arc::new(Shared {
            server: Mutex::new(server),
            counts: Mutex::default(),
            transcript: Mutex::default(),
            speed,
            free,
        });
        let carrying = Arc::clone(&shared);
        let accepting = tokio::spawn(async move {
            for number in 0.. {
                let (near, _from) = listener.accept().await.unwrap();
                let fate = fates(number);
                carrying.counts.lock().unwrap().connections += 1;
                if !fate.is_refused {
                    tokio::spawn(carry(Arc::clone(&carrying), near, fate));
                }
            }
        });
        Self { address, shared, accepting }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Leads new connections to another server.
    pub(crate) fn lead_to(&self, server: SocketAddr) {
        *self.shared.server.lock().unwrap() = server;
    }

    /// Keeps what is said from now on.
    pub(crate) fn listen_in(&self) {
        *self.shared.transcript.lock().unwrap() = Some(Vec::new());
    }

    /// What was said since [`Self::listen_in`].
    pub(crate) fn transcript(&self) -> Vec<Spoken> {
        self.shared.transcript.lock().unwrap().clone().unwrap_or_default()
    }

    pub(crate) fn counts(&self) -> Counts {
        *self.shared.counts.lock().unwrap()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// One connection, as both of its directions see it.
struct Connection {
    shared: Arc<Shared>,
    state: Mutex<State>,
}

struct State {
    left: Option<u64>,
    corrupt: Option<(Dice, usize)>,
    last: Option<Way>,
    /// How much of the end of a head has been seen since the direction last changed.
    head_end: usize,
}

async fn carry(shared: Arc<Shared>, near: TcpStream, fate: Fate) {
    if let Some(speed) = shared.speed {
        sleep(2 * speed.latency).await;
    }
    let server = *shared.server.lock().unwrap();
    let Ok(far) = TcpStream::connect(server).await else { return };
    for stream in [&near, &far] {
        stream.set_nodelay(true).unwrap();
    }
    let corrupt = fate.corrupt.map(|(seed, bytes)| (Dice::new(seed), bytes));
    let state = State { left: fate.cut_after, corrupt, last: None, head_end: 0 };
    let connection = Connection { shared, state: Mutex::new(state) };
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    // Whichever side hangs up, or is cut off, takes the other one with it.
    tokio::select! {
        () = pump(&connection, Way::Up, near_in, far_out) => {}
        () = pump(&connection, Way::Down, far_in, near_out) => {}
    }
}

/// Carries bytes one way until an end hangs up or the connection is cut.
async fn pump(
    connection: &Connection,
    way: Way,
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
) {
    let (sender, mut travelling) = mpsc::unbounded_channel::<(Instant, Vec<u8>, bool)>();
    let speed = connection.shared.speed;
    let reading = async move {
        let mut buffer = vec![0; if speed.is_some() { 256 } else { 16 * 1024 }];
        loop {
            let Ok(count @ 1..) = from.read(&mut buffer).await else { return };
            let (bytes, is_cut) = connection.pass(way, &buffer[..count]);
            let arrives = connection.shared.arrival(way, bytes.len());
            if sender.send((arrives, bytes, is_cut)).is_err() || is_cut {
                return;
            }
        }
    };
    let delivering = async {
        while let Some((arrives, bytes, is_cut)) = travelling.recv().await {
            if speed.is_some() {
                sleep_until(arrives).await;
            }
            if to.write_all(&bytes).await.is_err() || is_cut {
                return;
            }
        }
    };
    tokio::join!(reading, delivering);
}

impl Shared {
    fn transcribe(&self, is_client: bool, bytes: &[u8]) {
        let mut transcript = self.transcript.lock().unwrap();
        let Some(transcript) = &mut *transcript else { return };
        if transcript.last().is_none_or(|last| last.is_client != is_client) {
            transcript.push(Spoken { is_client, bytes: Vec::new() });
        }
        if let Some(last) = transcript.last_mut() {
            last.bytes.extend_from_slice(bytes);
        }
    }

    /// When bytes that are sent now come out at the other end.
    fn arrival(&self, way: Way, bytes: usize) -> Instant {
        let now = Instant::now();
        let Some(speed) = self.speed else { return now };
        let free = &mut self.free.lock().unwrap()[way as usize];
        let nanos = bytes as u64 * 8 * 1_000_000_000 / speed.bits_per_second;
        *free = now.max(*free) + Duration::from_nanos(nanos);
        *free + speed.latency
    }
}

impl Connection {
    /// What of some bytes gets through, and whether the connection breaks behind them.
    fn pass(&self, way: Way, bytes: &[u8]) -> (Vec<u8>, bool) {
        let (mut state, mut counts) =
            (self.state.lock().unwrap(), self.shared.counts.lock().unwrap());
        if state.last != Some(way) {
            (state.last, state.head_end) = (Some(way), 0);
            counts.round_trips += u64::from(way == Way::Up);
        }
        let passed = state.left.map_or(bytes.len(), |left| {
            bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX))
        });
        let mut bytes = bytes[..passed].to_vec();
        counts.corrupted += state.corrupt(&mut bytes);
        match way {
            Way::Up => counts.up += passed as u64,
            Way::Down => counts.down += passed as u64,
        }
        self.shared.transcribe(way == Way::Up, &bytes);
        state.left = state.left.map(|left| left - passed as u64);
        let is_cut = state.left == Some(0);
        counts.cuts += u64::from(is_cut);
        (bytes, is_cut)
    }
}

impl State {
    /// Changes bytes of bodies; those of heads are left alone.
    fn corrupt(&mut self, bytes: &mut [u8]) -> u64 {
        const HEAD_END: &[u8] = b"\r\n\r\n";
        let Some((dice, one_in)) = &mut self.corrupt else { return 0 };
        let mut changed = 0;
        for byte in bytes {
            if self.head_end < HEAD_END.len() {
                let goes_on = *byte == HEAD_END[self.head_end];
                self.head_end =
                    if goes_on { self.head_end + 1 } else { usize::from(*byte == b'\r') };
            } else if dice.below(*one_in) == 0 {
                *byte ^= 1 << dice.below(8);
                changed += 1;
            }
        }
        changed
    }
}
