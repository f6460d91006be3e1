//! `laterbase resolve`: decides a fork.

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use laterbase_client::client::{Client, Decided, ServerUrl};
use laterbase_client::device::Device;
use laterbase_client::local::Local as _;
use laterbase_client::transport::HttpTransport;
use laterbase_core::fork::Keep;
use laterbase_core::id::{ReplicaId, RootName};
use serde::Serialize;
use tokio::runtime::Runtime;

use super::Common;
use super::output::{Output, UsedWrongly};

/// Which history keeps the ids.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Choice {
    /// The one that this store holds.
    Ours,
    /// The one that its peers hold.
    Theirs,
}

/// Which fork, and how it is to be decided.
#[derive(Debug, Args)]
pub(crate) struct ResolveArgs {
    /// The root.
    #[arg(long)]
    root: RootName,
    /// Whose history there are two of, as `status` names it.
    #[arg(long, value_name = "REPLICA")]
    origin: ReplicaId,
    /// Which of the two keeps the ids. The events of the other one stay, under new ids.
    #[arg(long)]
    keep: Choice,
    /// Of three histories or more, the one that keeps the ids: the id that it would move to, as
    /// `laterbase forks` names it.
    #[arg(long, value_name = "ID")]
    branch: Option<ReplicaId>,
    /// Decide it at a running server, and not in a store. `ours` is the server's then.
    #[arg(long, value_name = "URL")]
    server: Option<ServerUrl>,
}

#[derive(Serialize)]
struct Summary {
    moved: u64,
    into: Vec<String>,
}

pub(crate) fn run(common: &Common, args: &ResolveArgs, output: &mut Output) -> anyhow::Result<()> {
    let keep = match (args.keep, args.branch) {
        (Choice::Ours, None) => Keep::Ours,
        (Choice::Theirs, None) => Keep::Theirs,
        (Choice::Theirs, Some(branch)) => Keep::Branch(branch),
        (Choice::Ours, Some(_)) => {
            return Err(UsedWrongly("--branch goes with --keep theirs").into());
        }
    };
    let (moved, into) = match &args.server {
        Some(server) => {
            let decided = at_server(server, args, keep)?;
            (decided.moved, decided.into)
        }
        None => {
            let resolve = |device: &Device| Ok(device.resolve(&args.root, args.origin, keep)?);
            let resolved = common.with_existing_device(resolve)?;
            (resolved.moved, resolved.into.iter().map(ToString::to_string).collect())
        }
    };
    let text = match into.as_slice() {
        [] => "no events had to move".to_owned(),
        ids => format!("{moved} events are under {} now", ids.join(" and ")),
    };
    output.summary(&Summary { moved, into }, text)
}

fn at_server(server: &ServerUrl, args: &ResolveArgs, keep: Keep) -> anyhow::Result<Decided> {
    let client = Client::new(server.clone(), HttpTransport::new()?);
    let deciding = client.resolve(&args.root, args.origin, keep);
    let decided = Runtime::new().context("cannot start the network")?.block_on(deciding);
    decided.with_context(|| format!("{server} did not decide the fork"))
}
