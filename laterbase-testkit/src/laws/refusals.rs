//! What is refused leaves no trace: not an event, and not a byte of the truth.

use std::ops::ControlFlow;
use std::sync::Arc;

use laterbase_core::delta::Delta;
use laterbase_core::fork::Keep;
use laterbase_core::id::{ReplicaId, RootName};
use laterbase_core::replica::{Replica, WriteError};
use laterbase_core::store::{Area, Scan, Store, Table};
use laterbase_core::version_vector::VersionVector;
use laterbase_core::{Precondition, PreparedBatch};

use super::Fresh;
use super::cast::{Draft, START, append, folds, open, root};
use crate::simulator::dice::Dice;

/// Further ahead than a write may say that something happens.
const FAR_AHEAD: i64 = START + 3_600_000_000_000;

/// Two replicas are told the same, one of them a lot of nonsense in between, in commits of its own
/// and in those of good writes: the truth in their stores is the same, byte for byte.
///
/// # Panics
/// If it is not, or if nonsense is not refused.
pub fn a_refused_write_leaves_no_trace(fresh: &Fresh<'_>, seed: u64) {
    let mut dice = Dice::new(seed);
    let (tried_store, plain_store) = (fresh(), fresh());
    let mut same = dice.split();
    let mut plain = open(Arc::clone(&plain_store), &mut same.clone());
    let mut tried = Trial {
        replica: open(Arc::clone(&tried_store), &mut same),
        peer: open(fresh(), &mut dice),
        held: Vec::new(),
        staged: Vec::new(),
        step: 0,
    };
    for step in 0..40 {
        tried.step = step;
        for _ in 0..dice.count(0, 3) {
            for _ in 0..dice.count(0, 2) {
                tried.refuse(&mut dice);
            }
            let name = if dice.chance(500) { "a" } else { "b" };
            let (root, draft) = (root(name), keyed_draft(&mut dice, step));
            for replica in [&mut tried.replica, &mut plain] {
                let batch = batch_of(&root, std::slice::from_ref(&draft));
                replica.stage_append(&batch, START).expect("a good write is taken");
            }
            tried.staged.push((root, draft));
        }
        for _ in 0..dice.count(1, 3) {
            tried.refuse(&mut dice);
        }
        tried.replica.commit().expect("the store works");
        plain.commit().expect("the store works");
        tried.held.append(&mut tried.staged);
        assert!(truth(&*tried_store) == truth(&*plain_store), "a trace is left in step {step}");
    }
}

/// A write of each event for itself comes to what a write of those that are not refused comes to.
///
/// # Panics
/// If it does not.
pub fn the_good_events_are_taken_where_each_is_judged_for_itself(fresh: &Fresh<'_>, seed: u64) {
    let mut dice = Dice::new(seed);
    let (tried_store, plain_store) = (fresh(), fresh());
    let mut same = dice.split();
    let mut plain = open(Arc::clone(&plain_store), &mut same.clone());
    let mut tried = open(Arc::clone(&tried_store), &mut same);
    let mut held: Vec<Draft> = Vec::new();
    let root = root("a");
    for step in 0..12 {
        let mut drafts: Vec<(Draft, bool)> = Vec::new();
        for index in 0..dice.count(1, 8) {
            let mut draft = keyed_draft(&mut dice, step);
            draft.key = Some(format!("key {step}.{index}"));
            let is_good = match dice.below(4) {
                0 => {
                    draft.occurred = Some(FAR_AHEAD);
                    false
                }
                1 if !held.is_empty() => {
                    draft.key.clone_from(&dice.pick(&held).key);
                    draft.data = "\"another\"".to_owned();
                    false
                }
                2 if !held.is_empty() => {
                    draft = dice.pick(&held).clone();
                    true
                }
                _ => true,
            };
            drafts.push((draft, is_good));
        }
        let all: Vec<Draft> = drafts.iter().map(|(draft, _)| draft.clone()).collect();
        let good: Vec<Draft> =
            drafts.iter().filter(|(_, is_good)| *is_good).map(|(draft, _)| draft.clone()).collect();
        let each = tried.stage_append_each(&batch_of(&root, &all), START);
        let each = each.expect("the good ones are taken");
        tried.commit().expect("the store works");
        let whole = append(&mut plain, &root, &good, START).expect("all are good");
        let dots: Vec<_> = each.dots.iter().copied().flatten().collect();
        assert_eq!((dots, each.replayed), (whole.dots, whole.replayed && !good.is_empty()));
        let refused: Vec<usize> = each.refused.iter().map(|(index, _)| *index).collect();
        let bad = drafts.iter().enumerate().filter(|(_, (_, is_good))| !is_good);
        assert_eq!(refused, bad.map(|(index, _)| index).collect::<Vec<_>>());
        assert!(truth(&*tried_store) == truth(&*plain_store), "another truth in step {step}");
        held.extend(good);
    }
}

/// A replica that is told nonsense, and what it holds that the nonsense is about.
struct Trial {
    replica: Replica,
    peer: Replica,
    /// Committed writes, each with a key of its own.
    held: Vec<(RootName, Draft)>,
    /// The same, staged.
    staged: Vec<(RootName, Draft)>,
    step: usize,
}

impl Trial {
    /// Tries one write that must be refused, or that is answered without anything being stored.
    fn refuse(&mut self, dice: &mut Dice) {
        let new = root(&format!("new-{}", dice.below(1_000)));
        let good = keyed_draft(dice, self.step);
        let key = good.key.clone();
        let plain = Draft { key: None, ..good.clone() };
        let ahead = Draft { occurred: Some(FAR_AHEAD), ..good.clone() };
        let other = Draft { data: "\"another\"".to_owned(), ..good.clone() };
        let stage = |replica: &mut Replica, root: &RootName, drafts: &[Draft]| {
            replica.stage_append(&batch_of(root, drafts), START)
        };
        let known = self.known(dice);
        let replica = &mut self.replica;
        match dice.below(9) {
            0 => {
                let drafts = [plain, Draft { key, ..ahead }];
                let answer = stage(replica, &new, &drafts);
                assert!(matches!(answer, Err(WriteError::Future { index: 1 })), "{answer:?}");
            }
            1 => {
                let answer = stage(replica, &new, &[good, other]);
                assert!(matches!(answer, Err(WriteError::KeyConflict { .. })), "{answer:?}");
            }
            2 => {
                let Some((root, draft)) = known else { return };
                let other = Draft { data: "\"another\"".to_owned(), ..draft };
                let answer = stage(replica, &root, &[plain, other]);
                assert!(matches!(answer, Err(WriteError::KeyConflict { .. })), "{answer:?}");
            }
            3 => {
                // Fewer or more events under the key of a whole request.
                let Some((root, Draft { key: Some(key), .. })) = known else { return };
                let mut batch = PreparedBatch::with_key(root, folds(), START, &key);
                for _ in 0..2 {
                    batch.push(&plain.record()).expect("a good event");
                }
                let answer = replica.stage_append(&batch, START);
                assert!(matches!(answer, Err(WriteError::KeyConflict { .. })), "{answer:?}");
            }
            4 => {
                let mut batch = batch_of(&new, &[good]);
                batch.require(Precondition::Present).expect("of one aggregate");
                let answer = replica.stage_append(&batch, START);
                assert!(matches!(answer, Err(WriteError::Precondition { .. })), "{answer:?}");
            }
            5 => self.refuse_page(dice),
            6 => {
                let (id, keep) = (ReplicaId::from_bytes([9; 16]), Keep::Ours);
                if self.staged.is_empty() {
                    let answer = replica.resolve(&new, id, keep, START);
                    assert!(matches!(answer, Err(WriteError::NoFork { .. })), "{answer:?}");
                }
            }
            7 => {
                let each = replica.stage_append_each(&batch_of(&new, &[ahead]), START);
                let refused = each.expect("each is answered for itself").refused;
                assert!(matches!(refused[..], [(0, WriteError::Future { index: 0 })]));
            }
            _ => {
                stage(replica, &new, &[]).expect("nothing is as good as done");
                let Some((root, draft)) = known else { return };
                let again = stage(replica, &root, &[draft]).expect("a repeat is answered");
                assert!(again.replayed);
            }
        }
    }

    fn known(&self, dice: &mut Dice) -> Option<(RootName, Draft)> {
        let known: Vec<_> = self.held.iter().chain(&self.staged).collect();
        (!known.is_empty()).then(|| (*dice.pick(&known)).clone())
    }

    /// A page of a new origin, in a new root, that leaves a hole.
    fn refuse_page(&mut self, dice: &mut Dice) {
        let root = root(&format!("page-{}", dice.below(1_000)));
        for _ in 0..3 {
            let draft = keyed_draft(dice, self.step);
            append(&mut self.peer, &root, &[Draft { key: None, ..draft }], START).expect("good");
        }
        let mut vv = VersionVector::new();
        vv.set(self.peer.id(), 1);
        let page = self.peer.reader().delta(&root, &vv, 10, usize::MAX).expect("a page").bytes;
        let delta = Delta::decode(&page).expect("a good page");
        let answer = self.replica.stage_merge(&delta, START);
        assert!(matches!(answer, Err(WriteError::Hole { .. })), "{answer:?}");
    }
}

/// An event that no other is like, with a key.
fn keyed_draft(dice: &mut Dice, step: usize) -> Draft {
    let mut draft = Draft::random(dice, START);
    draft.key = Some(format!("key {step} {}", dice.roll()));
    draft
}

fn batch_of(root: &RootName, drafts: &[Draft]) -> PreparedBatch {
    let mut batch = PreparedBatch::new(root.clone(), folds(), START);
    for draft in drafts {
        batch.push(&draft.record()).expect("a good event");
    }
    batch
}

/// Every key and value of the truth.
fn truth(store: &dyn Store) -> Vec<(Table, Vec<u8>, Vec<u8>)> {
    let snapshot = store.snapshot().expect("the store works");
    let mut found = Vec::new();
    for table in Table::ALL.into_iter().filter(|table| table.area() == Area::Truth) {
        let read = snapshot.scan(Scan::all(table), &mut |key, value| {
            // Two stores live at two places.
            if (table, key) != (Table::Meta, b"home") {
                found.push((table, key.to_vec(), value.to_vec()));
            }
            ControlFlow::Continue(())
        });
        read.expect("the store works");
    }
    found
}
