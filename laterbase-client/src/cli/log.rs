//! `laterbase log`: events, one JSON object a line.

mod following;
mod lines;
mod pages;
mod selection;

use std::ops::ControlFlow;

use clap::Args;
use laterbase_core::id::RootName;
use laterbase_core::reader::Reader;

use super::nearest::no_such_aggregate;
use super::output::Output;
use super::time_flags::TimeFlags;
use super::written_time::spoken::{parse_since, parse_until};
use super::{Common, check_root};
use pages::Pages;
use selection::Selection;

#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    /// The root to read, in the order in which its events were recorded.
    #[arg(long, value_name = "R")]
    root: RootName,
    /// Only one aggregate's events, in the order in which they happened.
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    aggregate: Option<String>,
    /// Only events of this type, or of several if it is given several times.
    #[arg(long = "type", value_name = "T", allow_hyphen_values = true)]
    types: Vec<String>,
    /// Begin with the last one.
    #[arg(long)]
    reverse: bool,
    /// At most so many: the first ones, or with --reverse or --follow the last ones.
    #[arg(long, value_name = "COUNT")]
    limit: Option<u64>,
    /// Then go on with what arrives, by whatever process and in the order in which it does, until
    /// interrupted. With --limit 0, print only that.
    #[arg(long, conflicts_with_all = ["reverse", "known_at"])]
    follow: bool,
    /// Only what happened then or later.
    #[arg(long, value_name = "TIME", value_parser = parse_since, help_heading = TIMES)]
    since: Option<i64>,
    /// Only what had happened by then, as --occurred-until.
    #[arg(long, value_name = "TIME", value_parser = parse_until, help_heading = TIMES)]
    until: Option<i64>,
    /// Only what was recorded then or later, wherever that was.
    #[arg(long, value_name = "TIME", value_parser = parse_since, help_heading = TIMES)]
    recorded_since: Option<i64>,
    #[command(flatten)]
    times: TimeFlags,
}

/// Where they stand in the help.
const TIMES: &str = "Times, inclusive: 2024-03-04 18:00, monday (to its end), 2h ago, or RFC 3339";

pub(crate) fn run(common: &Common, args: &LogArgs, output: &mut Output) -> anyhow::Result<()> {
    if !args.follow {
        return common.with_reader(|reader| {
            check_root(reader, &args.root)?;
            print(reader, args, &Selection::new(args, reader)?, output)
        });
    }
    let cursor = common.with_reader(|reader| {
        // What arrives while it is printed comes behind it, and once.
        let cursor = reader.cursor();
        let selection = Selection::new(args, reader)?.arrived_until(cursor.position());
        if !reader.version_vector(&args.root).is_empty() {
            print_last(reader, args, &selection, output)?;
        }
        output.flush()?;
        Ok(cursor)
    })?;
    following::run(common, args, cursor, output)
}

/// Prints what is there.
fn print(
    reader: &Reader,
    args: &LogArgs,
    selection: &Selection<'_>,
    output: &mut Output,
) -> anyhow::Result<()> {
    let pages = Pages { reader, root: &args.root, aggregate: args.aggregate.as_deref(), selection };
    let mut left = args.limit.unwrap_or(u64::MAX);
    let mut visit = |line: &[u8]| {
        let Some(rest) = left.checked_sub(1) else { return Ok(ControlFlow::Break(())) };
        left = rest;
        output.json(line)?;
        Ok(ControlFlow::Continue(()))
    };
    let visited = if args.reverse { pages.backward(&mut visit) } else { pages.forward(&mut visit) };
    if let (0, Some(id)) = (visited?, &args.aggregate) {
        return Err(no_such_aggregate(reader, &args.root, id, &args.times));
    }
    Ok(())
}

/// Prints what is there, or the last of it.
fn print_last(
    reader: &Reader,
    args: &LogArgs,
    selection: &Selection<'_>,
    output: &mut Output,
) -> anyhow::Result<()> {
    let pages = Pages { reader, root: &args.root, aggregate: args.aggregate.as_deref(), selection };
    let Some(limit) = args.limit else {
        pages.forward(&mut |line| {
            output.json(line)?;
            Ok(ControlFlow::Continue(()))
        })?;
        return Ok(());
    };
    let mut last: Vec<Vec<u8>> = Vec::new();
    pages.backward(&mut |line| {
        if last.len() as u64 == limit {
            return Ok(ControlFlow::Break(()));
        }
        last.push(line.to_vec());
        Ok(ControlFlow::Continue(()))
    })?;
    last.iter().rev().try_for_each(|line| output.json(line))
}
