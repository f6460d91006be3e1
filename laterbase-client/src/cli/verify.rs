//! `laterbase verify`: checks everything that can be checked on disk.

use anyhow::Context as _;
use laterbase_core::verify::{VerifyReport, verify};
use laterbase_store_lmdb::{LmdbOptions, LmdbStore};
use serde::Serialize;

use super::Common;
use super::output::{FaultsFound, Output};
use super::progress::{Unit, bar};

#[derive(Serialize)]
struct Summary {
    events: u64,
    fault_count: u64,
    faults: Vec<String>,
}

pub(crate) fn run(common: &Common, output: &mut Output) -> anyhow::Result<()> {
    common.check_existing()?;
    let store =
        LmdbStore::open(&common.store, LmdbOptions::default()).context("cannot open the store")?;
    let bar = bar(Some(0), Unit::Events);
    let report = verify(&store, &mut |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let report = report?;
    let is_sound = report.is_sound();
    let text = describe(&report);
    let VerifyReport { events, fault_count, faults } = report;
    output.summary(&Summary { events, fault_count, faults }, text)?;
    if is_sound { Ok(()) } else { Err(FaultsFound.into()) }
}

fn describe(report: &VerifyReport) -> String {
    let mut text = format!("{} events, {} faults", report.events, report.fault_count);
    for fault in &report.faults {
        text.push('\n');
        text.push_str(fault);
    }
    let unlisted = report.fault_count.saturating_sub(report.faults.len() as u64);
    if unlisted > 0 {
        text.push_str(&format!("\nand {unlisted} more"));
    }
    text
}
