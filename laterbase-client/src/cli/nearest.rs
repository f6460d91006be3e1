//! What somebody may have meant who named what is not there.

use std::ops::ControlFlow;

use anyhow::anyhow;
use laterbase_core::id::RootName;
use laterbase_core::printable::Printable;
use laterbase_core::reader::{FeedFrom, Reader};
use laterbase_core::version_vector::VersionVector;

use super::PAGE_EVENTS;
use super::time_flags::TimeFlags;

/// How alike two names have to be, from 0 to 1.
const LIKENESS_MIN: f64 = 0.7;

/// Most bytes of a name that others are compared with.
const LENGTH_MAX: usize = 100;

/// Most events of a root that are looked through for an aggregate.
const EVENTS_MAX: usize = 50_000;

/// The name that is most like one, if any is.
pub(super) struct Nearest<'n> {
    wanted: &'n str,
    best: Option<(f64, String)>,
}

impl<'n> Nearest<'n> {
    pub(super) const fn new(wanted: &'n str) -> Self {
        Self { wanted, best: None }
    }

    pub(super) fn offer(&mut self, name: &str) {
        let is_best = self.best.as_ref().is_some_and(|(_, best)| best == name);
        // It takes a time that grows with both lengths.
        let is_long = self.wanted.len().max(name.len()) > LENGTH_MAX;
        if is_best || is_long {
            return;
        }
        let [wanted, other] = [self.wanted, name].map(str::to_lowercase);
        let likeness = strsim::normalized_damerau_levenshtein(&wanted, &other);
        let least = self.best.as_ref().map_or(LIKENESS_MIN, |(best, _)| *best);
        if likeness > least {
            self.best = Some((likeness, name.to_owned()));
        }
    }

    /// What is to be added to a complaint.
    fn question(self) -> String {
        self.found().map_or_else(String::new, |name| format!("; did you mean {}?", Printable(name)))
    }

    /// The name that is most like the one that was wanted.
    pub(super) fn found(self) -> Option<String> {
        self.best.map(|(_, name)| name)
    }
}

/// That there are no events of a root, or of any of an entry's.
pub(super) fn no_such_root(reader: &Reader, wanted: &str) -> anyhow::Error {
    let mut nearest = Nearest::new(wanted);
    for root in reader.roots() {
        nearest.offer(root.as_str());
    }
    anyhow!("the store holds no events of {wanted}{}", nearest.question())
}

/// That a root holds no events of an aggregate, within the times that were asked for.
pub(super) fn no_such_aggregate(
    reader: &Reader,
    root: &RootName,
    id: &str,
    times: &TimeFlags,
) -> anyhow::Error {
    let remark = times.remark();
    let question = if remark.is_empty() { near_aggregate(reader, root, id) } else { String::new() };
    anyhow!("{root} holds no events of {}{remark}{question}", Printable(id))
}

/// What to ask about an aggregate that is not there: by the events of the root that were recorded
/// first. Nothing, if they cannot be read.
fn near_aggregate(reader: &Reader, root: &RootName, id: &str) -> String {
    let mut nearest = Nearest::new(id);
    let (nothing, mut after, mut looked) = (VersionVector::new(), None, 0);
    while looked < EVENTS_MAX {
        let from = after.as_ref().map_or(FeedFrom::Holding(&nothing), FeedFrom::After);
        let page = reader.follow(root, from, PAGE_EVENTS, &mut |event, _| {
            nearest.offer(event.record.aggregate_id);
            ControlFlow::Continue(())
        });
        let Ok(Some(page)) = page else { break };
        looked += page.events;
        after = page.after;
        if !page.more || after.is_none() {
            break;
        }
    }
    nearest.question()
}
