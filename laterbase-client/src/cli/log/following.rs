//! `laterbase log --follow`: what arrives.
//!
//! Nobody tells one process what another one stores, so the store's files are looked at, and read
//! when they have changed. They are read as they are at one moment, beside whoever has them open.

use std::ops::ControlFlow;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Error;
use laterbase_client::device::DeviceError;
use laterbase_core::cursor::Cursor;
use laterbase_core::event::Event;
use laterbase_core::id::RootName;
use laterbase_core::reader::{Following, Reader, Window};

use super::LogArgs;
use super::lines::Lines;
use super::selection::Selection;
use crate::cli::footprint::footprint;
use crate::cli::output::{Output, complain};
use crate::cli::{Common, PAGE_EVENTS};

/// How often the files are looked at.
const INTERVAL: Duration = Duration::from_millis(200);

/// After this time the store is read even if its files look untouched.
const LOOK: Duration = Duration::from_secs(10);

/// Prints what arrives behind a cursor, and does not end by itself.
pub(super) fn run(
    common: &Common,
    args: &LogArgs,
    mut cursor: Cursor,
    output: &mut Output,
) -> anyhow::Result<()> {
    let (mut seen, mut looked) = (Vec::new(), Instant::now());
    let mut is_told = false;
    loop {
        let found = footprint(&common.store);
        if found == seen && looked.elapsed() < LOOK {
            thread::sleep(INTERVAL);
            continue;
        }
        match common.look() {
            Ok(reader) => {
                // What is written while it is read changes the files, and is read next time.
                (seen, looked, is_told) = (found, Instant::now(), false);
                cursor = print_behind(&reader, args, cursor, output)?;
                output.flush()?;
            }
            // Whoever is just making it, or has it for itself, will be done some time.
            Err(error) if !is_told => {
                complain(format_args!("{:#}; waiting", Error::new(error).context(UNREADABLE)));
                is_told = true;
            }
            Err(_) => {}
        }
        thread::sleep(INTERVAL);
    }
}

const UNREADABLE: &str = "cannot read the store";

impl Common {
    /// The store as it is now, whoever has it open.
    fn look(&self) -> Result<Reader, DeviceError> {
        Ok(Reader::of_frozen(self.freeze()?, self.folds().into())?)
    }
}

/// Prints what lies behind a cursor, and gives the one behind that.
fn print_behind(
    reader: &Reader,
    args: &LogArgs,
    cursor: Cursor,
    output: &mut Output,
) -> anyhow::Result<Cursor> {
    let selection = Selection::of_arrivals(args);
    let following = Following {
        root: &|root| *root == args.root,
        record: &|record| args.aggregate.as_ref().is_none_or(|id| id == record.aggregate_id),
        window: Window::default(),
        limit: PAGE_EVENTS,
    };
    let mut cursor = cursor;
    loop {
        let mut lines = Lines::new(reader, &args.root, &selection);
        let mut visit = |_: &RootName, event: &Event<'_>, _| {
            if selection.admits(event) {
                lines.take(event);
            }
            ControlFlow::Continue(())
        };
        let Some(page) = reader.arrived(Some(&cursor), &following, &mut visit)? else {
            complain("the log was written anew; going on from its end");
            return Ok(reader.cursor());
        };
        lines.finish()?.iter().try_for_each(|line| output.json(line))?;
        if page.unreadable > 0 {
            let count = page.unreadable;
            complain(format_args!(
                "{count} events cannot be read and are passed over; `laterbase verify` tells more"
            ));
        }
        cursor = page.cursor;
        if !page.more {
            return Ok(cursor);
        }
    }
}
