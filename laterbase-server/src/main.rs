//! The reference server: every root, built-in folds, one data directory.

use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
#[cfg(feature = "peers")]
use laterbase_client::{client::Client, transport::HttpTransport};
#[cfg(feature = "peers")]
use laterbase_server::PeerOptions;
use laterbase_server::{Builder, Server};
use tracing_subscriber::EnvFilter;

use crate::config::Config;

mod config;

fn main() -> ExitCode {
    log_to_stderr();
    let config = Config::parse().complete();
    let told = config.and_then(|config| Ok((config.address()?, config.server()?, config.peers()?)));
    let (address, server, peers) = match told {
        Ok(told) => told,
        // Wrong use has the code that the command line's parser gives it too.
        Err(error) => return fail(2, &error),
    };
    match serve(address, server, peers) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, &error),
    }
}

#[cfg(feature = "peers")]
type PeerUrl = laterbase_client::client::ServerUrl;
#[cfg(not(feature = "peers"))]
type PeerUrl = std::convert::Infallible;

#[tokio::main]
async fn serve(address: SocketAddr, server: Builder, peers: Vec<PeerUrl>) -> anyhow::Result<()> {
    let server = server.build().context("cannot open the data")?;
    for peer in peers {
        join(&server, peer)?;
    }
    tracing::info!(replica = %server.reader().replica_id(), engine = server.reader().engine());
    server.run(address, announce).await?;
    Ok(())
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
    let _ = writeln!(std::io::stdout(), "listening on http://{address}");
}

fn log_to_stderr() {
    let filter =
        EnvFilter::try_from_env("LATERBASE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
}

#[expect(clippy::print_stderr, reason = "a program says on stderr why it ends")]
fn fail(code: u8, error: &anyhow::Error) -> ExitCode {
    eprintln!("laterbase-server: {error:#}");
    ExitCode::from(code)
}
