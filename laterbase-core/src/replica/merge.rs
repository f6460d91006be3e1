//! Events from other replicas.

use std::collections::BTreeMap;

use super::staged::Incoming;
use super::{Merged, Replica, WriteError};
use crate::chain::{ChainHash, RecordHash};
use crate::codec::CodecError;
use crate::delta::{Delta, Run, RunEvent};
use crate::event::Record;
use crate::hlc::{Hlc, Observation};
use crate::id::{Dot, ReplicaId, RootName};
use crate::prepared::Indexed;
use crate::shared::Head;
use crate::view::View;

pub(super) fn stage(
    replica: &mut Replica,
    delta: &Delta<'_>,
    now_nanos: i64,
) -> Result<Merged, WriteError> {
    let plan = plan(replica, delta)?;
    let mut merged = Merged::default();
    for (run, skip) in delta.runs.iter().zip(plan) {
        merged.known += skip as u64;
        merged.stored += (run.events.len() - skip) as u64;
        if skip < run.events.len() {
            renew_if_own(replica, run.origin);
            push_run(replica, run, skip, now_nanos)?;
        }
    }
    Ok(merged)
}

/// Checks the whole delta before anything is staged. Gives for each run how many of its events
/// are held already.
fn plan(replica: &Replica, delta: &Delta<'_>) -> Result<Vec<usize>, WriteError> {
    let mut heads: BTreeMap<(&RootName, ReplicaId), Head> = BTreeMap::new();
    let mut plan = Vec::with_capacity(delta.runs.len());
    for run in &delta.runs {
        let key = (&run.root, run.origin);
        let head = match heads.get(&key) {
            Some(head) => *head,
            None => head_of(replica, &run.root, run.origin),
        };
        let skip = held_count(replica, run, head)?;
        if let Some(first) = run.events.get(skip) {
            if first.recorded <= head.recorded {
                return Err(CodecError::Bounds { field: "recorded" }.into());
            }
            let last = run.events[run.events.len() - 1];
            let seq = run.last_seq();
            heads.insert(key, Head { seq, chain: last.chain, recorded: last.recorded });
        }
        plan.push(skip);
    }
    Ok(plan)
}

/// How many of a run's events are held. Invariant 3: what is held has no hole. Invariant 2: what
/// is held is the same.
fn held_count(replica: &Replica, run: &Run<'_>, head: Head) -> Result<usize, WriteError> {
    if run.first_seq > head.seq + 1 {
        return Err(WriteError::Hole {
            root: run.root.clone(),
            origin: run.origin,
            held_seq: head.seq,
            held: replica.shared.state().version_vector(&run.root),
        });
    }
    let fork = |seq| WriteError::Fork { root: run.root.clone(), origin: run.origin, seq };
    let last = run.last_seq();
    if last < head.seq {
        let held = committed_chain(replica, run, last)?;
        if held.is_some_and(|held| held != run.events[run.events.len() - 1].chain) {
            return Err(fork(first_difference(replica, run)?));
        }
        return Ok(run.events.len());
    }
    let skip = usize::try_from(head.seq + 1 - run.first_seq).expect("no longer than the run");
    let theirs = if skip == 0 { run.chain_before } else { run.events[skip - 1].chain };
    if theirs == head.chain {
        return Ok(skip);
    }
    Err(fork(first_difference(replica, run)?))
}

/// The first seq of a run at which the event held here is another one.
fn first_difference(replica: &Replica, run: &Run<'_>) -> Result<u64, WriteError> {
    for (seq, event) in (run.first_seq..).zip(&run.events) {
        if committed_chain(replica, run, seq)?.is_some_and(|held| held != event.chain) {
            return Ok(seq);
        }
    }
    Ok(run.first_seq)
}

/// The chain behind a committed event; `None` if it is staged or not held.
fn committed_chain(
    replica: &Replica,
    run: &Run<'_>,
    seq: u64,
) -> Result<Option<ChainHash>, WriteError> {
    let (root, origin, held) = {
        let state = replica.shared.state();
        let names = &state.names;
        let numbers = names.root(&run.root).zip(names.origin(run.origin));
        let Some((root, origin)) = numbers else { return Ok(None) };
        (root, origin, state.heads.get(&(root, origin)).map_or(0, |head| head.seq))
    };
    if seq == 0 || seq > held {
        return Ok(None);
    }
    let view = View::open(&replica.shared)?;
    let at = view.run_of(root, origin, seq)?;
    Ok(Some(view.entry(at.position, |entry| entry.chain)?))
}

/// The last event of an origin, staged ones included.
fn head_of(replica: &Replica, root: &RootName, origin: ReplicaId) -> Head {
    let state = replica.shared.state();
    let staged = replica.staged.as_ref();
    let root_number = staged.map_or_else(
        || state.names.root(root),
        |staged| staged.find_root(state.names.root(root), root),
    );
    let origin_number = staged.map_or_else(
        || state.names.origin(origin),
        |staged| staged.find_origin(state.names.origin(origin), origin),
    );
    root_number
        .zip(origin_number)
        .and_then(|(root, origin)| {
            staged
                .and_then(|staged| staged.head(root, origin))
                .or_else(|| state.heads.get(&(root, origin)).copied())
        })
        .unwrap_or_else(|| Head {
            seq: 0,
            chain: ChainHash::genesis(root, origin),
            recorded: Hlc::ZERO,
        })
}

/// A peer knows more of this replica's own history than it does itself: the store was set back.
/// The id is given up, so that no dot names two events, and what was lost comes back as a
/// foreign origin's.
fn renew_if_own(replica: &mut Replica, origin: ReplicaId) {
    if origin == replica.id() {
        let fresh = ReplicaId::from_bytes((replica.random)());
        let former_count = replica.shared.state().former.len();
        replica.staged().renew(fresh, former_count);
    }
}

fn push_run(
    replica: &mut Replica,
    run: &Run<'_>,
    skip: usize,
    now_nanos: i64,
) -> Result<(), WriteError> {
    let (known_root, known_origin) = {
        let names = &replica.shared.state().names;
        (names.root(&run.root), names.origin(run.origin))
    };
    let root = replica.staged().root_number(known_root, &run.root);
    let origin = replica.staged().origin_number(known_origin, run.origin);
    for (seq, event) in (run.first_seq..).zip(&run.events).skip(skip) {
        let record = Record::decode(event.record)?;
        observe(replica, event, &record, now_nanos);
        let incoming = Incoming {
            root,
            origin,
            dot: Dot { origin: run.origin, seq },
            recorded: event.recorded,
            chain: event.chain,
            hash: RecordHash::of(event.record),
            bytes: event.record,
            indexed: Indexed::of(&record),
        };
        replica.staged().push(incoming, now_nanos);
    }
    let last = run.events[run.events.len() - 1];
    let head = Head { seq: run.last_seq(), chain: last.chain, recorded: last.recorded };
    replica.staged().set_head(root, origin, head);
    Ok(())
}

/// Lets the clock hear of an event, and counts what is odd about it. The event is kept anyway.
fn observe(replica: &mut Replica, event: &RunEvent<'_>, record: &Record<'_>, now_nanos: i64) {
    let suspect = replica.clock.observe(event.recorded, now_nanos) == Observation::Suspect;
    let latest = now_nanos.saturating_add(replica.options.future_nanos_max);
    let future = record.occurred.is_some_and(|occurred| occurred > latest);
    let counters = replica.staged().counters();
    counters.clock_suspect += u64::from(suspect);
    counters.future += u64::from(future);
}
