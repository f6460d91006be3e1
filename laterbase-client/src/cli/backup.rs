//! `laterbase backup` and `laterbase restore`: all that a store knows, in one file, and back.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use laterbase_client::backup::{self, BackedUp, BackupName, RestoreOptions};
use laterbase_client::engine::Engine;
use laterbase_core::printable::Printable;
use laterbase_directory::environment::wall_clock_nanos;
use serde::Serialize;

use super::Common;
use super::output::{Output, UsedWrongly};
use super::progress::{Unit, bar};
use super::written_time::spoken::parse_until;

#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    /// The file to write, or a folder, in which it is named by the time. A file that is there is
    /// replaced once the new one is whole.
    #[arg(value_name = "DEST")]
    destination: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// The backup.
    #[arg(value_name = "BACKUP")]
    file: PathBuf,
    /// The store as it was at a time before the backup: 2024-03-04 18:00, monday (to its end), 2h
    /// ago, or RFC 3339.
    #[arg(long, value_name = "TIME", value_parser = parse_until)]
    known_at: Option<i64>,
    /// The storage engine of the new store: lmdb or rocks.
    #[arg(long, value_name = "ENGINE", default_value = Engine::default().name())]
    engine: Engine,
}

#[derive(Serialize)]
struct BackupSummary {
    file: String,
    events: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct RestoreSummary {
    events: u64,
}

pub(crate) fn back_up(
    common: &Common,
    args: &BackupArgs,
    output: &mut Output,
) -> anyhow::Result<()> {
    common.check_existing()?;
    let store = common.freeze().context("cannot open the store")?;
    let file = in_folder(&args.destination);
    common.check_outside(&file)?;
    let bar = bar(None, Unit::Events);
    let taken = backup::back_up(&store, &file, &mut |events| {
        bar.set_position(events);
        ControlFlow::Continue(())
    });
    bar.finish_and_clear();
    let BackedUp { events, bytes } = taken.context("no backup was taken")?;
    let name = Printable(file.display()).to_string();
    let text = format!("backed {events} events up to {name}, {bytes} bytes");
    output.summary(&BackupSummary { file: name, events, bytes }, text)
}

impl Common {
    /// A backup in the store's own folder would take the place of the store's files.
    fn check_outside(&self, file: &Path) -> anyhow::Result<()> {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        // One that is not there is told of when it is written to.
        let Ok(folder) = folder.unwrap_or(Path::new(".")).canonicalize() else { return Ok(()) };
        if folder.starts_with(self.store.canonicalize()?) {
            return Err(
                UsedWrongly("a backup goes to a place outside of the store's folder").into()
            );
        }
        Ok(())
    }
}

/// The file itself, or one in the folder that is named by the time.
fn in_folder(destination: &Path) -> PathBuf {
    if !destination.is_dir() {
        return destination.to_owned();
    }
    destination.join(BackupName::at(wall_clock_nanos()).to_string())
}

pub(crate) fn restore(
    common: &Common,
    args: &RestoreArgs,
    output: &mut Output,
) -> anyhow::Result<()> {
    let bar = bar(None, Unit::Events);
    let progress = &mut |events| bar.set_position(events);
    let options = RestoreOptions { known_at: args.known_at, engine: args.engine };
    let restored = backup::restore(&args.file, &common.store, options, progress);
    bar.finish_and_clear();
    let events = restored.context("nothing was restored")?;
    let store = Printable(common.store.display());
    let text = format!(
        "restored {events} events to {store}; the store takes a new id when it is first opened"
    );
    output.summary(&RestoreSummary { events }, text)
}
