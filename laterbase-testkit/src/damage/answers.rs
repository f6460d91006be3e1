//! Everything that a replica answers, as values that can be compared.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::ControlFlow;

use laterbase_core::event::{Event, Record};
use laterbase_core::id::RootName;
use laterbase_core::limits::BATCH_EVENTS_MAX;
use laterbase_core::reader::{Query, Reader, Taken};
use laterbase_core::replica::Replica;
use laterbase_core::version_vector::VersionVector;

use super::specimen::{self, START};

/// What was asked → the answer, or what the error said.
#[derive(Debug)]
pub(super) struct Answers {
    given: BTreeMap<String, Result<String, String>>,
    /// Whether the replica says of its own accord that events are held back.
    pub tells_damage: bool,
}

impl Answers {
    /// Asks everything. What the replica stores is as it was.
    pub(super) fn of(replica: &mut Replica) -> Self {
        let reader = replica.reader();
        let mut answers = Self { given: BTreeMap::new(), tells_damage: false };
        answers.put("status", reader.status().map(|status| (status.replica, status.roots)));
        answers.put("own ids", Ok::<_, String>(reader.own_ids()));
        answers.put("forks", Ok::<_, String>(reader.forks()));
        answers.put("remembered", reader.recall_all(b""));
        answers.ask_arrivals(&reader);
        for root in specimen::roots() {
            answers.ask_root(&reader, &root);
        }
        for (what, outcome) in specimen::repeat_keys(replica) {
            answers.put(&format!("repeated {what}"), outcome);
        }
        answers.tells_damage = !reader.damaged().is_empty();
        answers
    }

    fn put<T: Debug, E: ToString>(&mut self, what: &str, answer: Result<T, E>) {
        let answer = answer.map(|answer| format!("{answer:?}")).map_err(|error| error.to_string());
        self.given.insert(what.to_owned(), answer);
    }

    fn ask_arrivals(&mut self, reader: &Reader) {
        let mut arrivals = Vec::new();
        let read = reader.arrivals(0, usize::MAX, &mut |root, event| {
            arrivals.push(format!("{root} {}", shown(event)));
            ControlFlow::Continue(())
        });
        self.put("arrivals", read.map(|last| (last, arrivals)));
        let taken = Taken { root: &|_| true, not_of: &[], limit: 1_000, bytes_max: 1 << 20 };
        let cursor = reader.cursor();
        self.put("cursor", reader.fits(&cursor));
        self.put("what arrived", reader.arrivals_delta(&cursor, &taken));
    }

    fn ask_root(&mut self, reader: &Reader, root: &RootName) {
        let nothing = VersionVector::new();
        let mut events = Vec::new();
        let feed = reader.feed(root, &nothing, BATCH_EVENTS_MAX, &mut |event| {
            events.push(shown(event));
            ControlFlow::Continue(())
        });
        self.put(&format!("feed of {root}"), feed.map(|page| (page.vv, page.more, events)));
        let delta = reader.delta(root, &nothing, BATCH_EVENTS_MAX, 1 << 20);
        self.put(&format!("delta of {root}"), delta.map(|page| (print_of(&page.bytes), page.vv)));
        let later = START + specimen::SPAN / 2;
        for query in [
            Query::default(),
            Query { occurred_until: Some(later), ..Query::default() },
            Query { recorded_until: Some(later), ..Query::default() },
            Query { known_at: Some(later), ..Query::default() },
        ] {
            self.ask_aggregates(reader, root, &query);
        }
    }

    fn ask_aggregates(&mut self, reader: &Reader, root: &RootName, query: &Query) {
        let page = reader.aggregates(root, None, usize::MAX, query);
        let listed = page.map(|page| {
            // How many events were folded depends on the snapshots that there are.
            let states = page.aggregates.into_iter().map(|(id, state)| {
                (id, state.map(|state| (state.state, state.etag, state.event_count, state.refused)))
            });
            states.collect::<Vec<_>>()
        });
        self.put(&format!("aggregates of {root} by {query:?}"), listed);
        for id in specimen::aggregates() {
            let state = reader.aggregate(root, &id, query);
            let state = state.map(|state| {
                state.map(|state| (state.state, state.etag, state.event_count, state.refused))
            });
            self.put(&format!("{id} of {root} by {query:?}"), state);
            self.put(&format!("etag of {id} of {root}"), reader.etag(root, &id));
            let mut events = Vec::new();
            let page = reader.aggregate_events(root, &id, None, usize::MAX, query, &mut |event| {
                events.push(shown(event));
                ControlFlow::Continue(())
            });
            self.put(&format!("events of {id} of {root} by {query:?}"), page.map(|_| events));
        }
    }

    /// What was answered otherwise than here, errors apart. Empty if nothing was.
    pub(super) fn contradictions(&self, other: &Self) -> Vec<String> {
        let differs = |(what, answer): (&String, &Result<String, String>)| {
            let found = other.given.get(what)?;
            (found.is_ok() && found != answer).then(|| what.clone())
        };
        self.given.iter().filter_map(differs).collect()
    }

    /// What could not be answered.
    pub(super) fn errors(&self) -> Vec<&str> {
        self.given.values().filter_map(|answer| Some(answer.as_ref().err()?.as_str())).collect()
    }
}

/// An event in a few words.
fn shown(event: &Event<'_>) -> String {
    let Event { dot, recorded, arrived, position, record, voided_by } = event;
    let (data, extension) = (print_of(record.data), print_of(record.extension));
    let record = Record { data: &[], extension: &[], ..*record };
    format!(
        "{dot} {recorded:?} {arrived} {position} {record:?} {data:x} {extension:x} {voided_by:?}"
    )
}

/// A number that other bytes hardly have (Fowler, Noll and Vo's FNV-1a).
pub(super) fn print_of(bytes: &[u8]) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325;
    bytes.iter().fold(start, |print, byte| (print ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}
