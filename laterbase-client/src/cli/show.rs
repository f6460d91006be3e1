//! `laterbase show`: an aggregate's state, and what made it.

mod explained;
mod origins;

use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use laterbase_client::device::DeviceOptions;
use laterbase_core::fold::{BUILT_IN_NAMES, Fold, Folds, built_in};
use laterbase_core::id::RootName;
use laterbase_core::reader::AggregateState;
use laterbase_core::time::format_time;
use serde::Serialize;
use serde_json::value::RawValue;

use super::nearest::no_such_aggregate;
use super::output::{Output, complain};
use super::time_flags::TimeFlags;
use super::{Common, check_root};

/// The folds that need no code of the user's, the default first.
pub(super) const FOLD_NAMES: [&str; 3] = BUILT_IN_NAMES;

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The root that the aggregate is in.
    #[arg(long, value_name = "R")]
    root: RootName,
    /// How events become a state: each one's data patches it, or replaces it, or is kept by its
    /// type.
    #[arg(long, value_name = "NAME", default_value = FOLD_NAMES[0], value_parser = FOLD_NAMES)]
    fold: String,
    /// Show which event made each field of a merge-patch state, and which events were taken back.
    #[arg(long)]
    explain: bool,
    /// The aggregate's id.
    #[arg(value_name = "ID", allow_hyphen_values = true)]
    id: String,
    #[command(flatten)]
    times: TimeFlags,
}

/// A state, and what the read that gave it covered.
#[derive(Serialize)]
struct Summary<'s> {
    root: &'s str,
    id: &'s str,
    fold: &'s str,
    state: &'s RawValue,
    etag: &'s str,
    event_count: u64,
    folded_count: u64,
    refused_count: u64,
    covered: CoveredSummary,
}

/// Where the events that were looked at end, on each axis.
#[derive(Serialize)]
struct CoveredSummary {
    occurred_last: String,
    recorded_last: String,
    position: u64,
}

pub(crate) fn run(common: &Common, args: &ShowArgs, output: &mut Output) -> anyhow::Result<()> {
    if args.explain {
        return explained::run(common, args, output);
    }
    let ShowArgs { root, fold, times, id, .. } = args;
    let folds = folds(common, root)?;
    let options = || DeviceOptions { folds: folds.clone(), ..DeviceOptions::default() };
    let read = common.with_reading(options, |reading| {
        check_root(reading.reader(), root)?;
        match reading.reader().aggregate(root, id, &times.query(Some(fold.clone())))? {
            Some(read) => Ok(read),
            None => Err(no_such_aggregate(reading.reader(), root, id, times)),
        }
    })?;
    say_refused(&read);
    let state = serde_json::from_slice(&read.state).context("the fold's state is not JSON")?;
    if output.is_json() {
        return output.summary(&Summary::of(args, &read, state), "");
    }
    // The state alone, which is what scripts without `--json` read.
    output.json(&[&read.state[..], b"\n"].concat())
}

fn say_refused(read: &AggregateState) {
    if let Some((event, reason)) = read.refused.first() {
        let count = read.refused_count;
        complain(format_args!("{count} of its events are left out, first {event}: {reason}"));
    }
}

/// All folds for the root that is read; other roots are left alone.
fn folds(common: &Common, root: &RootName) -> anyhow::Result<Folds> {
    let mut folds = Folds::new().fallback(fold_named(FOLD_NAMES[0]));
    for fold in built_in() {
        folds = folds.fold(root.kind(), common.schemas.before(root.kind(), fold))?;
    }
    Ok(folds)
}

/// The fold of one of these names.
pub(super) fn fold_named(name: &str) -> Arc<dyn Fold> {
    let [default, ..] = built_in();
    built_in().into_iter().find(|fold| fold.name() == name).unwrap_or(default)
}

impl<'s> Summary<'s> {
    fn of(args: &'s ShowArgs, read: &'s AggregateState, state: &'s RawValue) -> Self {
        let covered = CoveredSummary {
            occurred_last: format_time(read.covered.occurred_last),
            recorded_last: format_time(read.covered.recorded_last),
            position: read.covered.position,
        };
        Self {
            root: args.root.as_str(),
            id: &args.id,
            fold: &args.fold,
            state,
            etag: &read.etag,
            event_count: read.event_count,
            folded_count: read.folded_count,
            refused_count: read.refused_count,
            covered,
        }
    }
}
