//! When and how a server ends.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

/// How long requests under way may take to end once the server stops. What was accepted is
/// committed in any case; after this, connections are cut without an answer.
const GRACE: Duration = Duration::from_secs(10);

/// Waits until the server is told to stop.
pub(crate) async fn requested(mut stopping: watch::Receiver<bool>) {
    // The sender lives as long as the server: without it, there is nothing left to wait for.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

/// Waits until requests had time enough to end after the server was told to stop.
pub(crate) async fn grace_over(stopping: watch::Receiver<bool>) {
    requested(stopping).await;
    sleep(GRACE).await;
}

/// Waits for the user or the system to ask for the end: SIGINT or SIGTERM.
///
/// # Errors
/// If the system does not let signals be heard.
pub(crate) async fn signal() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        Ok(())
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}
