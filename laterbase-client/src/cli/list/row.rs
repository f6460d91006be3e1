//! The aggregates that a list is of, one after the other.

use std::ops::ControlFlow;

use laterbase_core::Place;
use laterbase_core::event::Event;
use laterbase_core::id::RootName;
use laterbase_core::printable::Printable;
use laterbase_core::reader::{AggregateState, Query, Reader};

use super::filter::Condition;
use super::member::State;
use crate::cli::PAGE_EVENTS;
use crate::cli::output::complain;

/// Aggregates that are read at a time. What is held of them ends at 16 MiB, too.
const PAGE_AGGREGATES: usize = 1_000;

/// An aggregate of a list.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) root: RootName,
    pub(super) id: String,
    /// The state as JSON text.
    pub(super) state: String,
    pub(super) event_count: u64,
    /// The type of the last event that nothing takes back, in the order of events; empty if there
    /// is none, or nobody asks.
    pub(super) last_type: String,
    /// When that happened, in nanoseconds since 1970 UTC.
    pub(super) last_at: i64,
}

/// Takes a row and says whether to go on.
pub(super) type VisitRow<'v> = dyn FnMut(Row) -> anyhow::Result<ControlFlow<()>> + 'v;

/// Where the rows come from: by root, and by the bytes of their ids.
pub(super) struct Source<'s> {
    pub(super) reader: &'s Reader,
    pub(super) roots: Vec<RootName>,
    /// Whether one root was asked for by its name, so that nobody has to be told.
    pub(super) is_of_one_root: bool,
    pub(super) conditions: &'s [Condition],
    pub(super) since: Option<i64>,
    pub(super) query: Query,
    /// Whether anybody asks for the last events, each of which takes a look at the log.
    pub(super) has_last_events: bool,
}

/// What a walk over the aggregates met beside rows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    /// Aggregates that have no state, as their fold failed.
    pub(super) failed_count: u64,
    /// Events that are left out of states.
    pub(super) refused_count: u64,
}

/// What is known of an aggregate before it is a row.
struct Folded {
    id: String,
    state: String,
    event_count: u64,
    last_at: i64,
}

impl Source<'_> {
    /// Visits the rows, a page of them in memory at a time. `is_told` says whether aggregates
    /// that cannot be read are complained of.
    pub(super) fn rows(&self, is_told: bool, visit: &mut VisitRow<'_>) -> anyhow::Result<Tally> {
        let mut tally = Tally::default();
        for root in &self.roots {
            let mut after = None;
            loop {
                let (page, next) = self.page(root, after.as_deref(), is_told, &mut tally)?;
                for folded in page {
                    let row = self.row(root, folded)?;
                    // What is taken back may have been said to happen later than all else.
                    let is_recent = self.since.is_none_or(|since| row.last_at >= since);
                    if is_recent && visit(row)?.is_break() {
                        return Ok(tally);
                    }
                }
                if next.is_none() {
                    break;
                }
                after = next;
            }
        }
        Ok(tally)
    }

    /// Reads a page, and takes those that are wanted. Gives the id behind which the next begins.
    fn page(
        &self,
        root: &RootName,
        after: Option<&str>,
        is_told: bool,
        tally: &mut Tally,
    ) -> anyhow::Result<(Vec<Folded>, Option<String>)> {
        let mut page = Vec::new();
        let mut visit = |id: &str, folded: Result<_, _>| {
            match folded {
                Ok(AggregateState { state, event_count, refused_count, covered, .. }) => {
                    tally.refused_count += refused_count;
                    let state = String::from_utf8_lossy(&state).into_owned();
                    let (id, last_at) = (id.to_owned(), covered.occurred_last);
                    page.extend(self.take(Folded { id, state, event_count, last_at }));
                }
                Err(failure) => {
                    tally.failed_count += 1;
                    if is_told {
                        complain(format_args!("{root} {}: {failure}", Printable(id)));
                    }
                }
            }
            ControlFlow::Continue(())
        };
        let limit = PAGE_AGGREGATES;
        let end = self.reader.visit_aggregates(root, after, limit, &self.query, &mut visit)?;
        Ok((page, end.next))
    }

    fn take(&self, folded: Folded) -> Option<Folded> {
        let is_recent = self.since.is_none_or(|since| folded.last_at >= since);
        if !is_recent {
            return None;
        }
        // Most lists have none, and need not read a state for them.
        if self.conditions.is_empty() {
            return Some(folded);
        }
        let state = State::read(&folded.state);
        let is_wanted = self.conditions.iter().all(|condition| condition.admits(&state));
        is_wanted.then_some(folded)
    }

    fn row(&self, root: &RootName, folded: Folded) -> anyhow::Result<Row> {
        let Folded { id, state, event_count, last_at } = folded;
        let last = match self.has_last_events {
            true => self.last_event(root, &id, last_at)?,
            false => Last { event_type: String::new(), at: last_at },
        };
        let Last { event_type: last_type, at: last_at } = last;
        Ok(Row { root: root.clone(), id, state, event_count, last_type, last_at })
    }

    /// The last event that nothing takes back. It is among those of a known time, but where all of
    /// these were taken back: then all are looked at. Without one, the type is empty.
    fn last_event(&self, root: &RootName, id: &str, last_at: i64) -> anyhow::Result<Last> {
        for start in [Place::before(last_at), Place::START] {
            if let Some(last) = self.last_behind(root, id, start)? {
                return Ok(last);
            }
        }
        Ok(Last { event_type: String::new(), at: last_at })
    }

    fn last_behind(&self, root: &RootName, id: &str, start: Place) -> anyhow::Result<Option<Last>> {
        let (mut last, mut after) = (None, Some(start));
        while after.is_some() {
            let mut visit = |event: &Event<'_>| {
                if event.voided_by.is_empty() {
                    let event_type = event.record.event_type.to_owned();
                    last = Some(Last { event_type, at: event.occurred() });
                }
                ControlFlow::Continue(())
            };
            let (reader, query) = (self.reader, &self.query);
            let page = reader.aggregate_events(root, id, after, PAGE_EVENTS, query, &mut visit)?;
            after = page.next;
        }
        Ok(last)
    }
}

/// The last event of an aggregate, in the order of events.
struct Last {
    event_type: String,
    at: i64,
}
