//! The connections of a server: how many there are, which of them gives way, and their end.

use std::any::Any;
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::app::App;
use crate::below;
use crate::bounds::Bounds;
use crate::callers::Caller;
use crate::connection::{self, Ends};
use crate::problem::{Kind, Problem};
use crate::progress::Progress;
use crate::shutdown;

/// How long the server rests where the system gives it no connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// How long a peer may say nothing before the system asks whether it is still there.
const KEEPALIVE_TIME: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// How long one that is turned away may take to hear it.
const TURN_AWAY_TIME: Duration = Duration::from_millis(500);

/// Those that are turned away and still have to hear it. More are closed without a word.
const TURNED_AWAY_MAX: usize = 16;

/// The connections that there are.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    next_number: u64,
    by_number: BTreeMap<u64, Entry>,
    by_address: BTreeMap<IpAddr, usize>,
    /// Connections that were told to give way and still have their descriptors.
    leaving_count: usize,
}

#[derive(Debug)]
struct Entry {
    address: Option<IpAddr>,
    progress: Arc<Progress>,
    gives_way: Arc<Notify>,
}

/// One connection's place among the others, until it is dropped.
#[derive(Debug)]
struct Place {
    connections: Arc<Connections>,
    number: u64,
    address: Option<IpAddr>,
    progress: Arc<Progress>,
    gives_way: Arc<Notify>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.connections.open();
        if open.remove(self.number).is_none() {
            open.leaving_count = open.leaving_count.saturating_sub(1);
        }
    }
}

impl Open {
    /// Idempotent: who gave way is gone already.
    fn remove(&mut self, number: u64) -> Option<Entry> {
        let entry = self.by_number.remove(&number)?;
        if let Some(address) = entry.address
            && let Some(count) = self.by_address.get_mut(&address)
        {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&address);
            }
        }
        Some(entry)
    }

    /// Has the connection that was idle longest give way, of one address or of all.
    fn shed(&mut self, address: Option<IpAddr>) -> bool {
        let of_address = |entry: &Entry| address.is_none() || entry.address == address;
        let idle = self.by_number.iter().filter(|(_, entry)| of_address(entry));
        let idle = idle.filter_map(|(number, entry)| Some((entry.progress.idle_since()?, *number)));
        let Some((_, number)) = idle.min() else { return false };
        if let Some(entry) = self.remove(number) {
            entry.gives_way.notify_one();
            self.leaving_count += 1;
        }
        true
    }
}

impl Connections {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a connection in, if need be in the place of one that is idle.
    fn take_in(self: &Arc<Self>, bounds: Bounds, address: Option<IpAddr>) -> Option<Place> {
        let (most, most_per_address) = bounds.connections();
        let mut open = self.open();
        let count = address.and_then(|address| open.by_address.get(&address).copied());
        if count.unwrap_or(0) >= most_per_address && !open.shed(address) {
            return None;
        }
        if open.by_number.len() >= most && !open.shed(None) {
            return None;
        }
        let number = open.next_number;
        open.next_number += 1;
        let (progress, gives_way) = (Progress::new(bounds), Arc::new(Notify::new()));
        let entry =
            Entry { address, progress: Arc::clone(&progress), gives_way: Arc::clone(&gives_way) };
        open.by_number.insert(number, entry);
        if let Some(address) = address {
            *open.by_address.entry(address).or_default() += 1;
        }
        drop(open);
        Some(Place { connections: Arc::clone(self), number, address, progress, gives_way })
    }

    /// Has one that is idle give way, for want of descriptors, unless one is about to: those that
    /// were not idle for long would go as well.
    fn shed(&self) -> bool {
        let mut open = self.open();
        open.leaving_count > 0 || open.shed(None)
    }
}

/// Serves all that a listener accepts until the server stops, and then until requests under way
/// have ended or had time enough.
pub(crate) async fn serve<L>(
    app: &Arc<App>,
    connections: &Arc<Connections>,
    mut listener: L,
    router: Router,
) where
    L: Listener,
    L::Addr: 'static,
{
    let mut tasks = JoinSet::new();
    let mut turned_away = JoinSet::new();
    let mut stopping = app.stopping();
    loop {
        let (stream, address) = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = tasks.join_next() => continue,
            Some(_) = turned_away.join_next() => continue,
            () = shutdown::requested(&mut stopping) => break,
        };
        let address: Option<&SocketAddr> = (&address as &dyn Any).downcast_ref();
        // A stream over IPv6 of an IPv4 address counts as of that.
        match connections.take_in(app.bounds(), address.map(|address| address.ip().to_canonical()))
        {
            Some(place) => tasks.spawn(run(Arc::clone(app), stream, place, router.clone())),
            None if turned_away.len() < TURNED_AWAY_MAX => turned_away.spawn(turn_away(stream)),
            None => continue,
        };
    }
    drop(listener);
    let grace = sleep(app.bounds().stop_time_max);
    tokio::pin!(grace);
    while !tasks.is_empty() {
        tokio::select! {
            _ = tasks.join_next() => {}
            () = &mut grace => {
                tracing::warn!(connections = tasks.len(), "requests under way were cut off");
                break;
            }
        }
    }
}

async fn run<S>(app: Arc<App>, stream: S, place: Place, router: Router)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let ends = Ends {
        stop: app.stopping(),
        pressure: app.answers.pressure(),
        gives_way: Arc::clone(&place.gives_way),
    };
    let caller = Caller::at(place.address);
    connection::run(stream, Arc::clone(&place.progress), caller, router, ends).await;
}

/// Says that there are too many connections.
async fn turn_away<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) {
    let problem = Problem::new(Kind::Busy).detail("there are too many connections");
    let say = async {
        stream.write_all(&below::last_answer(problem)).await?;
        connection::linger(&mut stream).await
    };
    let _ = timeout(TURN_AWAY_TIME, say).await;
}

/// A listener on TCP that goes on whatever accepting fails with.
#[derive(Debug)]
pub(crate) struct Door {
    pub listener: TcpListener,
    pub connections: Arc<Connections>,
}

impl Listener for Door {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) => {
                    make_ready(&stream);
                    return (stream, address);
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    // Most likely the system is out of descriptors. Those of idle connections
                    // help.
                    let has_shed = self.connections.shed();
                    tracing::warn!(%error, has_shed, "cannot accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

fn make_ready(stream: &TcpStream) {
    // Small answers are not to wait for more. Without it, they are only slower.
    let _ = stream.set_nodelay(true);
    // Without it, a device that vanished is noticed by the server's own times only.
    let keepalive = socket2::TcpKeepalive::new().with_time(KEEPALIVE_TIME);
    let keepalive = keepalive.with_interval(KEEPALIVE_INTERVAL);
    let _ = socket2::SockRef::from(stream).set_tcp_keepalive(&keepalive);
}

/// Whether an error of accepting says nothing about the next connection.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

#[cfg(test)]
mod tests;
