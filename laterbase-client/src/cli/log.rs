//! `laterbase log`: events, one JSON object a line.

use std::ops::ControlFlow;

use anyhow::bail;
use clap::Args;
use laterbase_core::event::Event;
use laterbase_core::id::RootName;
use laterbase_core::json::write_event;
use laterbase_core::printable::Printable;
use laterbase_core::reader::Reader;
use laterbase_core::version_vector::VersionVector;

use super::output::Output;
use super::time_flags::TimeFlags;
use super::{Common, PAGE_EVENTS, check_root};

#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    /// The root to read, in the order in which its events were recorded.
    #[arg(long, value_name = "R")]
    root: RootName,
    /// Only one aggregate's events, in the order in which they happened.
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    aggregate: Option<String>,
    #[command(flatten)]
    times: TimeFlags,
}

pub(crate) fn run(common: &Common, args: &LogArgs, output: &mut Output) -> anyhow::Result<()> {
    common.with_reader(|reader| {
        check_root(reader, &args.root)?;
        match &args.aggregate {
            Some(id) => print_aggregate(reader, args, id, output),
            None => print_feed(reader, args, output),
        }
    })
}

fn print_feed(reader: &Reader, args: &LogArgs, output: &mut Output) -> anyhow::Result<()> {
    let LogArgs { root, times, .. } = args;
    let mut vv = VersionVector::new();
    let mut text = Vec::new();
    let mut is_at_end = false;
    let known = times.known_until(reader)?;
    loop {
        text.clear();
        let page = reader.feed(root, &vv, PAGE_EVENTS, &mut |event| {
            if times.admit(event, known) {
                write_event(&mut text, root, event);
                text.push(b'\n');
            }
            is_at_end = times.ends_before(event);
            if is_at_end { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        output.json(&text)?;
        if is_at_end || !page.more {
            return Ok(());
        }
        vv = page.vv;
    }
}

fn print_aggregate(
    reader: &Reader,
    args: &LogArgs,
    id: &str,
    output: &mut Output,
) -> anyhow::Result<()> {
    let LogArgs { root, times, .. } = args;
    let (mut after, query) = (None, times.query(None));
    let mut text = Vec::new();
    loop {
        text.clear();
        let mut visit = |event: &Event<'_>| {
            write_event(&mut text, root, event);
            text.push(b'\n');
            ControlFlow::Continue(())
        };
        let page = reader.aggregate_events(root, id, after, PAGE_EVENTS, &query, &mut visit)?;
        if after.is_none() && page.events == 0 {
            bail!("{root} holds no events of {}{}", Printable(id), times.remark());
        }
        output.json(&text)?;
        if page.next.is_none() {
            return Ok(());
        }
        after = page.next;
    }
}
