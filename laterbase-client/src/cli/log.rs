//! `laterbase log`: events, one JSON object a line.

use std::ops::ControlFlow;

use anyhow::bail;
use clap::Args;
use laterbase_client::device::Device;
use laterbase_core::event::Event;
use laterbase_core::id::RootName;
use laterbase_core::json::write_event;
use laterbase_core::reader::Query;
use laterbase_core::version_vector::VersionVector;

use super::output::Output;
use super::{Common, check_root};

/// Events that are read at a time.
const PAGE_EVENTS: usize = 1_000;

#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    /// The root to read, in the order in which its events were recorded.
    #[arg(long, value_name = "R")]
    root: RootName,
    /// Only one aggregate's events, in the order in which they happened.
    #[arg(long, value_name = "ID")]
    aggregate: Option<String>,
}

pub(crate) fn run(common: &Common, args: &LogArgs, output: &mut Output) -> anyhow::Result<()> {
    common.with_existing_device(|device| {
        check_root(device, &args.root)?;
        match &args.aggregate {
            Some(id) => print_aggregate(device, &args.root, id, output),
            None => print_feed(device, &args.root, output),
        }
    })
}

fn print_feed(device: &Device, root: &RootName, output: &mut Output) -> anyhow::Result<()> {
    let mut vv = VersionVector::new();
    let mut text = Vec::new();
    loop {
        text.clear();
        let page = device.reader().feed(root, &vv, PAGE_EVENTS, &mut |event| {
            write_event(&mut text, root, event);
            text.push(b'\n');
            ControlFlow::Continue(())
        })?;
        output.bytes(&text)?;
        if !page.more {
            return Ok(());
        }
        vv = page.vv;
    }
}

fn print_aggregate(
    device: &Device,
    root: &RootName,
    id: &str,
    output: &mut Output,
) -> anyhow::Result<()> {
    let (mut after, query) = (None, Query::default());
    let mut text = Vec::new();
    loop {
        text.clear();
        let mut visit = |event: &Event<'_>| {
            write_event(&mut text, root, event);
            text.push(b'\n');
            ControlFlow::Continue(())
        };
        let reader = device.reader();
        let page = reader.aggregate_events(root, id, after, PAGE_EVENTS, &query, &mut visit)?;
        if after.is_none() && page.events == 0 {
            bail!("{root} holds no events of {id}");
        }
        output.bytes(&text)?;
        if page.next.is_none() {
            return Ok(());
        }
        after = page.next;
    }
}
