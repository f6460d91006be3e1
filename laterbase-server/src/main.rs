//! The reference server: every root, built-in folds, one data directory.

use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
#[cfg(feature = "peers")]
use laterbase_client::{client::Client, transport::HttpTransport};
#[cfg(feature = "peers")]
use laterbase_server::PeerOptions;
use laterbase_server::{Builder, Server, ServerHandle};

use crate::config::Config;

mod config;
mod logging;

/// How long closing the data may take, such as on a disk that hangs. What was acknowledged is
/// durable, so nothing is lost by an end without it.
const CLOSE_TIME_MAX: Duration = Duration::from_secs(60);

/// How long work that cannot be cut off, such as a fold of a user's, may go on after the server
/// has closed its data.
const REST_TIME_MAX: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let told = Config::read().complete().and_then(|config| {
        config.address()?;
        let (filter, format) = config.log()?;
        let flushes_at_the_end = logging::start(filter, format);
        Ok((config.server()?, config.peers()?, config, flushes_at_the_end))
    });
    let (server, peers, config, _flushes_at_the_end) = match told {
        Ok(told) => told,
        // Wrong use has the code that the command line's parser gives it too.
        Err(error) => return fail(2, &error),
    };
    // Before the data is opened: where the port is in use, no new directory is left behind.
    let end_time_max = config.stop_time_max() + CLOSE_TIME_MAX;
    let listener = config.listener();
    match listener.and_then(|listener| run(listener, server, peers, end_time_max)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, &error),
    }
}

fn run(
    listener: TcpListener,
    server: Builder,
    peers: Vec<PeerUrl>,
    end_time_max: Duration,
) -> anyhow::Result<()> {
    raise_descriptors();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let served = runtime.block_on(serve(listener, server, peers, end_time_max));
    // What still runs then only reads.
    runtime.shutdown_timeout(REST_TIME_MAX);
    served
}

/// Each connection is a file descriptor, and many systems give a program few unless it asks.
fn raise_descriptors() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        const WANTED: u64 = 65_536;
        let limit = getrlimit(Resource::Nofile);
        let most = limit.maximum.map_or(WANTED, |maximum| maximum.min(WANTED));
        if limit.current.is_some_and(|current| current < most) {
            // Where it does not work, the server goes by what it has.
            let _ =
                setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum: limit.maximum });
        }
    }
}

#[cfg(feature = "peers")]
type PeerUrl = laterbase_client::client::ServerUrl;
#[cfg(not(feature = "peers"))]
type PeerUrl = std::convert::Infallible;

async fn serve(
    listener: TcpListener,
    server: Builder,
    peers: Vec<PeerUrl>,
    end_time_max: Duration,
) -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let server = server.build().context("cannot open the data")?;
    for peer in peers {
        join(&server, peer)?;
    }
    tokio::spawn(end_in_time(server.handle(), end_time_max));
    tracing::info!(replica = %server.reader().replica_id(), engine = server.reader().engine());
    server.run_on(listener, announce).await?;
    Ok(())
}

/// Ends the process where a stop takes too long.
async fn end_in_time(server: ServerHandle, end_time_max: Duration) {
    server.told_to_stop().await;
    // On a thread of its own, as all others may be held up.
    std::thread::spawn(move || {
        std::thread::sleep(end_time_max);
        let _ = writeln!(io::stderr(), "laterbase-server: the data could not be closed in time");
        std::process::exit(1);
    });
}

#[cfg(feature = "peers")]
fn join(server: &Server, peer: PeerUrl) -> anyhow::Result<()> {
    let transport = HttpTransport::new().context("cannot make connections")?;
    server.sync_with(Client::new(peer, transport), PeerOptions::default());
    Ok(())
}

#[cfg(not(feature = "peers"))]
fn join(_: &Server, peer: PeerUrl) -> anyhow::Result<()> {
    match peer {}
}

/// Says where the server is, once, for whoever started it.
fn announce(address: SocketAddr) {
    // Whoever does not listen any more does not need to know.
    let _ = writeln!(io::stdout(), "listening on http://{address}");
}

fn fail(code: u8, error: &anyhow::Error) -> ExitCode {
    // Not by a macro that panics: whoever does not listen any more does not need to know.
    let _ = writeln!(io::stderr(), "laterbase-server: {error:#}");
    ExitCode::from(code)
}
