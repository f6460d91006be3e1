//! `laterbase verify`: checks everything that can be checked on disk, and mends what can be mended.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Args;
use laterbase_client::backup;
use laterbase_client::engine::{
    self, StoreOptions, check_files, check_files_in_use, discard_derived, report_set_aside,
};
use laterbase_core::store::Store;
use laterbase_core::verify::{VerifyReport, rebuild_derived, verify};
use serde::Serialize;

use super::Common;
use super::output::{FaultsFound, Output};
use super::progress::{Unit, bar};

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// A backup, instead of the store: it is restored to a folder among the system's temporary
    /// files (TMPDIR), and that store is checked and removed.
    #[arg(value_name = "BACKUP", conflicts_with = "repair")]
    backup: Option<PathBuf>,
    /// Build the derived tables anew from the log.
    ///
    /// Nothing else is changed: what the log itself has lost comes back from a peer. See also
    /// `export --salvage`.
    #[arg(long)]
    repair: bool,
}

#[derive(Serialize)]
struct Summary {
    events: u64,
    fault_count: u64,
    faults: Vec<String>,
    repaired: bool,
}

pub(crate) fn run(common: &Common, args: &VerifyArgs, output: &mut Output) -> anyhow::Result<()> {
    if let Some(backup) = &args.backup {
        return verify_backup(backup, output);
    }
    common.check_existing()?;
    let mut report = check(common)?;
    let mut repaired = false;
    if args.repair {
        repaired = repair(common, &report)?;
        if repaired {
            report = check(common)?;
        }
    }
    let mut text = describe(&report);
    if repaired {
        text.push_str("\nthe derived tables were built anew");
    } else if args.repair {
        text.push_str("\nnot repaired: the log itself is damaged; see export --salvage");
    }
    say(report, repaired, text, output)
}

/// Restores a backup for the while, builds its indexes, and checks it all.
fn verify_backup(backup: &Path, output: &mut Output) -> anyhow::Result<()> {
    let bar = bar(Some(0), Unit::Events);
    let mut progress = |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    };
    let report = backup::try_out(backup, |directory| -> anyhow::Result<VerifyReport> {
        let store = engine::open(directory, StoreOptions::default())?;
        rebuild_derived(Arc::clone(&store), &mut progress)?;
        Ok(verify(&*store, &mut progress)?)
    });
    bar.finish_and_clear();
    let report = report.context("the backup cannot be restored")??;
    let text = describe(&report);
    say(report, false, text, output)
}

fn say(
    report: VerifyReport,
    repaired: bool,
    text: String,
    output: &mut Output,
) -> anyhow::Result<()> {
    let is_sound = report.is_sound();
    let VerifyReport { events, fault_count, .. } = report;
    let faults = report.faults.iter().map(ToString::to_string).collect();
    output.summary(&Summary { events, fault_count, faults, repaired }, text)?;
    if is_sound { Ok(()) } else { Err(FaultsFound.into()) }
}

/// Checks the files first: to read damaged ones through the engine could end the process. Others
/// may have the store open.
fn check(common: &Common) -> anyhow::Result<VerifyReport> {
    let report = check_files_in_use(&common.store);
    let mut report = report.context("cannot look at the store's files")?;
    if !report.is_sound() {
        return Ok(report);
    }
    let store = common.freeze().context("cannot open the store")?;
    let bar = bar(Some(0), Unit::Events);
    let found = verify(&*store, &mut |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    report = found?;
    report_set_aside(&*store, &mut report);
    Ok(report)
}

/// Says whether the derived tables were built anew: only if the log that they are built from is
/// sound.
fn repair(common: &Common, report: &VerifyReport) -> anyhow::Result<bool> {
    if !report.is_truth_sound() {
        return Ok(false);
    }
    if !report.is_sound() && check_files(&common.store)?.derived_fault_count > 0 {
        // Files that cannot be opened cannot be emptied either.
        discard_derived(&common.store).context("cannot remove the derived tables")?;
        let report = check(common)?;
        if !report.is_truth_sound() {
            return Ok(false);
        }
    }
    let store = open(common)?;
    let bar = bar(Some(0), Unit::Events);
    let rebuilt = rebuild_derived(store, &mut |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    rebuilt.context("cannot build the derived tables")?;
    Ok(true)
}

fn open(common: &Common) -> anyhow::Result<Arc<dyn Store>> {
    if !common.store.is_dir() {
        bail!("there is no store at {}", common.store.display());
    }
    let opened = engine::open(&common.store, StoreOptions::default());
    opened.context("cannot open the store")
}

fn describe(report: &VerifyReport) -> String {
    let mut text = format!("{} events, {} faults", report.events, report.fault_count);
    for fault in &report.faults {
        text.push_str(&format!("\n{fault}"));
    }
    let unlisted = report.fault_count.saturating_sub(report.faults.len() as u64);
    if unlisted > 0 {
        text.push_str(&format!("\nand {unlisted} more"));
    }
    text
}
