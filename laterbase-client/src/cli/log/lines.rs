//! Events as lines, each marked as taken back by what was known at the time that is asked for.

use std::collections::BTreeMap;

use laterbase_core::event::Event;
use laterbase_core::id::{Dot, EventId, RootName};
use laterbase_core::json::write_event;
use laterbase_core::reader::Reader;

use super::selection::Selection;

/// Lines of a page, in the order in which its events were visited.
pub(super) struct Lines<'l> {
    reader: &'l Reader,
    root: &'l RootName,
    selection: &'l Selection<'l>,
    lines: Vec<Line>,
}

enum Line {
    Whole(Vec<u8>),
    /// An event that is taken back by events which may not have been known. They are looked up once
    /// the page is read, and not in the middle of it.
    Doubtful(EventId, Vec<Dot>),
}

impl<'l> Lines<'l> {
    pub(super) const fn new(
        reader: &'l Reader,
        root: &'l RootName,
        selection: &'l Selection<'l>,
    ) -> Self {
        Self { reader, root, selection, lines: Vec::new() }
    }

    /// Takes an event whose marks are all that is known now.
    pub(super) fn take(&mut self, event: &Event<'_>) {
        if event.voided_by.is_empty() || !self.selection.looks_back() {
            return self.take_as_marked(event);
        }
        let id = EventId { root: self.root.clone(), dot: event.dot };
        self.lines.push(Line::Doubtful(id, event.voided_by.to_vec()));
    }

    /// Takes an event that is marked by what was known.
    pub(super) fn take_as_marked(&mut self, event: &Event<'_>) {
        self.lines.push(Line::Whole(line(self.root, event)));
    }

    /// All lines, with their line breaks.
    pub(super) fn finish(self) -> anyhow::Result<Vec<Vec<u8>>> {
        let Self { reader, root, selection, lines } = self;
        let mut known = BTreeMap::new();
        let mut lookup = reader.lookup()?;
        let lines = lines.into_iter().map(|line| match line {
            Line::Whole(line) => Ok(line),
            Line::Doubtful(id, mut by) => {
                for dot in &by {
                    if !known.contains_key(dot) {
                        let voiding = EventId { root: root.clone(), dot: *dot };
                        let is_known = lookup.event(&voiding, |event| selection.knows(event))?;
                        known.insert(*dot, is_known.unwrap_or(false));
                    }
                }
                by.retain(|dot| known.get(dot).copied().unwrap_or(false));
                let line = lookup
                    .event(&id, |event| self::line(root, &Event { voided_by: &by, ..*event }));
                Ok(line?.unwrap_or_default())
            }
        });
        lines.collect()
    }
}

/// An event as a line.
fn line(root: &RootName, event: &Event<'_>) -> Vec<u8> {
    let mut line = Vec::new();
    write_event(&mut line, root, event);
    line.push(b'\n');
    line
}
