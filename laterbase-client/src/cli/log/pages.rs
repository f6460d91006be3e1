//! Events in their order, or the other way round, a page of them in memory at a time.

use std::ops::ControlFlow;

use anyhow::Context as _;
use laterbase_core::Place;
use laterbase_core::cursor::FeedCursor;
use laterbase_core::event::Event;
use laterbase_core::id::RootName;
use laterbase_core::reader::{Behind, FeedFrom, Reader};
use laterbase_core::version_vector::VersionVector;

use super::lines::Lines;
use super::selection::Selection;
use crate::cli::PAGE_EVENTS;

/// Takes a line and says whether to go on.
pub(super) type VisitLine<'v> = dyn FnMut(&[u8]) -> anyhow::Result<ControlFlow<()>> + 'v;

/// A root's events in the order in which they were recorded, or one aggregate's in the order in
/// which they happened.
pub(super) struct Pages<'p> {
    pub(super) reader: &'p Reader,
    pub(super) root: &'p RootName,
    pub(super) aggregate: Option<&'p str>,
    pub(super) selection: &'p Selection<'p>,
}

/// Where a page begins: a few bytes, however many origins there are.
#[derive(Clone)]
enum Mark {
    Start,
    Feed(FeedCursor),
    Aggregate(Place),
}

/// A page that was read.
struct Page {
    /// Events that were looked at.
    events: usize,
    next: Option<Mark>,
}

impl Pages<'_> {
    /// Visits what the selection lets through. Gives the number of events that were looked at.
    pub(super) fn forward(&self, visit: &mut VisitLine<'_>) -> anyhow::Result<usize> {
        let (mut looked, mut mark) = (0, Some(Mark::Start));
        while let Some(start) = mark {
            let mut lines = self.lines();
            let page = self.page(&start, Some(&mut lines))?;
            looked += page.events;
            for line in &lines.finish()? {
                if visit(line)?.is_break() {
                    return Ok(looked);
                }
            }
            mark = page.next;
        }
        Ok(looked)
    }

    /// The same from the last one on. All is read twice: once for where the pages begin.
    pub(super) fn backward(&self, visit: &mut VisitLine<'_>) -> anyhow::Result<usize> {
        let (mut looked, mut marks, mut mark) = (0, Vec::new(), Some(Mark::Start));
        while let Some(start) = mark {
            let page = self.page(&start, None)?;
            looked += page.events;
            marks.push(start);
            mark = page.next;
        }
        for start in marks.iter().rev() {
            let mut lines = self.lines();
            self.page(start, Some(&mut lines))?;
            for line in lines.finish()?.iter().rev() {
                if visit(line)?.is_break() {
                    return Ok(looked);
                }
            }
        }
        Ok(looked)
    }

    fn lines(&self) -> Lines<'_> {
        Lines::new(self.reader, self.root, self.selection)
    }

    /// Reads a page, and writes down what is let through.
    fn page(&self, start: &Mark, mut lines: Option<&mut Lines<'_>>) -> anyhow::Result<Page> {
        let mut is_at_end = false;
        let mut visit = |event: &Event<'_>| {
            if let Some(lines) = lines.as_mut().filter(|_| self.selection.admits(event)) {
                // A read of an aggregate goes by the same times.
                match self.aggregate {
                    Some(_) => lines.take_as_marked(event),
                    None => lines.take(event),
                }
            }
            is_at_end = self.aggregate.is_none() && self.selection.ends_before(event);
            if is_at_end { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let page = match self.aggregate {
            Some(id) => {
                let after = if let Mark::Aggregate(place) = start { Some(*place) } else { None };
                let (limit, query) = (PAGE_EVENTS, self.selection.query());
                let page = self
                    .reader
                    .aggregate_events(self.root, id, after, limit, &query, &mut visit)?;
                Page { events: page.events, next: page.next.map(Mark::Aggregate) }
            }
            None => {
                let nothing = VersionVector::new();
                let from = match start {
                    Mark::Feed(cursor) => FeedFrom::After(cursor),
                    _ => FeedFrom::Holding(&nothing),
                };
                let mut visit = |event: &Event<'_>, _: &Behind<'_>| visit(event);
                let page = self.reader.follow(self.root, from, PAGE_EVENTS, &mut visit)?;
                let page = page.context("the log was written anew meanwhile; read it again")?;
                let next = page.after.filter(|_| page.more).map(Mark::Feed);
                Page { events: page.events, next }
            }
        };
        Ok(Page { next: page.next.filter(|_| !is_at_end), ..page })
    }
}
