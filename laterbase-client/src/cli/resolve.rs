//! `laterbase resolve`: decides a fork.

use clap::{Args, ValueEnum};
use laterbase_client::local::Local as _;
use laterbase_core::fork::Keep;
use laterbase_core::id::{ReplicaId, RootName};
use serde::Serialize;

use super::Common;
use super::output::Output;

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
}

#[derive(Serialize)]
struct Summary {
    moved: u64,
    into: Vec<String>,
}

pub(crate) fn run(common: &Common, args: &ResolveArgs, output: &mut Output) -> anyhow::Result<()> {
    let keep = match args.keep {
        Choice::Ours => Keep::Ours,
        Choice::Theirs => Keep::Theirs,
    };
    let resolved = common
        .with_existing_device(|device| Ok(device.resolve(&args.root, args.origin, keep)?))?;
    let into: Vec<String> = resolved.into.iter().map(ToString::to_string).collect();
    let text = match into.as_slice() {
        [] => "no events had to move".to_owned(),
        ids => format!("{} events are under {} now", resolved.moved, ids.join(" and ")),
    };
    output.summary(&Summary { moved: resolved.moved, into }, text)
}
