//! Local writes.

use std::collections::BTreeMap;

use super::staged::Incoming;
use super::{Appended, Replica, WriteError};
use crate::chain::{ChainHash, RecordHash};
use crate::hlc::{Hlc, HlcError};
use crate::id::Dot;
use crate::keys;
use crate::prepared::{Precondition, PreparedBatch, PreparedRecord};
use crate::shared::Head;
use crate::store::{StoreError, Table};
use crate::view::View;

/// What is to be done with one event of a batch.
enum Plan {
    Store,
    /// The key's event is held already.
    Replay(Dot),
    /// The key's event is an earlier one of the same batch, by its index.
    Repeat(usize),
}

pub(super) fn stage(
    replica: &mut Replica,
    batch: &PreparedBatch,
    now_nanos: i64,
) -> Result<Appended, WriteError> {
    let events: Vec<PreparedRecord<'_>> = batch.records().collect();
    let plans = plan(replica, batch, &events, now_nanos)?;
    let replayed = !plans.is_empty() && !plans.iter().any(|plan| matches!(plan, Plan::Store));
    check_whole(replica, batch, &plans, &events)?;
    if !replayed {
        check_precondition(replica, batch)?;
    }
    let needed = u64::try_from(plans.len()).unwrap_or(u64::MAX);
    if replica.clock.last().to_bits() > u64::MAX - needed {
        return Err(HlcError::Exhausted.into());
    }
    let mut dots: Vec<Dot> = Vec::with_capacity(plans.len());
    let mut writer = Writer::new(replica, batch);
    for (prepared, plan) in events.iter().zip(plans) {
        let dot = match plan {
            Plan::Store => writer.push(replica, prepared, now_nanos)?,
            Plan::Replay(dot) => dot,
            Plan::Repeat(index) => dots[index],
        };
        dots.push(dot);
    }
    writer.finish(replica);
    Ok(Appended { dots, replayed })
}

/// Decides for every event before anything is staged, so that a refused batch leaves no trace.
fn plan(
    replica: &mut Replica,
    batch: &PreparedBatch,
    events: &[PreparedRecord<'_>],
    now_nanos: i64,
) -> Result<Vec<Plan>, WriteError> {
    let latest = now_nanos.saturating_add(replica.options.future_nanos_max);
    let mut in_batch: BTreeMap<&str, usize> = BTreeMap::new();
    let mut plans = Vec::with_capacity(events.len());
    for (index, prepared) in events.iter().enumerate() {
        let occurred = prepared.indexed.occurred;
        let Some(key) = prepared.indexed.idempotency_key else {
            check_future(occurred, latest, index)?;
            plans.push(Plan::Store);
            continue;
        };
        if let Some(&earlier) = in_batch.get(key) {
            if events[earlier].hash != prepared.hash {
                return Err(WriteError::KeyConflict { index, holder: None });
            }
            plans.push(Plan::Repeat(earlier));
            continue;
        }
        in_batch.insert(key, index);
        // A replay is recognised before anything else is asked of the event.
        match find_key(replica, batch, key, prepared.hash)? {
            Found::Same(dot) => plans.push(Plan::Replay(dot)),
            Found::Other(holder) => {
                return Err(WriteError::KeyConflict { index, holder: Some(holder) });
            }
            Found::Nothing => {
                check_future(occurred, latest, index)?;
                plans.push(Plan::Store);
            }
        }
    }
    Ok(plans)
}

fn check_future(occurred: Option<i64>, latest: i64, index: usize) -> Result<(), WriteError> {
    match occurred {
        Some(occurred) if occurred > latest => Err(WriteError::Future { index }),
        _ => Ok(()),
    }
}

/// A batch with a key is a replay as a whole or not at all: of the same events, and as many.
fn check_whole(
    replica: &mut Replica,
    batch: &PreparedBatch,
    plans: &[Plan],
    events: &[PreparedRecord<'_>],
) -> Result<(), WriteError> {
    let Some(beyond) = batch.key_of(events.len()) else { return Ok(()) };
    let is_new = |plan: &Plan| matches!(plan, Plan::Store);
    let Some(first) = plans.iter().position(|plan| !is_new(plan)) else { return Ok(()) };
    if let Some(index) = plans.iter().position(is_new) {
        return Err(WriteError::KeyConflict { index: index.max(first), holder: None });
    }
    match find_key(replica, batch, &beyond, events[0].hash)? {
        Found::Nothing => Ok(()),
        Found::Same(holder) | Found::Other(holder) => {
            Err(WriteError::KeyConflict { index: events.len() - 1, holder: Some(holder) })
        }
    }
}

/// A replay was answered before: whoever retries a write whose answer was lost must not be told
/// that the aggregate has changed.
fn check_precondition(replica: &mut Replica, batch: &PreparedBatch) -> Result<(), WriteError> {
    let Some((precondition, id)) = batch.precondition() else { return Ok(()) };
    let known = replica.shared.state().names.root(batch.root());
    let root =
        replica.staged.as_ref().map_or(known, |staged| staged.find_root(known, batch.root()));
    if let (Some(root), Some(staged)) = (root, &replica.staged)
        && staged.holds_aggregate(root, id)
    {
        return Err(WriteError::Uncommitted);
    }
    let etag = replica.reader().etag(batch.root(), id)?;
    let holds = match (precondition, &etag) {
        (Precondition::Absent, etag) => etag.is_none(),
        (Precondition::Present, etag) => etag.is_some(),
        (Precondition::Etag(expected), Some(etag)) => expected.contains(etag),
        (Precondition::Etag(_), None) => false,
    };
    if holds { Ok(()) } else { Err(WriteError::Precondition { etag }) }
}

enum Found {
    Nothing,
    Same(Dot),
    Other(Dot),
}

/// Looks for the event that has taken an idempotency key in the batch's root.
fn find_key(
    replica: &mut Replica,
    batch: &PreparedBatch,
    key: &str,
    hash: RecordHash,
) -> Result<Found, WriteError> {
    let known = replica.shared.state().names.root(batch.root());
    let root = replica.staged().root_number(known, batch.root());
    let mut found = Found::Nothing;
    for taken in replica.staged().keys(root, key) {
        found = if taken.hash == hash { Found::Same(taken.dot) } else { Found::Other(taken.dot) };
    }
    if known.is_none() || !matches!(found, Found::Nothing) {
        return Ok(found);
    }
    let view = View::open(&replica.shared)?;
    let prefix = keys::key_prefix(root, key);
    let end = keys::after_prefix(&prefix).expect("the end mark of a text is no 0xff");
    // Replicas that were apart may both have taken the key: the same content is a replay of
    // either of them.
    for (_, position) in view.indexed(Table::Keys, &prefix, &end, usize::MAX)? {
        let (origin, seq, same) = view.entry(position, |entry| {
            (entry.origin, entry.seq, RecordHash::of(entry.record) == hash)
        })?;
        let origin = replica.shared.state().names.origin_id(origin);
        let origin = origin.ok_or_else(|| StoreError::corrupt("an origin has no name"))?;
        let dot = Dot { origin, seq };
        if same {
            return Ok(Found::Same(dot));
        }
        found = Found::Other(dot);
    }
    Ok(found)
}

/// Where a batch's events go.
struct Writer {
    root: u32,
    origin: u32,
    head: Head,
    has_pushed: bool,
}

impl Writer {
    fn new(replica: &mut Replica, batch: &PreparedBatch) -> Self {
        let id = replica.id();
        let (known_root, known_origin) = {
            let names = &replica.shared.state().names;
            (names.root(batch.root()), names.origin(id))
        };
        let root = replica.staged().root_number(known_root, batch.root());
        let origin = replica.staged().origin_number(known_origin, id);
        let staged = replica.staged().head(root, origin);
        let head = staged
            .or_else(|| replica.shared.state().heads.get(&(root, origin)).copied())
            .unwrap_or_else(|| Head {
                seq: 0,
                chain: ChainHash::genesis(batch.root(), id),
                recorded: Hlc::ZERO,
            });
        Self { root, origin, head, has_pushed: false }
    }

    fn push(
        &mut self,
        replica: &mut Replica,
        prepared: &PreparedRecord<'_>,
        now_nanos: i64,
    ) -> Result<Dot, WriteError> {
        self.has_pushed = true;
        let recorded = replica.clock.tick(now_nanos)?;
        // Invariant 4: along one origin's seqs, stamps strictly increase.
        assert!(recorded > self.head.recorded, "the clock is behind its own events");
        let chain = self.head.chain.next(recorded, prepared.hash);
        self.head = Head { seq: self.head.seq + 1, chain, recorded };
        let staged = replica.staged();
        let dot = Dot { origin: staged.replica, seq: self.head.seq };
        let event = Incoming {
            root: self.root,
            origin: self.origin,
            dot,
            recorded,
            chain,
            hash: prepared.hash,
            bytes: prepared.bytes,
            indexed: prepared.indexed,
        };
        staged.push(event, now_nanos);
        Ok(dot)
    }

    /// Says where the origin's events end now.
    fn finish(self, replica: &mut Replica) {
        if self.has_pushed {
            replica.staged().set_head(self.root, self.origin, self.head);
        }
    }
}
