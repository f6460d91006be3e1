//! A feed is the set difference, in clock order, page by page.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use laterbase_core::cursor::FeedCursor;
use laterbase_core::delta::Delta;
use laterbase_core::id::{ReplicaId, RootName};
use laterbase_core::limits::BATCH_BYTES_MAX;
use laterbase_core::reader::{FeedFrom, Reader};
use laterbase_core::version_vector::VersionVector;

use super::Fresh;
use super::cast::{Cast, Seen, feed, see};
use crate::simulator::dice::Dice;

/// A feed is exactly what is held and not covered by the caller's vv, backdated events included.
/// What is held is read off the arrival log, which no vv is needed for.
///
/// # Panics
/// If an event is missing or too much.
pub fn the_feed_is_the_set_difference(fresh: &Fresh<'_>, seed: u64) {
    let mut cast = Cast::mixed(fresh, seed, 3, 40);
    let reader = cast.replicas[0].reader();
    for root in &cast.roots {
        for _ in 0..8 {
            let vv = random_vv(&reader, root, &mut cast.dice);
            let mut expected = held(&reader, root);
            expected.retain(|(dot, ..)| dot.seq > vv.get(&dot.origin));
            let fed: BTreeSet<Seen> = feed(&reader, root, &vv).into_iter().collect();
            assert_eq!(fed, expected, "the feed of {root} for {vv:?}");
        }
    }
}

/// Along a feed stamps never fall, and each origin's seqs go on from the caller's vv one by one.
///
/// # Panics
/// If it is not so.
pub fn the_feed_is_in_clock_order_without_holes(fresh: &Fresh<'_>, seed: u64) {
    let mut cast = Cast::mixed(fresh, seed, 3, 40);
    let reader = cast.replicas[1].reader();
    for root in &cast.roots {
        let vv = random_vv(&reader, root, &mut cast.dice);
        let fed = feed(&reader, root, &vv);
        assert!(
            fed.is_sorted_by_key(|(dot, recorded, _)| (*recorded, dot.origin)),
            "stamps never fall along the feed of {root}"
        );
        let mut reached = vv.clone();
        for (dot, ..) in fed {
            assert_eq!(dot.seq, reached.get(&dot.origin) + 1, "no hole before {dot} in {root}");
            reached.set(dot.origin, dot.seq);
        }
    }
}

/// A reader that is cut off anywhere, and comes back with nothing but the vv of its last page,
/// gets the feed of one big page: nothing twice, nothing left out. So does one that takes deltas.
///
/// # Panics
/// If an event is lost or doubled, or `more` is wrong.
pub fn pages_cut_anywhere_lose_and_double_nothing(fresh: &Fresh<'_>, seed: u64) {
    let mut cast = Cast::mixed(fresh, seed, 3, 40);
    let reader = cast.replicas[2].reader();
    for root in &cast.roots {
        let vv = random_vv(&reader, root, &mut cast.dice);
        let whole = feed(&reader, root, &vv);
        let paged = read_in_pieces(&reader, root, &vv, &mut cast.dice);
        assert_eq!(paged, whole, "the feed of {root} for {vv:?} in pages");
        let mut delivered = take_in_deltas(&reader, root, &vv, &mut cast.dice);
        delivered.sort_by_key(|(dot, recorded, _)| (*recorded, dot.origin));
        assert_eq!(delivered, whole, "the deltas of {root} for {vv:?}");
    }
}

/// A reader that goes on by the short cursors of pages and of events, while its replica writes and
/// hears of others, gets everything that it said it lacked exactly once, however early its place
/// in feed order is: pages are lost and asked for again, and cut anywhere.
///
/// # Panics
/// If an event is lost or doubled, or a cursor is longer than it may be.
pub fn a_feed_followed_by_its_cursor_gives_everything_once(fresh: &Fresh<'_>, seed: u64) {
    let mut cast = Cast::mixed(fresh, seed, 4, 40);
    let reader = cast.replicas[0].reader();
    let root = cast.dice.pick(&cast.roots).clone();
    let vv = random_vv(&reader, &root, &mut cast.dice);
    let (mut taken, mut after) = (Vec::new(), None);
    let mut changes = cast.dice.count(0, 30);
    loop {
        let page = follow(&reader, &root, &vv, after.as_ref(), &mut cast.dice);
        // What changes now is behind the page, so it is not the last one.
        let is_changing = changes > 0 && cast.dice.chance(600);
        if is_changing {
            changes -= 1;
            change(&mut cast);
        }
        if cast.dice.chance(150) {
            // Its answer was lost.
            continue;
        }
        taken.extend(page.taken);
        let text = page.after.to_string();
        assert!(text.len() <= FeedCursor::TEXT_BYTES_MAX, "{text}");
        after = Some(FeedCursor::parse(&root, &text).expect("it can be sent back"));
        if !page.more && changes == 0 && !is_changing {
            break;
        }
        changes -= usize::from(!page.more && changes > 0);
    }
    let mut expected = held(&reader, &root);
    expected.retain(|(dot, ..)| dot.seq > vv.get(&dot.origin));
    let count = taken.len();
    let taken: BTreeSet<Seen> = taken.into_iter().collect();
    assert_eq!(taken.len(), count, "nothing of {root} comes twice for {vv:?}");
    assert_eq!(taken, expected, "the feed of {root} for {vv:?}");
}

/// The replica writes, or hears of another one what may be old.
fn change(cast: &mut Cast) {
    let others = cast.replicas.len() - 1;
    let (other, writer) = (1 + cast.dice.index(others), 1 + cast.dice.index(others));
    match cast.dice.below(3) {
        0 => drop(cast.write(0)),
        1 => cast.hear(0, other),
        _ => {
            cast.write(writer);
            cast.hear(0, writer);
        }
    }
}

/// A page as far as its reader came.
struct Followed {
    taken: Vec<Seen>,
    after: FeedCursor,
    more: bool,
}

fn follow(
    reader: &Reader,
    root: &RootName,
    vv: &VersionVector,
    after: Option<&FeedCursor>,
    dice: &mut Dice,
) -> Followed {
    let from = after.map_or(FeedFrom::Holding(vv), FeedFrom::After);
    let (limit, cut) = (dice.count(1, 12), dice.count(1, 24));
    let (mut taken, mut cut_at) = (Vec::new(), None);
    let page = if dice.chance(300) {
        let bytes_max = *dice.pick(&[1, 400, 1_500, BATCH_BYTES_MAX]);
        let page = reader.follow_delta(root, from, limit, bytes_max).expect("the store works");
        let (bytes, page) = page.expect("the cursor is of this log");
        let delta = Delta::decode(&bytes).expect("what a replica made is well-formed");
        for run in &delta.runs {
            for (seq, event) in (run.first_seq..).zip(&run.events) {
                let dot = laterbase_core::id::Dot { origin: run.origin, seq };
                taken.push((dot, event.recorded, event.record.to_vec()));
            }
        }
        page
    } else {
        let page = reader.follow(root, from, limit, &mut |event, behind| {
            if cut_at.is_none() {
                taken.push(see(event.dot, event.recorded, &event.record));
                cut_at = (taken.len() == cut).then(|| behind.cursor()).flatten();
            }
            ControlFlow::Continue(())
        });
        let page = page.expect("the store works").expect("the cursor is of this log");
        assert!(
            taken.is_sorted_by_key(|(dot, recorded, _)| (*recorded, dot.origin)),
            "stamps never fall along a page of {root}"
        );
        page
    };
    let is_cut = cut_at.is_some();
    let after = cut_at.or(page.after).expect("a few origins fit into a cursor");
    Followed { taken, after, more: page.more || is_cut }
}

fn read_in_pieces(
    reader: &Reader,
    root: &RootName,
    vv: &VersionVector,
    dice: &mut Dice,
) -> Vec<Seen> {
    let mut taken = Vec::new();
    let mut vv = vv.clone();
    loop {
        let before = taken.len();
        let cut = dice.count(1, 12);
        let limit = dice.count(1, 12);
        let page = reader.feed(root, &vv, limit, &mut |event| {
            taken.push(see(event.dot, event.recorded, &event.record));
            if taken.len() - before == cut {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        let page = page.expect("the store works");
        assert_eq!(page.events, taken.len() - before, "a page counts what it delivers");
        vv = page.vv;
        if !page.more {
            return taken;
        }
        assert!(page.events > 0, "a page delivers something as long as there is more");
    }
}

fn take_in_deltas(
    reader: &Reader,
    root: &RootName,
    vv: &VersionVector,
    dice: &mut Dice,
) -> Vec<Seen> {
    let mut taken = Vec::new();
    let mut vv = vv.clone();
    loop {
        let bytes_max = *dice.pick(&[1, 400, 1_500, BATCH_BYTES_MAX]);
        let page = reader.delta(root, &vv, dice.count(1, 12), bytes_max).expect("the store works");
        let delta = Delta::decode(&page.bytes).expect("what a replica made is well-formed");
        assert_eq!(page.events, delta.event_count(), "a page counts what it delivers");
        for run in &delta.runs {
            assert_eq!(run.first_seq, vv.get(&run.origin) + 1, "a run goes on from the vv");
            for (seq, event) in (run.first_seq..).zip(&run.events) {
                let dot = laterbase_core::id::Dot { origin: run.origin, seq };
                taken.push((dot, event.recorded, event.record.to_vec()));
            }
        }
        vv = page.vv;
        if !page.more {
            return taken;
        }
    }
}

/// All events of a root, read off the arrival log.
fn held(reader: &Reader, wanted: &RootName) -> BTreeSet<Seen> {
    let mut held = BTreeSet::new();
    reader
        .arrivals(0, usize::MAX, &mut |root, event| {
            if root == wanted {
                held.insert(see(event.dot, event.recorded, &event.record));
            }
            ControlFlow::Continue(())
        })
        .expect("the store works");
    held
}

/// A vv that covers any part of what is held, now and then more than that, and strangers.
fn random_vv(reader: &Reader, root: &RootName, dice: &mut Dice) -> VersionVector {
    let mut vv = VersionVector::new();
    for (origin, seq) in reader.version_vector(root).iter() {
        vv.set(origin, dice.between(0, seq + 1));
    }
    if dice.chance(300) {
        vv.set(ReplicaId::from_bytes(dice.bytes()), dice.between(1, 9));
    }
    vv
}
