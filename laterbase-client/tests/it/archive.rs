//! A replica in memory whose fold tells every order of events apart.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use laterbase_core::delta::Delta;
use laterbase_core::event::{Event, Record};
use laterbase_core::fold::{Applied, Fold, FoldError, FoldState, Folds, Refusal};
use laterbase_core::id::RootName;
use laterbase_core::json::JsonEvent;
use laterbase_core::limits::BATCH_BYTES_MAX;
use laterbase_core::memory_store::MemoryStore;
use laterbase_core::reader::{AggregateState, Query, Reader};
use laterbase_core::replica::{Replica, ReplicaOptions};
use laterbase_core::snapshot::SnapshotPolicy;
use laterbase_core::{Maintenance, PreparedBatch};
use serde::{Deserialize, Serialize};

use crate::dice::Dice;

/// Lines that arrive together.
const CHUNK_LINES: usize = 250;

/// A wall clock behind all that the samples speak of, in nanoseconds since 1970.
const START: i64 = 1_790_000_000_000_000_000;
const SECOND: i64 = 1_000_000_000;

/// The state: a running hash over what happened, which no other order of events has. It does not
/// look at ids or stamps, which differ where a file is recorded twice.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct JournalFold {
    hash: [u8; 32],
    count: u64,
}

impl JournalFold {
    pub(crate) fn add(&mut self, occurred: i64, record: &Record<'_>) {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.hash);
        hasher.update(&occurred.to_be_bytes());
        hasher.update(record.event_type.as_bytes());
        hasher.update(&[0]);
        hasher.update(record.data);
        self.hash = *hasher.finalize().as_bytes();
        self.count += 1;
    }

    pub(crate) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap()
    }
}

impl Fold for JournalFold {
    fn name(&self) -> &'static str {
        "journal"
    }

    fn version(&self) -> u32 {
        1
    }

    fn validate(&self, _: &Record<'_>) -> Result<(), Refusal> {
        Ok(())
    }

    fn snapshots(&self) -> SnapshotPolicy {
        SnapshotPolicy::Events(2)
    }

    fn start(&self) -> Box<dyn FoldState> {
        Box::<Self>::default()
    }

    fn resume(&self, json: &[u8]) -> Result<Box<dyn FoldState>, FoldError> {
        let journal: Self =
            serde_json::from_slice(json).map_err(|error| FoldError(error.to_string()))?;
        Ok(Box::new(journal))
    }
}

impl FoldState for JournalFold {
    fn apply(&mut self, event: &Event<'_>) -> Result<Applied, FoldError> {
        self.add(event.occurred(), &event.record);
        Ok(Applied::Folded)
    }

    fn to_json(&self) -> Result<Vec<u8>, FoldError> {
        Ok(self.to_json())
    }
}

/// A replica that is read and flushed while it is being filled.
pub(crate) struct Archive {
    replica: Replica,
    reader: Reader,
    maintenance: Maintenance,
    folds: Arc<Folds>,
    now: i64,
    resumed_count: u64,
}

impl Archive {
    pub(crate) fn open(id: u8) -> Self {
        let folds = Arc::new(Folds::new().fallback(Arc::new(JournalFold::default())));
        let store = Arc::new(MemoryStore::new());
        let options = ReplicaOptions::default();
        let random = Box::new(move || [id; 16]);
        let replica = Replica::open(store, Arc::clone(&folds), options, random).unwrap();
        let (reader, maintenance) = (replica.reader(), replica.maintenance());
        Self { replica, reader, maintenance, folds, now: START, resumed_count: 0 }
    }

    /// The time at which the last events arrived, in nanoseconds since 1970.
    pub(crate) const fn now(&self) -> i64 {
        self.now
    }

    /// How many reads have gone on from a snapshot.
    pub(crate) const fn resumed_count(&self) -> u64 {
        self.resumed_count
    }

    /// Records lines.
    pub(crate) fn append(&mut self, lines: &[String]) {
        for chunk in lines.chunks(CHUNK_LINES) {
            self.append_chunk(chunk);
        }
    }

    /// Records lines, and reads some of the aggregates that they touch in between.
    pub(crate) fn load(&mut self, lines: &[String], dice: &mut Dice) {
        for chunk in lines.chunks(CHUNK_LINES) {
            let touched = self.append_chunk(chunk);
            self.visit(&touched, dice);
        }
    }

    fn append_chunk(&mut self, chunk: &[String]) -> BTreeSet<(RootName, String)> {
        self.now += SECOND;
        let mut batches: BTreeMap<RootName, PreparedBatch> = BTreeMap::new();
        let mut touched = BTreeSet::new();
        for line in chunk {
            let event = JsonEvent::parse(line.as_bytes()).unwrap();
            let root = RootName::new(event.root().unwrap()).unwrap();
            touched.insert((root.clone(), event.record().aggregate_id.to_owned()));
            let batch = || PreparedBatch::new(root.clone(), Arc::clone(&self.folds), self.now);
            batches.entry(root.clone()).or_insert_with(batch).push(&event.record()).unwrap();
        }
        for batch in batches.values() {
            self.replica.append(batch, self.now).unwrap();
        }
        touched
    }

    /// Reads about half of some aggregates, twice each, and flushes now and then.
    fn visit(&mut self, touched: &BTreeSet<(RootName, String)>, dice: &mut Dice) {
        for (root, id) in touched.iter().filter(|_| dice.below(2) == 0).collect::<Vec<_>>() {
            let read = || self.reader.aggregate(root, id, &Query::default()).unwrap().unwrap();
            let (first, second) = (read(), read());
            assert_eq!((&first.state, &first.etag), (&second.state, &second.etag), "{root} {id}");
            self.resumed_count += u64::from(first.folded_count < first.event_count);
        }
        if dice.below(3) == 0 {
            self.maintenance.flush().unwrap();
        }
    }

    /// Takes one page of each root from each of the others. Gives the number of new events.
    pub(crate) fn hear(&mut self, others: &[&Self], limit: usize, dice: &mut Dice) -> u64 {
        let mut stored = 0;
        for other in others {
            for root in other.reader.roots() {
                self.now += SECOND;
                let held = self.reader.version_vector(&root);
                let page = other.reader.delta(&root, &held, limit, BATCH_BYTES_MAX).unwrap();
                let delta = Delta::decode(&page.bytes).unwrap();
                stored += self.replica.merge(&delta, self.now).unwrap().stored;
                let listed = self.listed(&root, 40, dice);
                self.visit(&listed, dice);
            }
        }
        stored
    }

    /// Some aggregates of a root, from a random one on.
    fn listed(
        &self,
        root: &RootName,
        limit: usize,
        dice: &mut Dice,
    ) -> BTreeSet<(RootName, String)> {
        let after = ["", "A", "M", "S", "c", "u"][dice.below(6)];
        let page = self.reader.aggregates(root, Some(after), limit, &Query::default()).unwrap();
        page.aggregates.into_iter().map(|(id, _)| (root.clone(), id)).collect()
    }

    /// The states of all aggregates.
    pub(crate) fn states(&self, query: &Query) -> BTreeMap<(RootName, String), Vec<u8>> {
        self.map(query, |read| read.state)
    }

    /// The etags of all aggregates.
    pub(crate) fn etags(&self) -> BTreeMap<(RootName, String), String> {
        self.map(&Query::default(), |read| read.etag)
    }

    fn map<T>(
        &self,
        query: &Query,
        part: impl Fn(AggregateState) -> T,
    ) -> BTreeMap<(RootName, String), T> {
        let mut all = BTreeMap::new();
        for root in self.reader.roots() {
            let mut after = None;
            loop {
                let page = self.reader.aggregates(&root, after.as_deref(), 500, query).unwrap();
                for (id, read) in page.aggregates {
                    all.insert((root.clone(), id), part(read.unwrap()));
                }
                if page.next.is_none() {
                    break;
                }
                after = page.next;
            }
        }
        all
    }
}
