//! When and how a server ends.

use tokio::sync::watch;

/// Waits until the server is told to stop.
pub(crate) async fn requested(stopping: &mut watch::Receiver<bool>) {
    // The sender lives as long as the server: without it, there is nothing left to wait for.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

/// How the user or the system asks for the end: SIGINT or SIGTERM.
pub(crate) struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    /// Hears them from now on.
    ///
    /// # Errors
    /// If the system does not let them be heard.
    pub(crate) fn listen() -> std::io::Result<Self> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let (terminate, interrupt) = (SignalKind::terminate(), SignalKind::interrupt());
            Ok(Self { terminate: signal(terminate)?, interrupt: signal(interrupt)? })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    /// Waits for one.
    pub(crate) async fn next(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        #[cfg(not(unix))]
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }
}
