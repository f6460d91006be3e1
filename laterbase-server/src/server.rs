//! A server: routes around a replica, and the life of both.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::http::Method;
use axum::serve::Listener;
use laterbase_core::reader::Reader;
use laterbase_core::store::StoreError;
use tokio::net::TcpListener;
use tokio::task::spawn_blocking;

#[cfg(feature = "peers")]
use laterbase_client::{client::Client, transport::Transport};

use crate::app::App;
#[cfg(feature = "backups")]
use crate::backups::BackupThread;
use crate::builder::Builder;
use crate::connections::{self, Connections, Door};
use crate::handle::ServerHandle;
#[cfg(feature = "peers")]
use crate::neighbours;
#[cfg(feature = "peers")]
use crate::peering::{self, PeerOptions};
use crate::routes;
use crate::shutdown::Signals;

/// A replica that is open, with its writer running.
///
/// Dropping it and everything that [`Server::router`] gave closes the replica; what was accepted
/// is committed first. [`Server::close`] does the same and says how it went.
#[derive(Debug)]
pub struct Server {
    /// Ended before the store is closed.
    #[cfg(feature = "backups")]
    backing_up: Option<BackupThread>,
    /// Declared first: no more is taken from other processes before the store is closed.
    #[cfg(feature = "peers")]
    listening: Option<laterbase_client::handover::Listening>,
    app: Arc<App>,
}

impl Server {
    /// Begins a server.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// A server, and the directory that its store is in.
    pub(crate) fn new(app: App, directory: Option<&Path>) -> std::io::Result<Self> {
        let app = Arc::new(app);
        #[cfg(not(feature = "peers"))]
        let _no_client_to_listen_with = directory;
        Ok(Self {
            #[cfg(feature = "backups")]
            backing_up: BackupThread::start(&app)?,
            #[cfg(feature = "peers")]
            listening: directory.and_then(|directory| neighbours::listen(directory, &app)),
            app,
        })
    }

    /// The routes, to be served or nested in another router.
    ///
    /// Whoever serves them answers for connections: how many there are, how long they may take,
    /// and under which names the server is asked, unless [`Builder::host`] or
    /// [`Builder::allow_origin`] says so. [`Server::serve_on`] takes the first two over.
    pub fn router(&self) -> Router {
        let is_guarded = self.app.gate.now().is_asked_for();
        routes::router(Arc::clone(&self.app), is_guarded)
    }

    /// The method and the path of every route, as the router has them.
    pub fn routes() -> Vec<(Method, &'static str)> {
        routes::declared()
            .into_iter()
            .flat_map(|route| {
                route.declared.into_iter().map(move |declared| (declared.method, route.path))
            })
            .collect()
    }

    /// Reads what the server holds, without HTTP.
    pub fn reader(&self) -> &Reader {
        self.app.reader()
    }

    /// A handle to write through beside HTTP, and to tell the server to stop.
    pub fn handle(&self) -> ServerHandle {
        ServerHandle::new(Arc::clone(&self.app))
    }

    /// Keeps the server in sync with another one, as its client, until it stops. Where peers say
    /// which roots they take, and what is new, is up to each of them; give one side of a pair the
    /// other.
    ///
    /// A peer that cannot be reached is tried again, for ever, with growing rests.
    ///
    /// # Panics
    /// Outside of a tokio runtime, or in one of a single thread: waiting for the disk blocks.
    #[cfg(feature = "peers")]
    pub fn sync_with<T: Transport + 'static>(&self, peer: Client<T>, options: PeerOptions) {
        tokio::spawn(peering::keep_in_sync(Arc::clone(&self.app), peer, options));
    }

    /// Serves on a listener until [`ServerHandle::stop`] is called, then closes the replica.
    ///
    /// No new connection or write is taken then; requests under way get
    /// [`crate::Bounds::stop_time_max`] to end.
    ///
    /// # Errors
    /// [`ServeError`]; what was acknowledged is stored.
    pub async fn serve(self, listener: TcpListener) -> Result<(), ServeError> {
        let address = listener.local_addr().map_err(ServeError::Io)?;
        self.app.gate.listen_on(address.ip());
        let router = routes::router(Arc::clone(&self.app), true);
        let connections = Arc::<Connections>::default();
        let door = Door { listener, connections: Arc::clone(&connections) };
        connections::serve(&self.app, &connections, door, router).await;
        Ok(self.close().await?)
    }

    /// The same on a listener of any kind, with a router that has [`Server::router`] in it and
    /// whatever stands around that.
    ///
    /// # Errors
    /// [`ServeError`]; what was acknowledged is stored.
    pub async fn serve_on<L>(self, listener: L, router: Router) -> Result<(), ServeError>
    where
        L: Listener,
        L::Addr: 'static,
    {
        let connections = Arc::<Connections>::default();
        connections::serve(&self.app, &connections, listener, router).await;
        Ok(self.close().await?)
    }

    /// Binds an address, tells `on_ready` which one it came to, and serves until SIGINT or
    /// SIGTERM.
    ///
    /// # Errors
    /// [`ServeError`].
    pub async fn run(
        self,
        address: SocketAddr,
        on_ready: impl FnOnce(SocketAddr),
    ) -> Result<(), ServeError> {
        let bind = |source| ServeError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(bind)?;
        self.run_on(listener, on_ready).await
    }

    /// The same on a listener that is bound already: before the data is opened, so that a port in
    /// use leaves no new data directory behind.
    ///
    /// # Errors
    /// [`ServeError`].
    pub async fn run_on(
        self,
        listener: TcpListener,
        on_ready: impl FnOnce(SocketAddr),
    ) -> Result<(), ServeError> {
        // Before anybody is told that the server is there, and may tell it to stop.
        let mut signals = Signals::listen().map_err(ServeError::Io)?;
        let handle = self.handle();
        let signals = tokio::spawn(async move {
            signals.next().await;
            tracing::info!("told to stop");
            handle.stop();
        });
        on_ready(listener.local_addr().map_err(ServeError::Io)?);
        let served = self.serve(listener).await;
        signals.abort();
        served
    }

    /// Turns writes away, commits what was accepted, and closes the replica.
    ///
    /// # Errors
    /// [`StoreError`] if the replica was not closed cleanly; what was acknowledged is stored.
    pub async fn close(self) -> Result<(), StoreError> {
        self.app.stop();
        // Other processes are answered what they have handed over, then wait for the store's lock.
        let closed = spawn_blocking(move || self.close_now()).await;
        closed.unwrap_or_else(|panicked| Err(StoreError::engine("close the replica", panicked)))
    }

    fn close_now(self) -> Result<(), StoreError> {
        #[cfg(feature = "backups")]
        drop(self.backing_up);
        #[cfg(feature = "peers")]
        drop(self.listening);
        self.app.writer.close()
    }
}

/// Why a server ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// Connections could not be accepted.
    #[error("cannot accept connections")]
    Io(#[source] std::io::Error),
    /// The replica was not closed cleanly. What was acknowledged is stored.
    #[error("the replica was not closed cleanly")]
    Close(#[from] StoreError),
}
