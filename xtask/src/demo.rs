//! A day in the field: three devices record offline, one sync is cut off, and all converge.
//!
//! Everything runs as a user would run it: the real binaries, stores of their own, HTTP between.

mod cut_link;
mod deal;
mod device;
mod history;
mod server;
mod shipments;
mod status;

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Result, bail, ensure};

use self::{cut_link::CutLink, device::Device, history::Aggregate, server::Server};
use crate::command;

/// The devices, by the names that the output gives them.
const DEVICES: [&str; 3] = ["depot", "truck", "port"];

/// What the demo shows.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Deals the events of this NDJSON file (.zst too) to the devices instead of made-up ones.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Keeps the folder with the four stores and says where it is.
    #[arg(long)]
    keep: bool,
}

/// Builds the binaries, plays the day in a temporary folder and fails unless all four converge.
pub(crate) fn run(options: &Options) -> Result<()> {
    let binaries = command::build_binaries(&["laterbase-server", "laterbase-client"])?;
    let mut folder = tempfile::Builder::new().prefix("laterbase-demo-").tempdir()?;
    folder.disable_cleanup(options.keep);
    let result = play(&binaries, folder.path(), options.data.as_deref());
    if options.keep {
        println!("\nThe stores are in {}", folder.path().display());
    }
    result
}

fn play(binaries: &Path, folder: &Path, data: Option<&Path>) -> Result<()> {
    let devices = DEVICES.map(|name| Device::new(name, &binaries.join("laterbase"), folder));
    heading("Three devices record offline");
    let started = Instant::now();
    let dealt = match data {
        Some(file) => deal::deal(&devices, deal::lines_in_turns(file, devices.len())?)?,
        None => deal::deal(&devices, shipments::day().map(Ok))?,
    };
    for (device, recorded) in devices.iter().zip(&dealt.recorded) {
        println!("{:<8}{recorded:>9} events", device.name());
    }
    println!("{:<8}{:>9.1} s", "took", started.elapsed().as_secs_f64());
    let server = Server::start(&binaries.join("laterbase-server"), folder, &dealt.roots)?;
    println!("the server listens at {}", server.url());
    let [first, second, third] = &devices;
    heading("They sync in turns, and one is cut off");
    let pushed = sync(first, &server)?.bytes_sent;
    cut_off(second, &server, pushed / 2)?;
    sync(second, &server)?;
    sync(third, &server)?;

    heading("They sync again");
    for device in &devices {
        sync(device, &server)?;
    }
    heading("And once more, when nothing is new");
    for device in &devices {
        let moved = sync(device, &server)?;
        ensure!(moved.pushed + moved.pulled == 0, "{} moved known events again", device.name());
    }
    check_convergence(&devices, &server)?;
    show_aggregate(&devices, &dealt.sample)?;
    server.stop()
}

fn heading(text: &str) {
    println!("\n== {text}");
}

/// Syncs and prints one line about it.
fn sync(device: &Device, server: &Server) -> Result<device::Sync> {
    let started = Instant::now();
    let sync = device.sync(server.url())?;
    println!(
        "{:<8}pushed {:>7}, pulled {:>7}  ({} round trips, {} bytes out, {} in, {:.2} s)",
        device.name(),
        sync.pushed,
        sync.pulled,
        sync.requests,
        sync.bytes_sent,
        sync.bytes_received,
        started.elapsed().as_secs_f64()
    );
    Ok(sync)
}

/// Lets `device` sync over a link that breaks for good after `bytes`, and shows where that left it.
fn cut_off(device: &Device, server: &Server, bytes: u64) -> Result<()> {
    let link = CutLink::open(server.address(), bytes)?;
    let complaint = device.sync_and_fail(&link.url())?;
    if !link.is_cut() {
        bail!("{} gave up before the link was cut: {complaint}", device.name());
    }
    let (pending, held) = (device.status()?.pending(), server.status()?.events());
    println!(
        "{:<8}CUT after {bytes} bytes, and tried in vain to get through again:",
        device.name()
    );
    println!("        {complaint}");
    println!("        {pending} of its events are pending; the server holds {held} events");
    Ok(())
}

/// Prints a digest of each root at each replica; an error unless they agree and nothing is pending.
fn check_convergence(devices: &[Device], server: &Server) -> Result<()> {
    heading("All four hold the same");
    let mut replicas = vec![("server", server.status()?)];
    for device in devices {
        replicas.push((device.name(), device.status()?));
    }
    status::print_digests(&replicas);
    let (_, reference) = &replicas[0];
    for (name, status) in &replicas {
        ensure!(status.digests() == reference.digests(), "{name} has other digests");
        ensure!(status.pending() == 0, "{name} has {} events pending", status.pending());
    }
    println!("digests equal, nothing pending");
    Ok(())
}

/// Prints one aggregate's history and state; an error unless every device tells the same.
fn show_aggregate(devices: &[Device], aggregate: &Aggregate) -> Result<()> {
    heading(&format!("{} {}, as every device tells it", aggregate.root, aggregate.id));
    let mut accounts = Vec::new();
    for device in devices {
        accounts.push((device.log(aggregate)?, device.show(aggregate)?));
    }
    for (device, account) in devices.iter().zip(&accounts) {
        ensure!(*account == accounts[0], "{} tells another story", device.name());
    }
    let (log, state) = &accounts[0];
    history::print(log, devices)?;
    println!("state: {}", state.trim_end());
    Ok(())
}
