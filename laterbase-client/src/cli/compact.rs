//! `laterbase compact`: gives back room that nothing takes any more.

use anyhow::Context as _;
use laterbase_client::engine;
use laterbase_core::store::Usage;
use laterbase_directory::OpenError;
use serde::Serialize;

use super::Common;
use super::held::Patience;
use super::output::Output;
use super::room::amount;

/// Bytes of the store's files.
#[derive(Serialize)]
struct Summary {
    before_bytes: u64,
    after_bytes: u64,
}

pub(crate) fn run(common: &Common, output: &mut Output) -> anyhow::Result<()> {
    common.check_existing()?;
    let before_bytes = common.usage()?.files_bytes;
    compact(common)?;
    let after_bytes = common.usage()?.files_bytes;
    let (before, after) = (amount(before_bytes), amount(after_bytes));
    let given_back = amount(before_bytes.saturating_sub(after_bytes));
    let text = format!("{before} before, {after} now: {given_back} given back");
    output.summary(&Summary { before_bytes, after_bytes }, text)
}

/// Waits a little for commands that are just reading or writing.
fn compact(common: &Common) -> anyhow::Result<()> {
    let mut patience = Patience::new();
    loop {
        match engine::compact(&common.store) {
            Err(OpenError::Locked { .. } | OpenError::BeingRead { .. }) if patience.rest() => {}
            Err(error @ OpenError::Locked { .. }) => {
                let advice = "compacting needs the store for itself: stop the server or sync first";
                return Err(error).context(advice);
            }
            done => return done.context("cannot compact the store"),
        }
    }
}

impl Common {
    /// What takes how much of the store's room.
    pub(super) fn usage(&self) -> anyhow::Result<Usage> {
        let store = self.freeze().context("cannot open the store")?;
        store.usage().context("cannot look at the store's files")
    }
}
