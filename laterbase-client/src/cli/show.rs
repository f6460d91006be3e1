//! `laterbase show`: an aggregate's state.

use anyhow::bail;
use clap::Args;
use laterbase_core::id::RootName;
use laterbase_core::reader::Query;

use super::output::Output;
use super::{Common, check_root};

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The root that the aggregate is in.
    #[arg(long, value_name = "R")]
    root: RootName,
    /// The aggregate's id.
    #[arg(value_name = "ID")]
    id: String,
}

pub(crate) fn run(common: &Common, args: &ShowArgs, output: &mut Output) -> anyhow::Result<()> {
    let ShowArgs { root, id } = args;
    let state = common.with_existing_device(|device| {
        check_root(device, root)?;
        match device.reader().aggregate(root, id, &Query::default())? {
            Some(aggregate) => Ok(aggregate.state),
            None => bail!("{root} holds no events of {id}"),
        }
    })?;
    output.bytes(&state)?;
    output.bytes(b"\n")
}
