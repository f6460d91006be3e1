//! Events from other replicas.

use std::collections::BTreeMap;

use super::staged::Incoming;
use super::{Merged, MergedPage, Replica, WriteError, quarantine};
use crate::chain::ChainHash;
use crate::codec::CodecError;
use crate::delta::{Delta, Run, RunEvent};
use crate::event::Record;
use crate::fork::{Doubt, HeldBack, Keep};
use crate::hlc::{Hlc, Observation};
use crate::id::{Dot, ReplicaId, RootName};
use crate::prepared::Indexed;
use crate::renewal::RenewalReason;
use crate::shared::Head;
use crate::store::StoreError;
use crate::view::View;

/// Stages a delta, all of it or nothing. A fork's other branch goes into quarantine all the same.
pub(super) fn stage(
    replica: &mut Replica,
    delta: &Delta<'_>,
    now_nanos: i64,
) -> Result<Merged, WriteError> {
    follow(replica, delta, now_nanos)?;
    let plan = plan(replica, delta)?;
    let doubts = plan.iter().zip(&delta.runs).filter_map(|(planned, run)| match planned {
        Planned::Take { .. } => None,
        Planned::HoldBack(doubt) => Some((run, *doubt)),
    });
    let mut refusal = None;
    for (run, doubt) in doubts.collect::<Vec<_>>() {
        stage_doubt(replica, run, doubt)?;
        refusal.get_or_insert_with(|| refusal_of(replica, run, doubt));
    }
    if let Some(refusal) = refusal {
        return Err(refusal);
    }
    take(replica, delta, &plan, now_nanos)
}

/// Stages what can be taken of a page, and says what is held back.
pub(super) fn stage_page(
    replica: &mut Replica,
    delta: &Delta<'_>,
    now_nanos: i64,
) -> Result<MergedPage, WriteError> {
    follow(replica, delta, now_nanos)?;
    let plan = plan(replica, delta)?;
    let mut held_back = Vec::new();
    for (planned, run) in plan.iter().zip(&delta.runs) {
        let Planned::HoldBack(doubt) = planned else { continue };
        stage_doubt(replica, run, *doubt)?;
        let (root, origin, seq) = (run.root.clone(), run.origin, run.first_seq);
        held_back.push(HeldBack { root, origin, seq, reason: *doubt });
    }
    let merged = take(replica, delta, &plan, now_nanos)?;
    Ok(MergedPage { merged, held_back })
}

/// A run under the id that a branch held here would move to: somebody has resolved the fork and
/// moved that branch, so it is moved here as well.
fn follow(replica: &mut Replica, delta: &Delta<'_>, now_nanos: i64) -> Result<(), WriteError> {
    let found = {
        let state = replica.shared.state();
        if state.forks.is_empty() {
            return Ok(());
        }
        delta.runs.iter().find_map(|run| {
            let root = state.names.root(&run.root)?;
            let mut forks = state.forks.range((root, 0)..=(root, u32::MAX));
            let (&(_, origin), _) = forks.find(|(_, fork)| fork.ours == Some(run.origin))?;
            Some((run.root.clone(), state.names.origin_id(origin)?))
        })
    };
    let Some((root, origin)) = found else { return Ok(()) };
    if replica.staged.is_some() {
        return Err(WriteError::Uncommitted);
    }
    super::resolve::resolve(replica, &root, origin, Keep::Theirs, now_nanos)?;
    Ok(())
}

fn refusal_of(replica: &Replica, run: &Run<'_>, doubt: Doubt) -> WriteError {
    let (root, origin) = (run.root.clone(), run.origin);
    match doubt {
        Doubt::Fork { seq, .. } => WriteError::Fork { root, origin, seq },
        Doubt::Hole { held_seq } => {
            let held = replica.shared.state().version_vector(&root);
            WriteError::Hole { root, origin, held_seq, held }
        }
        _ => CodecError::Bounds { field: "recorded" }.into(),
    }
}

/// A fork is marked, and a fork of this replica's own history ends that history.
fn stage_doubt(replica: &mut Replica, run: &Run<'_>, doubt: Doubt) -> Result<(), WriteError> {
    if let Doubt::Fork { seq, is_located } = doubt {
        quarantine::stage(replica, run, seq, is_located)?;
        renew_if_own(replica, run.origin, RenewalReason::Forked, (&run.root, seq));
    }
    Ok(())
}

fn take(
    replica: &mut Replica,
    delta: &Delta<'_>,
    plan: &[Planned],
    now_nanos: i64,
) -> Result<Merged, WriteError> {
    let mut merged = Merged::default();
    for (run, planned) in delta.runs.iter().zip(plan) {
        let Planned::Take { skip } = *planned else { continue };
        merged.known += skip as u64;
        merged.stored += (run.events.len() - skip) as u64;
        if skip < run.events.len() {
            let lost = run.first_seq + skip as u64;
            renew_if_own(replica, run.origin, RenewalReason::PeerHasMore, (&run.root, lost));
            push_run(replica, run, skip, now_nanos)?;
        }
        quarantine::release(replica, run)?;
    }
    Ok(merged)
}

/// What becomes of a run.
#[derive(Clone, Copy, Debug)]
enum Planned {
    /// Its first `skip` events are held, the others are taken.
    Take { skip: usize },
    /// Nothing of it is taken.
    HoldBack(Doubt),
}

/// Checks the whole delta before anything is staged.
fn plan(replica: &Replica, delta: &Delta<'_>) -> Result<Vec<Planned>, WriteError> {
    let mut heads: BTreeMap<(&RootName, ReplicaId), Head> = BTreeMap::new();
    let mut plan = Vec::with_capacity(delta.runs.len());
    for run in &delta.runs {
        let key = (&run.root, run.origin);
        let head = match heads.get(&key) {
            Some(head) => *head,
            None => head_of(replica, &run.root, run.origin),
        };
        let planned = plan_run(replica, run, head)?;
        if let Planned::Take { skip } = planned
            && skip < run.events.len()
        {
            let last = run.events[run.events.len() - 1];
            let seq = run.last_seq();
            heads.insert(key, Head { seq, chain: last.chain, recorded: last.recorded });
        }
        plan.push(planned);
    }
    Ok(plan)
}

/// How much of a run is held, and whether the rest may be taken. Invariant 3: what is held has no
/// hole. Invariant 2: what is held is the same.
fn plan_run(replica: &Replica, run: &Run<'_>, head: Head) -> Result<Planned, WriteError> {
    if run.first_seq > head.seq + 1 {
        return Ok(Planned::HoldBack(Doubt::Hole { held_seq: head.seq }));
    }
    let last = run.last_seq();
    if last < head.seq {
        let held = committed_chain(replica, run, last)?.ok_or(WriteError::Uncommitted)?;
        if held != run.events[run.events.len() - 1].chain {
            return Ok(Planned::HoldBack(first_difference(replica, run, head)?));
        }
        return Ok(Planned::Take { skip: run.events.len() });
    }
    let skip = usize::try_from(head.seq + 1 - run.first_seq).expect("no longer than the run");
    let theirs = if skip == 0 { run.chain_before } else { run.events[skip - 1].chain };
    if theirs != head.chain {
        return Ok(Planned::HoldBack(first_difference(replica, run, head)?));
    }
    let Some(first) = run.events.get(skip) else { return Ok(Planned::Take { skip }) };
    if let Some(fork) = quarantine::fork_of(replica, run) {
        // It goes on with the branch that is held here, but an operator has to decide first.
        let is_located = false;
        return Ok(Planned::HoldBack(Doubt::Fork { seq: fork.seq, is_located }));
    }
    if first.recorded <= head.recorded {
        return Ok(Planned::HoldBack(Doubt::Stamps));
    }
    Ok(Planned::Take { skip })
}

/// The first event of a run that is another one here. It is where the histories part if the one
/// before it is the same.
fn first_difference(replica: &Replica, run: &Run<'_>, head: Head) -> Result<Doubt, WriteError> {
    let before = committed_chain(replica, run, run.first_seq - 1)?;
    if before.is_none() && run.first_seq > 1 {
        return Err(WriteError::Uncommitted);
    }
    let mut is_located = before.is_none_or(|before| before == run.chain_before);
    for (seq, event) in (run.first_seq..=head.seq).zip(&run.events) {
        // What is staged may still fail to be committed, so it proves nothing.
        let held = committed_chain(replica, run, seq)?.ok_or(WriteError::Uncommitted)?;
        if held != event.chain {
            return Ok(Doubt::Fork { seq, is_located });
        }
        is_located = true;
    }
    // It follows directly on what is held, and on something else.
    Ok(Doubt::Fork { seq: run.first_seq - 1, is_located: false })
}

/// The chain behind a committed event; `None` if it is staged or not held.
pub(super) fn committed_chain(
    replica: &Replica,
    run: &Run<'_>,
    seq: u64,
) -> Result<Option<ChainHash>, StoreError> {
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
/// foreign origin's. `at` is the first event that is not this store's, in the root where that
/// showed.
fn renew_if_own(
    replica: &mut Replica,
    origin: ReplicaId,
    reason: RenewalReason,
    at: (&RootName, u64),
) {
    if origin == replica.id() {
        let fresh = ReplicaId::from_bytes((replica.random)());
        let (former_count, ends) = {
            let state = replica.shared.state();
            (state.former.len(), state.ends_of(origin))
        };
        replica.staged().renew(fresh, former_count, from_there(ends, at), reason);
    }
}

/// Where an id was given up: behind what is held, but in one root.
pub(super) fn from_there(
    mut ends: Vec<(RootName, u64)>,
    (root, seq): (&RootName, u64),
) -> Vec<(RootName, u64)> {
    // Before the others: it is what the rest follows from.
    ends.retain(|(other, _)| other != root);
    ends.insert(0, (root.clone(), seq));
    ends
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
            bytes: event.record,
            indexed: Indexed::known(&record, event.hash, event.is_readable),
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
    let future = record.kept_occurred() > latest || event.recorded > Hlc::from_unix_nanos(latest);
    let counters = replica.staged().counters();
    counters.clock_suspect += u64::from(suspect);
    counters.future += u64::from(future);
}
