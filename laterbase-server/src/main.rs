//! The reference server: every root, built-in folds, one data directory.

use std::fmt;
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::ArgMatches;
#[cfg(feature = "peers")]
use laterbase_client::{
    client::{Client, Introduction},
    sync::SyncOptions,
    transport::HttpTransport,
};
#[cfg(feature = "peers")]
use laterbase_directory::environment::wall_clock_nanos;
#[cfg(feature = "peers")]
use laterbase_server::PeerOptions;
use laterbase_server::{Builder, Server, ServerHandle};

use crate::command_line::{Action, CommandLine, ConfigArgs, HealthArgs, ManArgs};
use crate::config::{Config, Faults, Flags, PeerUrl};
#[cfg(unix)]
use crate::reloading::{Hangup, Reloading};

mod command_line;
mod config;
mod health;
mod logging;
mod manual;
#[cfg(unix)]
mod reloading;

/// How long closing the data may take, such as on a disk that hangs. What was acknowledged is
/// durable, so nothing is lost by an end without it.
const CLOSE_TIME_MAX: Duration = Duration::from_secs(60);

/// How long work that cannot be cut off, such as a fold of a user's, may go on after the server
/// has closed its data.
const REST_TIME_MAX: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let (CommandLine { flags, action }, matches) = CommandLine::read();
    match action {
        None => start(&flags, &matches),
        Some(Action::Config(args)) => {
            let matches = matches.subcommand_matches("config").unwrap_or(&matches);
            report(&args, Config::of(&args.flags, matches))
        }
        Some(Action::Health(args)) => {
            let matches = matches.subcommand_matches("health").unwrap_or(&matches);
            ask(&args, Config::of(&args.flags, matches))
        }
        Some(Action::Man(ManArgs { folder })) => match manual::write_pages(&folder) {
            Ok(()) => say(format_args!("wrote the manual's pages into {}", folder.display())),
            Err(error) => fail(1, &error),
        },
    }
}

/// Says what a server would go by, or what is wrong with it.
fn report(args: &ConfigArgs, config: Result<Config, Faults>) -> ExitCode {
    match config {
        Ok(config) if args.print => say(format_args!("{}", config.print().trim_end())),
        Ok(_) => ExitCode::SUCCESS,
        Err(faults) => complain(1, &faults),
    }
}

/// Asks the server that the same configuration has started, or the one that is named.
fn ask(args: &HealthArgs, config: Result<Config, Faults>) -> ExitCode {
    let config = match config {
        Ok(config) => config,
        Err(faults) => return complain(1, &faults),
    };
    match config.address().and_then(|listen| health::run(args.url.as_deref(), listen)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, &error),
    }
}

/// Serves until it is told to stop.
fn start(flags: &Flags, matches: &ArgMatches) -> ExitCode {
    let config = match Config::of(flags, matches) {
        Ok(config) => config,
        // Wrong use has the code that the command line's parser gives it too.
        Err(faults) => return complain(2, &faults),
    };
    let told = config.log().and_then(|(filter, format)| {
        let log = Arc::new(logging::start(filter, format));
        Ok((config.server()?, config.peers()?, log))
    });
    let (server, peers, log) = match told {
        Ok(told) => told,
        Err(error) => return fail(2, &error),
    };
    // Before the data is opened: where the port is in use, no new directory is left behind.
    let listener = config.listener();
    let end_time_max = config.stop_time_max() + CLOSE_TIME_MAX;
    #[cfg(unix)]
    let reloading = {
        let (flags, matches, log) = (flags.clone(), matches.clone(), Arc::clone(&log));
        Reloading { flags, matches, config, log }
    };
    let plan = Plan {
        server,
        peers,
        end_time_max,
        #[cfg(unix)]
        reloading,
    };
    let served = listener.and_then(|listener| run(listener, plan));
    // What was logged last is written.
    drop(log);
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, &error),
    }
}

/// What is to be served, and how.
struct Plan {
    server: Builder,
    peers: Vec<PeerUrl>,
    end_time_max: Duration,
    #[cfg(unix)]
    reloading: Reloading,
}

fn run(listener: TcpListener, plan: Plan) -> anyhow::Result<()> {
    raise_descriptors();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let served = runtime.block_on(serve(listener, plan));
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

async fn serve(listener: TcpListener, plan: Plan) -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let server = plan.server.build().context("cannot open the data")?;
    for peer in plan.peers {
        join(&server, peer)?;
    }
    tokio::spawn(end_in_time(server.handle(), plan.end_time_max));
    #[cfg(unix)]
    tokio::spawn(plan.reloading.run(Hangup::listen()?, server.handle()));
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
    let who = Introduction { wall_clock: Some(wall_clock_nanos), ..Introduction::default() };
    let sync = SyncOptions { who, ..SyncOptions::default() };
    server.sync_with(Client::new(peer, transport), PeerOptions { sync, ..PeerOptions::default() });
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

fn say(text: fmt::Arguments<'_>) -> ExitCode {
    // Whoever does not listen any more does not need to know.
    let _ = writeln!(io::stdout(), "{text}");
    ExitCode::SUCCESS
}

/// One line for each thing that is wrong.
fn complain(code: u8, faults: &Faults) -> ExitCode {
    for fault in &faults.0 {
        let _ = writeln!(io::stderr(), "laterbase-server: {fault}");
    }
    ExitCode::from(code)
}

fn fail(code: u8, error: &anyhow::Error) -> ExitCode {
    complain(code, &Faults::from(format!("{error:#}")))
}
