//! `laterbase list`: where everything is.

mod column;
mod comma_separated;
mod decimal;
mod drawing;
mod filter;
mod member;
mod row;
mod survey;

use std::cmp::Ordering;
use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::str::FromStr;

use anyhow::Context as _;
use clap::Args;
use laterbase_client::device::DeviceOptions;
use laterbase_core::id::RootName;
use laterbase_core::reader::Reader;
use laterbase_core::selection::RootSelection;
use laterbase_core::time::format_time;
use serde::Serialize;
use serde_json::value::RawValue;

use super::Common;
use super::nearest::no_such_root;
use super::output::{FaultsFound, Output, UsedWrongly, complain};
use super::show::{FOLD_NAMES, fold_named};
use super::sync::RootEntry;
use super::time_flags::TimeFlags;
use super::written_time::spoken::parse_since;
use super::zone::Zone;
use column::ListColumn;
use filter::Condition;
pub(super) use member::State;
use member::Value;
use row::{Row, Source, Tally};

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// A root to list: shipment, shipment@depot-7, or shipment@* for every partition of shipment.
    /// All that are held if none is named.
    #[arg(long = "root", value_name = "R")]
    roots: Vec<RootEntry>,
    /// Only aggregates whose state has this value there, or with != those where it has not.
    ///
    /// NAME is a member of the state, or a.b for a member of a member. Strings are compared by
    /// their characters, numbers by what they are worth: qty=12 finds 12.0 too.
    #[arg(long = "where", value_name = "NAME=VALUE")]
    conditions: Vec<Condition>,
    /// What to show behind the id: members of the state, a.b for a member of a member, or
    /// root, id, last_type and last_at. A dot before a name makes it the state's: .id, and "."
    /// alone is the whole state.
    ///
    /// Without it: all members that there are, as far as they fit, and the last event.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    columns: Vec<ListColumn>,
    /// Sort by a column, -NAME for the greatest first. What does not have it comes last.
    ///
    /// All rows are then held in memory. Without it, they come by root and id, one at a time.
    #[arg(long, value_name = "[-]NAME", allow_hyphen_values = true)]
    sort: Option<Sorting>,
    /// Only aggregates whose last event happened then or later.
    #[arg(long, value_name = "TIME", value_parser = parse_since)]
    since: Option<i64>,
    /// At most so many.
    #[arg(long, value_name = "COUNT")]
    limit: Option<NonZeroUsize>,
    /// Print comma-separated values, whole and with times in UTC, below a line of names.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// How events become a state: each one's data patches it, or replaces it, or is kept by its
    /// type.
    #[arg(long, value_name = "NAME", default_value = FOLD_NAMES[0], value_parser = FOLD_NAMES)]
    fold: String,
    #[command(flatten)]
    times: TimeFlags,
}

impl ListArgs {
    /// Whether a column of last events is looked at.
    fn shows_last_events(&self) -> bool {
        let columns = self.columns.iter().chain(self.sort.as_ref().map(|sorting| &sorting.by));
        let is_of_last = |column| matches!(column, &ListColumn::LastType | &ListColumn::LastAt);
        self.columns.is_empty() || columns.into_iter().any(is_of_last)
    }
}

/// What `--sort` says.
#[derive(Clone, Debug)]
struct Sorting {
    by: ListColumn,
    is_descending: bool,
}

impl FromStr for Sorting {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let (name, is_descending) = match text.strip_prefix('-') {
            Some(name) => (name, true),
            None => (text, false),
        };
        Ok(Self { by: name.parse()?, is_descending })
    }
}

impl Sorting {
    fn sort(&self, rows: Vec<Row>) -> Vec<Row> {
        let mut keyed: Vec<_> = rows.into_iter().map(|row| (self.by.key(&row), row)).collect();
        // Rows of one key stay in their order.
        keyed.sort_by(|(a, _), (b, _)| match (a, b) {
            (Some(a), Some(b)) if self.is_descending => b.cmp(a),
            (Some(a), Some(b)) => a.cmp(b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        });
        keyed.into_iter().map(|(_, row)| row).collect()
    }
}

/// A row as scripts read it.
#[derive(Serialize)]
struct JsonRow<'r> {
    root: &'r str,
    id: &'r str,
    state: &'r RawValue,
    event_count: u64,
    last_type: &'r str,
    last_at: String,
}

pub(crate) fn run(common: &Common, args: &ListArgs, output: &mut Output) -> anyhow::Result<()> {
    if args.csv && output.is_json() {
        return Err(UsedWrongly("--csv and --json are two forms of the same: choose one").into());
    }
    let folds = common.folds_by(fold_named(&args.fold));
    let options = || DeviceOptions { folds: folds.clone(), ..DeviceOptions::default() };
    common.with_reading(options, |reading| {
        let source = Source {
            reader: reading.reader(),
            roots: chosen_roots(reading.reader(), &args.roots)?,
            is_of_one_root: matches!(&args.roots[..], [entry] if entry.is_one_root()),
            conditions: &args.conditions,
            since: args.since,
            query: args.times.query(None),
            has_last_events: output.is_json() || args.since.is_some() || args.shows_last_events(),
        };
        let rows = Rows::new(&source, args)?;
        let tally = match () {
            () if output.is_json() => print_json(&rows, output)?,
            () if args.csv => comma_separated::print(&rows, args, output)?,
            () => drawing::print(&rows, args, &Zone::new(common.utc), output)?,
        };
        tally.tell()
    })
}

/// The roots that are held and that the entries stand for; all if there are no entries.
fn chosen_roots(reader: &Reader, entries: &[RootEntry]) -> anyhow::Result<Vec<RootName>> {
    let mut roots = reader.roots();
    for entry in entries {
        let one = RootSelection::from_entries([entry.as_str()])?;
        if !roots.iter().any(|root| one.takes(root)) {
            return Err(no_such_root(reader, entry.as_str()));
        }
    }
    let selection = RootSelection::from_entries(entries.iter().map(RootEntry::as_str))?;
    roots.retain(|root| selection.takes(root));
    Ok(roots)
}

/// What was listed.
#[derive(Clone, Copy, Debug, Default)]
struct Listed {
    count: usize,
    /// Whether there are more than were asked for.
    more: bool,
    tally: Tally,
}

/// The rows in the order that was asked for, to be walked over as often as it takes.
struct Rows<'r> {
    source: &'r Source<'r>,
    limit: usize,
    /// All of them, if they had to be sorted.
    sorted: Option<(Vec<Row>, Listed)>,
}

impl<'r> Rows<'r> {
    fn new(source: &'r Source<'r>, args: &ListArgs) -> anyhow::Result<Self> {
        let limit = args.limit.map_or(usize::MAX, NonZeroUsize::get);
        let Some(sorting) = &args.sort else { return Ok(Self { source, limit, sorted: None }) };
        let mut rows = Vec::new();
        let tally = source.rows(true, &mut |row| {
            rows.push(row);
            Ok(ControlFlow::Continue(()))
        })?;
        let more = rows.len() > limit;
        let mut rows = sorting.sort(rows);
        rows.truncate(limit);
        let listed = Listed { count: rows.len(), more, tally };
        Ok(Self { source, limit, sorted: Some((rows, listed)) })
    }

    /// Whether it is clear from elsewhere which root all rows are of.
    fn are_of_one_root(&self) -> bool {
        self.source.is_of_one_root
    }

    /// Visits each row. `is_told` is for the last of several walks: it says what cannot be read.
    fn walk(
        &self,
        is_told: bool,
        visit: &mut dyn FnMut(&Row) -> anyhow::Result<()>,
    ) -> anyhow::Result<Listed> {
        if let Some((rows, listed)) = &self.sorted {
            rows.iter().try_for_each(visit)?;
            return Ok(*listed);
        }
        let mut listed = Listed::default();
        listed.tally = self.source.rows(is_told, &mut |row| {
            listed.more = listed.count == self.limit;
            if listed.more {
                return Ok(ControlFlow::Break(()));
            }
            listed.count += 1;
            visit(&row)?;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(listed)
    }
}

fn print_json(rows: &Rows<'_>, output: &mut Output) -> anyhow::Result<Tally> {
    let listed = rows.walk(true, &mut |row| {
        let state = Value::of_state(&row.state).json();
        let mut line = serde_json::to_vec(&JsonRow {
            root: row.root.as_str(),
            id: &row.id,
            state: serde_json::from_str(&state).context("the fold's state is not JSON")?,
            event_count: row.event_count,
            last_type: &row.last_type,
            last_at: format_time(row.last_at),
        })?;
        line.push(b'\n');
        output.json(&line)
    })?;
    Ok(listed.tally)
}

impl Tally {
    /// Says what is not in the list as it should be.
    fn tell(self) -> anyhow::Result<()> {
        let Self { failed_count, refused_count } = self;
        if refused_count > 0 {
            complain(format_args!(
                "{refused_count} events are left out of states, as their data cannot be read or a schema does not take it; \
                 `laterbase show` names them"
            ));
        }
        // Each has been complained of by its id.
        if failed_count > 0 { Err(FaultsFound.into()) } else { Ok(()) }
    }
}
