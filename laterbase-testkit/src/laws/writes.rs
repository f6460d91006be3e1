//! What is refused leaves no trace, what is repeated is recognised, what is acknowledged stays.

use std::sync::Arc;

use laterbase_core::delta::Delta;
use laterbase_core::replica::{Replica, WriteError};

use super::Fresh;
use super::cast::{Cast, Draft, Picture, SECOND, START, append, feed, open};
use laterbase_core::version_vector::VersionVector;

/// A delta that would leave a hole is refused with the receiver's vv, and nothing of it is
/// stored, also of the runs in it that would have fitted.
///
/// # Panics
/// If it is taken, or leaves a trace.
pub fn a_delta_with_a_hole_is_refused_whole(fresh: &Fresh<'_>, seed: u64) {
    let mut cast = Cast::mixed(fresh, seed, 3, 40);
    let now = cast.now;
    let mut refused = 0;
    for root in cast.roots.clone() {
        let reader = cast.replicas[0].reader();
        for (origin, seq) in reader.version_vector(&root).iter() {
            let held = cast.replicas[1].reader().version_vector(&root);
            let first_lacking = held.get(&origin) + 1;
            if seq <= first_lacking {
                continue;
            }
            // Made for one who claims to hold at least one event more of this origin.
            let mut claimed = held.clone();
            claimed.set(origin, cast.dice.between(first_lacking, seq - 1));
            let page = reader.delta(&root, &claimed, usize::MAX, usize::MAX);
            let bytes = page.expect("the store works").bytes;
            let before = (Picture::of(&cast.replicas[1]), cast.replicas[1].reader().head());
            let delta = Delta::decode(&bytes).expect("what a replica made is well-formed");
            let answer = cast.replicas[1].merge(&delta, now);
            let Err(WriteError::Hole { held: told, .. }) = answer else {
                panic!("a hole after {origin}-{} was answered with {answer:?}", first_lacking - 1)
            };
            assert_eq!(told, held, "the refusal says what is held");
            let after = (Picture::of(&cast.replicas[1]), cast.replicas[1].reader().head());
            assert_eq!(after, before, "nothing of it is stored");
            refused += 1;
        }
    }
    assert!(refused > 0 || seed != 0, "the first case must have a hole to try");
}

/// A write that is repeated with its key is answered with the first one's ids and stores nothing;
/// the key with another content is refused. It holds before and after flush and restart.
///
/// # Panics
/// If it is not so.
pub fn an_idempotency_key_is_replayed(fresh: &Fresh<'_>, seed: u64) {
    let store = fresh();
    let mut cast = Cast::new(fresh, seed, 0);
    let mut replica = Some(open(Arc::clone(&store), &mut cast.dice));
    let mut written = Vec::new();
    for step in 0..24 {
        let replica_now = restart_or_flush(&mut replica, &store, &mut cast);
        let root = cast.dice.pick(&cast.roots).clone();
        let mut draft = Draft::random(&mut cast.dice, START);
        draft.key = Some(format!("key {step}"));
        let first = append(replica_now, &root, std::slice::from_ref(&draft), START);
        let first = first.expect("a new key is taken");
        assert!(!first.replayed, "a new key is no replay");
        written.push((root, draft, first.dots[0]));
        let (root, draft, dot) = cast.dice.pick(&written).clone();
        let head = replica_now.reader().head();
        let again = append(replica_now, &root, &[draft.clone(), draft.clone()], START + SECOND);
        let again = again.expect("a replay is taken");
        assert!(again.replayed, "the key {:?} is known", draft.key);
        assert_eq!(again.dots, [dot, dot], "a replay is answered with the original");
        let occurred = draft.occurred.map_or(Some(START), |_| None);
        let moved = Draft { occurred, ..draft.clone() };
        let conflict = append(replica_now, &root, &[moved], START);
        assert!(
            matches!(conflict, Err(WriteError::KeyConflict { index: 0, .. })),
            "the key with another time was answered with {conflict:?}"
        );
        let other = Draft { data: "\"other\"".to_owned(), ..draft.clone() };
        let good = Draft { key: None, ..draft };
        let conflict = append(replica_now, &root, &[good, other], START);
        let conflicting = matches!(conflict, Err(WriteError::KeyConflict { index: 1, holder: Some(ref holder) }) if holder.event.dot == dot);
        assert!(conflicting, "the key with another content was answered with {conflict:?}");
        assert_eq!(replica_now.reader().head(), head, "neither stores anything");
    }
}

fn restart_or_flush<'r>(
    replica: &'r mut Option<Replica>,
    store: &Arc<dyn laterbase_core::store::Store>,
    cast: &mut Cast,
) -> &'r mut Replica {
    match cast.dice.below(4) {
        0 => *replica = None,
        1 => {
            let flushed = replica.as_ref().map(|replica| replica.maintenance().flush());
            flushed.unwrap_or(Ok(())).expect("the store works");
        }
        _ => {}
    }
    replica.get_or_insert_with(|| open(Arc::clone(store), &mut cast.dice))
}

/// A replica that is dropped at any moment and opened again, with a wall clock that may have been
/// set back, is as it was: same id, same events, same states. Its stamps go on rising.
///
/// # Panics
/// If it is not so.
pub fn a_crash_changes_nothing_acknowledged(fresh: &Fresh<'_>, seed: u64) {
    let store = fresh();
    let mut cast = Cast::mixed(fresh, seed, 2, 12);
    let mut replica = open(Arc::clone(&store), &mut cast.dice);
    for _ in 0..8 {
        for _ in 0..cast.dice.count(0, 4) {
            cast.replicas.push(replica);
            match cast.dice.below(3) {
                0 => cast.hear(2, 0),
                1 => cast.hear(2, 1),
                _ => drop(cast.write(2)),
            }
            replica = cast.replicas.pop().expect("just pushed");
        }
        if cast.dice.chance(300) {
            replica.maintenance().flush().expect("the store works");
        }
        let before = (Picture::of(&replica), replica.reader().head(), replica.id());
        // Staged and never committed: a crash takes it, and nobody was told otherwise.
        replica.remember(b"staged", b"and lost");
        drop(replica);
        replica = open(Arc::clone(&store), &mut cast.dice);
        let after = (Picture::of(&replica), replica.reader().head(), replica.id());
        assert_eq!(after, before, "the same after the crash");
        let lost = replica.reader().recall(b"staged").expect("the store works");
        assert_eq!(lost, None, "what was not committed is not there");
        check_stamps_rise(&mut cast, &mut replica);
    }
}

/// Writes with the wall clock an hour back: the new stamp is behind every earlier own one.
fn check_stamps_rise(cast: &mut Cast, replica: &mut Replica) {
    let root = cast.dice.pick(&cast.roots).clone();
    let newest_own = |replica: &Replica| {
        let fed = feed(&replica.reader(), &root, &VersionVector::new());
        fed.into_iter().rfind(|(dot, ..)| dot.origin == replica.id())
    };
    let before = newest_own(replica);
    let draft = Draft { occurred: None, ..Draft::random(&mut cast.dice, START) };
    let dots = append(replica, &root, &[draft], START - 3_600 * SECOND).expect("taken").dots;
    let after = newest_own(replica).expect("just written");
    assert_eq!(after.0, dots[0], "the newest own event is the last in the feed");
    let seq_before = before.as_ref().map_or(0, |(dot, ..)| dot.seq);
    assert_eq!(after.0.seq, seq_before + 1, "seqs go on");
    assert!(before.is_none_or(|(_, recorded, _)| recorded < after.1), "stamps rise");
}
