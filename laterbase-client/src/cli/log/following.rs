//! `laterbase log --follow`: what arrives.
//!
//! Nobody tells one process what another one stores, so the store's files are looked at, and read
//! when they have changed. They are read as they are at one moment, beside whoever has them open.

use std::ops::ControlFlow;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Error;
use laterbase_client::device::{DeviceError, DeviceOptions};
use laterbase_core::cursor::Cursor;
use laterbase_core::event::Event;
use laterbase_core::id::RootName;
use laterbase_core::reader::Reader;

use super::selection::Selection;
use super::{LogArgs, line};
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
        let folds = DeviceOptions::default().folds;
        Ok(Reader::of_frozen(self.freeze()?, folds.into())?)
    }
}

/// Prints what lies behind a cursor, and gives the one behind that.
fn print_behind(
    reader: &Reader,
    args: &LogArgs,
    cursor: Cursor,
    output: &mut Output,
) -> anyhow::Result<Cursor> {
    let end = reader.cursor();
    if !reader.fits(&cursor)? {
        complain("the log was written anew; going on from its end");
        return Ok(end);
    }
    let selection = Selection::of_arrivals(args);
    let mut position = cursor.position();
    while position < end.position() {
        let mut text = Vec::new();
        let mut visit = |root: &RootName, event: &Event<'_>| {
            let id = event.record.aggregate_id;
            let is_of_aggregate = args.aggregate.as_ref().is_none_or(|wanted| wanted == id);
            if *root == args.root && is_of_aggregate && selection.admits(event) {
                text.extend(line(root, event));
            }
            ControlFlow::Continue(())
        };
        position = reader.arrivals(position, PAGE_EVENTS, &mut visit)?;
        output.json(&text)?;
    }
    Ok(end)
}
