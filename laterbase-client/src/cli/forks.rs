//! `laterbase forks`: origins of which there are two histories.

use std::fmt;

use anyhow::Context as _;
use clap::Args;
use laterbase_client::client::{Client, ServerBranch, ServerFork, ServerUrl};
use laterbase_client::transport::HttpTransport;
use laterbase_core::fork::Fork;
use laterbase_core::reader::{BranchDetail, ForkDetail, Reader};
use serde::Serialize;
use tokio::runtime::Runtime;

use super::output::Output;
use super::{Common, PAGE_EVENTS};

#[derive(Debug, Args)]
pub(crate) struct ForksArgs {
    /// List those of a running server, and not those of a store.
    #[arg(long, value_name = "URL")]
    server: Option<ServerUrl>,
}

#[derive(Serialize)]
struct Summary {
    forks: Vec<ServerFork>,
}

pub(crate) fn run(common: &Common, args: &ForksArgs, output: &mut Output) -> anyhow::Result<()> {
    let forks = match &args.server {
        Some(server) => of_server(server)?,
        None => common.with_reader(|reader| Ok(of_store(reader)))?,
    };
    let summary = Summary { forks };
    output.summary(&summary, &summary)
}

fn of_store(reader: &Reader) -> Vec<ServerFork> {
    let branch = |branch: BranchDetail| ServerBranch {
        seq: branch.first_seq,
        events: branch.events,
        into: branch.into.to_string(),
    };
    let entry = |detail: ForkDetail| {
        let Fork { root, origin, seq, is_located: located, ours, theirs } = detail.fork;
        let (root, origin) = (root.to_string(), origin.to_string());
        let branches = detail.branches.into_iter().map(branch).collect();
        ServerFork { root, origin, seq, located, ours, theirs, branches }
    };
    reader.forks_page(&|_| true, None, usize::MAX).forks.into_iter().map(entry).collect()
}

fn of_server(server: &ServerUrl) -> anyhow::Result<Vec<ServerFork>> {
    let client = Client::new(server.clone(), HttpTransport::new()?);
    let listing = async {
        let (mut forks, mut after) = (Vec::new(), None);
        loop {
            let page = client.forks(after.as_deref(), PAGE_EVENTS).await?;
            forks.extend(page.forks);
            // A server that names the same place again would be asked for ever.
            if page.next.is_none() || page.next == after {
                return anyhow::Ok(forks);
            }
            after = page.next;
        }
    };
    let listed = Runtime::new().context("cannot start the network")?.block_on(listing);
    listed.with_context(|| format!("cannot list the forks of {server}"))
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.forks.is_empty() {
            return write!(f, "no forks");
        }
        for (index, fork) in self.forks.iter().enumerate() {
            let ServerFork { root, origin, seq, ours, theirs, branches, .. } = fork;
            let line = if index == 0 { "" } else { "\n" };
            write!(f, "{line}{root} has two histories of {origin} from {seq} on: ")?;
            write!(f, "{ours} events held, {theirs} in quarantine")?;
            // Of two histories, `ours` and `theirs` say which.
            for ServerBranch { seq, events, into } in branches.iter().filter(|_| branches.len() > 1)
            {
                write!(f, "\n  branch {into}: {events} events from {seq} on")?;
            }
        }
        Ok(())
    }
}
