//! Local writes.

use std::collections::BTreeMap;

use super::staged::Incoming;
use super::voiding::{Completed, Targets};
use super::{Appended, AppendedEach, KeyHolder, Replica, WriteError};
use crate::chain::{ChainHash, RecordHash};
use crate::event::Record;
use crate::hlc::{Hlc, HlcError};
use crate::id::{Dot, EventId, RootName};
use crate::keys;
use crate::prepared::{Precondition, PreparedBatch, PreparedRecord};
use crate::shared::Head;
use crate::store::{Scan, StoreError, Table};
use crate::view::{View, damaged};

/// What is to be done with one event of a batch.
enum Plan {
    Store,
    /// It takes others back, of which the writer's replica knows more than the writer.
    Complete(Box<Completed>),
    /// The key's event is held already.
    Replay(Dot),
    /// The key's event is an earlier one of the same batch, by its index.
    Repeat(usize),
    /// It is refused, and the others are taken.
    LeaveOut,
}

/// Events of a batch that are refused, by their places in it.
type Refusals = Vec<(usize, WriteError)>;

/// Stages a batch, all of it or nothing.
pub(super) fn stage(
    replica: &mut Replica,
    batch: &PreparedBatch,
    now_nanos: i64,
) -> Result<Appended, WriteError> {
    let events: Vec<PreparedRecord<'_>> = batch.records().collect();
    let mut judge = Judge::new(replica, batch.root(), &events, now_nanos);
    let plans = (0..events.len()).map(|index| judge.plan(index));
    let plans = plans.collect::<Result<Vec<Plan>, WriteError>>()?;
    drop(judge);
    check_whole(replica, batch, &plans, &events)?;
    let (dots, replayed) = write(replica, batch, &events, &plans, now_nanos)?;
    let dots = dots.into_iter().map(|dot| dot.expect("nothing was left out")).collect();
    Ok(Appended { dots, replayed, end: end(replica) })
}

/// Stages those events of a batch that can be taken, and says of each other why it cannot.
pub(super) fn stage_each(
    replica: &mut Replica,
    batch: &PreparedBatch,
    now_nanos: i64,
) -> Result<AppendedEach, WriteError> {
    let events: Vec<PreparedRecord<'_>> = batch.records().collect();
    let (plans, refused) = plan_each(replica, batch.root(), &events, now_nanos)?;
    let (dots, replayed) = write(replica, batch, &events, &plans, now_nanos)?;
    Ok(AppendedEach { dots, refused, replayed, end: end(replica) })
}

impl Replica {
    /// Says which events of a batch [`Self::stage_append_each`] would leave out, and why, and stages
    /// nothing.
    ///
    /// # Errors
    /// [`WriteError`], of the batch as a whole.
    pub fn refusals(
        &self,
        batch: &PreparedBatch,
        now_nanos: i64,
    ) -> Result<Vec<(usize, WriteError)>, WriteError> {
        let events: Vec<PreparedRecord<'_>> = batch.records().collect();
        Ok(plan_each(self, batch.root(), &events, now_nanos)?.1)
    }
}

/// What is to be done with each event, and why those are refused that are left out.
fn plan_each(
    replica: &Replica,
    root: &RootName,
    events: &[PreparedRecord<'_>],
    now_nanos: i64,
) -> Result<(Vec<Plan>, Refusals), WriteError> {
    let mut judge = Judge::new(replica, root, events, now_nanos);
    let (mut plans, mut refused) = (Vec::with_capacity(events.len()), Vec::new());
    for index in 0..events.len() {
        plans.push(match judge.plan(index) {
            Err(
                error @ (WriteError::Future { .. }
                | WriteError::KeyConflict { .. }
                | WriteError::Void { .. }),
            ) => {
                refused.push((index, error));
                Plan::LeaveOut
            }
            planned => planned?,
        });
    }
    Ok((plans, refused))
}

/// The last arrival position, what is staged included.
fn end(replica: &Replica) -> u64 {
    let staged = replica.staged.as_ref().map(|staged| staged.end().0);
    staged.unwrap_or_else(|| replica.shared.state().head)
}

/// Does what was planned. Gives each event's id, and whether all of them are replays.
fn write(
    replica: &mut Replica,
    batch: &PreparedBatch,
    events: &[PreparedRecord<'_>],
    plans: &[Plan],
    now_nanos: i64,
) -> Result<(Vec<Option<Dot>>, bool), WriteError> {
    let is_new = |plan: &&Plan| matches!(plan, Plan::Store | Plan::Complete(_));
    let new_count = plans.iter().filter(is_new).count();
    let is_taken = |plan: &Plan| !matches!(plan, Plan::LeaveOut);
    let replayed = new_count == 0 && plans.iter().any(is_taken);
    if new_count > 0 {
        check_precondition(replica, batch)?;
        check_clock(replica, new_count)?;
    }
    // From here on nothing fails: a batch is staged whole or not at all.
    let mut dots: Vec<Option<Dot>> = Vec::with_capacity(plans.len());
    let mut writer: Option<Writer> = None;
    for (prepared, plan) in events.iter().zip(plans) {
        let dot = match plan {
            Plan::Store | Plan::Complete(_) => {
                // Not before there is something to store: it gives root and origin their numbers.
                let writer = match &mut writer {
                    Some(writer) => writer,
                    None => writer.insert(Writer::new(replica, batch, now_nanos)),
                };
                Some(match plan {
                    Plan::Complete(completed) => {
                        writer.push(replica, &completed.prepared(prepared))?
                    }
                    _ => writer.push(replica, prepared)?,
                })
            }
            Plan::Replay(dot) => Some(*dot),
            Plan::Repeat(index) => dots[*index],
            Plan::LeaveOut => None,
        };
        dots.push(dot);
    }
    if let Some(writer) = writer {
        writer.finish(replica);
    }
    Ok((dots, replayed))
}

/// Whether the clock has as many stamps left.
fn check_clock(replica: &Replica, count: usize) -> Result<(), WriteError> {
    let needed = u64::try_from(count).unwrap_or(u64::MAX);
    match replica.clock.last().to_bits().checked_add(needed) {
        Some(_) => Ok(()),
        None => Err(HlcError::Exhausted.into()),
    }
}

/// Decides for every event before anything is staged, so that a refused batch leaves no trace.
struct Judge<'j> {
    replica: &'j Replica,
    root: &'j RootName,
    events: &'j [PreparedRecord<'j>],
    /// The furthest future that is believed.
    latest: i64,
    /// Keys that events of the batch take.
    in_batch: BTreeMap<&'j str, usize>,
    targets: Targets<'j>,
}

impl<'j> Judge<'j> {
    fn new(
        replica: &'j Replica,
        root: &'j RootName,
        events: &'j [PreparedRecord<'j>],
        now_nanos: i64,
    ) -> Self {
        let latest = now_nanos.saturating_add(replica.options.future_nanos_max);
        Self {
            replica,
            root,
            events,
            latest,
            in_batch: BTreeMap::new(),
            targets: Targets::default(),
        }
    }

    fn plan(&mut self, index: usize) -> Result<Plan, WriteError> {
        let prepared = &self.events[index];
        let Some(key) = prepared.indexed.idempotency_key else {
            return self.store(index);
        };
        if let Some(&earlier) = self.in_batch.get(key) {
            if self.events[earlier].indexed.said != prepared.indexed.said {
                return Err(WriteError::KeyConflict { index, holder: None });
            }
            return Ok(Plan::Repeat(earlier));
        }
        // A replay is recognised before anything else is asked of the event.
        let plan = match find_key(self.replica, self.root, key, prepared.indexed.said)? {
            Found::Same(dot) => Plan::Replay(dot),
            Found::Other(holder) => {
                return Err(WriteError::KeyConflict { index, holder: Some(holder) });
            }
            Found::Nothing => self.store(index)?,
        };
        self.in_batch.insert(key, index);
        Ok(plan)
    }

    fn store(&mut self, index: usize) -> Result<Plan, WriteError> {
        let event = &self.events[index];
        self.check_future(event, index)?;
        if event.indexed.voids.is_empty() {
            return Ok(Plan::Store);
        }
        let completed = Completed::of(self.replica, self.root, &mut self.targets, event, index)?;
        Ok(Plan::Complete(Box::new(completed)))
    }

    /// What was filled in is the wall clock as it was a moment ago, whatever it says now.
    fn check_future(&self, event: &PreparedRecord<'_>, index: usize) -> Result<(), WriteError> {
        let is_said = !event.is_occurred_defaulted;
        if is_said && event.indexed.occurred > self.latest {
            return Err(WriteError::Future { index });
        }
        Ok(())
    }
}

/// A batch with a key is a replay as a whole or not at all: of the same events, and as many.
fn check_whole(
    replica: &Replica,
    batch: &PreparedBatch,
    plans: &[Plan],
    events: &[PreparedRecord<'_>],
) -> Result<(), WriteError> {
    let Some(beyond) = batch.key_of(events.len()) else { return Ok(()) };
    let is_new = |plan: &Plan| matches!(plan, Plan::Store | Plan::Complete(_));
    let replays = plans.iter().zip(events).enumerate();
    let mut replays = replays.filter_map(|(index, (plan, event))| match plan {
        Plan::Replay(dot) => Some((index, *dot, event.indexed.aggregate_id)),
        _ => None,
    });
    let Some((first, dot, aggregate_id)) = replays.next() else { return Ok(()) };
    if let Some(index) = plans.iter().position(is_new) {
        let holder = Some(holder(batch.root(), dot, aggregate_id));
        return Err(WriteError::KeyConflict { index: index.max(first), holder });
    }
    match find_key(replica, batch.root(), &beyond, events[0].hash)? {
        Found::Nothing => Ok(()),
        Found::Same(dot) => {
            let holder = holder(batch.root(), dot, aggregate_id);
            Err(WriteError::KeyConflict { index: events.len() - 1, holder: Some(holder) })
        }
        Found::Other(holder) => {
            Err(WriteError::KeyConflict { index: events.len() - 1, holder: Some(holder) })
        }
    }
}

/// A replay was answered before: whoever retries a write whose answer was lost must not be told
/// that the aggregate has changed.
fn check_precondition(replica: &Replica, batch: &PreparedBatch) -> Result<(), WriteError> {
    let Some((precondition, id)) = batch.precondition() else { return Ok(()) };
    let root = root_number(replica, batch.root());
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

/// The number of a root, if it has one. Looking it up gives it none.
fn root_number(replica: &Replica, name: &RootName) -> Option<u32> {
    let known = replica.shared.state().names.root(name);
    replica.staged.as_ref().map_or(known, |staged| staged.find_root(known, name))
}

fn holder(root: &RootName, dot: Dot, aggregate_id: &str) -> KeyHolder {
    let event = EventId { root: root.clone(), dot };
    KeyHolder { event, aggregate_id: aggregate_id.to_owned() }
}

enum Found {
    Nothing,
    Same(Dot),
    Other(KeyHolder),
}

/// Looks for the event that has taken an idempotency key in a root. It is the same one if its
/// writer said the same of it.
fn find_key(
    replica: &Replica,
    root: &RootName,
    key: &str,
    said: RecordHash,
) -> Result<Found, WriteError> {
    let Some(number) = root_number(replica, root) else { return Ok(Found::Nothing) };
    let mut found = Found::Nothing;
    for taken in replica.staged.iter().flat_map(|staged| staged.keys(number, key)) {
        let holder = holder(root, taken.dot, &taken.aggregate_id);
        found = if taken.said == said { Found::Same(taken.dot) } else { Found::Other(holder) };
    }
    if !matches!(found, Found::Nothing) {
        return Ok(found);
    }
    let prefix = keys::key_prefix(number, key);
    let end = keys::after_prefix(&prefix).expect("the end mark of a text is no 0xff");
    let shared = &replica.shared;
    let (view, taken) = shared.with_index(|| {
        let view = View::open(shared)?;
        let taken = view.indexed(Scan::range(Table::Keys, &prefix, &end))?;
        Ok::<_, StoreError>((view, taken))
    })?;
    // Replicas that were apart may both have taken the key: the same content is a replay of
    // either of them.
    for (_, position) in taken {
        let read = view.entry(position, |entry| {
            let record = Record::decode(entry.record)?;
            let same = record.said(RecordHash::of(entry.record)) == said;
            Ok((entry.origin, entry.seq, record.aggregate_id.to_owned(), same))
        })?;
        let (origin, seq, aggregate_id, same) = read.map_err(|error| damaged(position, error))?;
        let origin = replica.shared.state().names.origin_id(origin);
        let origin = origin.ok_or_else(|| StoreError::corrupt("an origin has no name"))?;
        let dot = Dot { origin, seq };
        if same {
            return Ok(Found::Same(dot));
        }
        found = Found::Other(holder(root, dot, &aggregate_id));
    }
    Ok(found)
}

/// Where a batch's events go.
struct Writer {
    root: u32,
    origin: u32,
    head: Head,
    now_nanos: i64,
    /// Stamps beyond this claim a future: the clock goes on from where a wrong one once was.
    latest: Hlc,
}

impl Writer {
    fn new(replica: &mut Replica, batch: &PreparedBatch, now_nanos: i64) -> Self {
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
        let latest = now_nanos.saturating_add(replica.options.future_nanos_max);
        Self { root, origin, head, now_nanos, latest: Hlc::from_unix_nanos(latest) }
    }

    fn push(
        &mut self,
        replica: &mut Replica,
        prepared: &PreparedRecord<'_>,
    ) -> Result<Dot, WriteError> {
        let recorded = replica.clock.tick(self.now_nanos)?;
        // Invariant 4: along one origin's seqs, stamps strictly increase.
        assert!(recorded > self.head.recorded, "the clock is behind its own events");
        let chain = self.head.chain.next(recorded, prepared.hash);
        self.head = Head { seq: self.head.seq + 1, chain, recorded };
        let staged = replica.staged();
        staged.counters().future += u64::from(recorded > self.latest);
        let dot = Dot { origin: staged.replica, seq: self.head.seq };
        let event = Incoming {
            root: self.root,
            origin: self.origin,
            dot,
            recorded,
            chain,
            bytes: prepared.bytes,
            indexed: prepared.indexed,
        };
        staged.push(event, self.now_nanos);
        Ok(dot)
    }

    /// Says where the origin's events end now.
    fn finish(self, replica: &mut Replica) {
        replica.staged().set_head(self.root, self.origin, self.head);
    }
}
