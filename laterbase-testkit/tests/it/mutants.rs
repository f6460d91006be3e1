//! The test of the test: every mistake must make a clause fail.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::path::Path;
use std::sync::atomic::Ordering;

use laterbase_core::memory_store::MemoryStore;
use laterbase_core::store::Durability;
use laterbase_directory::OpenError;
use laterbase_testkit::conformance::{self, Harness, Verdict};
use tempfile::TempDir;

use crate::mutant_store::{Mistake, MutantStore};

/// What a store with a mistake holds when it is full, in batches.
const ENTRIES_MAX: usize = 10;

trait Mistaken {
    const MISTAKE: Mistake;
}

struct MutantHarness<M> {
    store: RefCell<MemoryStore>,
    directory: TempDir,
    mistake: PhantomData<Cell<M>>,
}

impl<M: Mistaken> Harness for MutantHarness<M> {
    type Store = MutantStore;

    fn fresh() -> Self {
        let (store, directory) = (MemoryStore::new().into(), TempDir::new().unwrap());
        Self { store, directory, mistake: PhantomData }
    }

    fn open_with(&self, durability: Durability) -> Result<MutantStore, OpenError> {
        if M::MISTAKE == Mistake::ForgetsOnReopening {
            self.store.replace(MemoryStore::new());
        }
        let reopened = self.store.borrow().reopen_with(durability);
        Ok(MutantStore::new(M::MISTAKE, reopened))
    }

    fn open_bounded(&self, _bytes_max: u64) -> Option<Result<MutantStore, OpenError>> {
        Some(self.open().map(|store| store.bounded(ENTRIES_MAX)))
    }

    fn directory(&self) -> Option<&Path> {
        (M::MISTAKE == Mistake::DirectoryIgnored).then_some(self.directory.path())
    }

    fn fail_next_commit(store: &MutantStore) -> bool {
        store.failing.store(1, Ordering::SeqCst);
        true
    }
}

macro_rules! mistakes {
    ($($test:ident: $mistake:ident => $($clause:ident)+;)+) => {
        $(
            mod $test {
                struct Tag;

                impl super::Mistaken for Tag {
                    const MISTAKE: super::Mistake = super::Mistake::$mistake;
                }

                $(
                    #[test]
                    #[should_panic]
                    fn $clause() {
                        super::conformance::$clause::<super::MutantHarness<Tag>>();
                    }
                )+
            }
        )+
    };
}

mistakes! {
    shorter_keys_first: ShorterKeysFirst => keys_sort_by_their_bytes;
    end_inclusive: EndInclusive => every_range_is_that_of_a_sorted_map;
    start_exclusive: StartExclusive => every_range_is_that_of_a_sorted_map;
    backward_one_off: BackwardOneOff => every_range_is_that_of_a_sorted_map;
    limit_one_more: LimitOneMore => every_range_is_that_of_a_sorted_map many_snapshots_can_be_open;
    break_ignored: BreakIgnored => a_scan_stops_when_told;
    tables_shared: TablesShared =>
        a_table_is_not_seen_through_another random_batches_do_what_a_map_does;
    visible_late: VisibleLate => a_commit_is_seen_by_the_next_snapshot;
    first_wins: FirstWins =>
        the_last_operation_on_a_key_wins random_batches_do_what_a_map_does;
    clear_first: ClearFirst => a_clear_takes_what_was_there_before_it;
    absent_delete_fails: AbsentDeleteFails => deleting_what_is_not_there_is_no_error;
    empty_batch_fails: EmptyBatchFails => an_empty_batch_is_no_error;
    append_drops_late_keys: AppendDropsLateKeys => an_append_only_table_takes_any_key;
    empty_value_deletes: EmptyValueDeletes => an_empty_value_is_a_value;
    keys_cut: KeysCut => the_longest_keys_stay_apart;
    values_cut: ValuesCut => the_largest_value_comes_back;
    batch_limited: BatchLimited => the_largest_batch_comes_back;
    size_unknown: SizeUnknown => the_size_follows_what_is_stored;
    live_snapshots: LiveSnapshots =>
        a_snapshot_never_changes many_snapshots_can_be_open;
    few_snapshots: FewSnapshots => many_snapshots_can_be_open;
    scan_locks_writers: ScanLocksWriters => a_reader_can_write_while_it_scans;
    batch_in_parts: BatchInParts => concurrent_batches_are_seen_whole;
    areas_share_lock: AreasShareLock => an_area_does_not_wait_for_the_other;
    clear_reaches_over: ClearReachesOver => the_areas_are_written_apart;
    readers_take_lock: ReadersTakeLock => a_reader_does_not_wait_for_a_writer;
    forgets_on_reopening: ForgetsOnReopening =>
        a_store_opened_again_is_the_same a_relaxed_store_keeps_what_was_synced;
    setting_ignored: SettingIgnored => a_relaxed_store_keeps_what_was_synced;
    poison_forgotten: PoisonForgotten => a_failed_commit_closes_the_store_to_writers;
    poison_of_one_area: PoisonOfOneArea => a_failed_commit_closes_the_store_to_writers;
    full_keeps_part: FullKeepsPart => a_full_store_takes_nothing_of_a_batch;
    full_poisons: FullPoisons => a_full_store_takes_nothing_of_a_batch;
    bound_ignored: BoundIgnored => a_full_store_takes_nothing_of_a_batch;
    writer_lent_twice: WriterLentTwice => a_store_lends_its_writer_once;
    directory_ignored: DirectoryIgnored =>
        a_second_opener_is_refused
        another_engine_is_refused
        a_newer_format_is_refused
        a_file_in_the_way_is_an_error
        a_copy_lives_elsewhere;
}

struct NoMistake;

impl Mistaken for NoMistake {
    const MISTAKE: Mistake = Mistake::None;
}

#[test]
fn without_a_mistake_every_clause_holds() {
    for (clause, verdict) in conformance::run_all::<MutantHarness<NoMistake>>() {
        let skipped = ["the backend has no directory", "no small disk can be mounted here"];
        let skipped = skipped.map(Verdict::Skipped);
        assert!(verdict == Verdict::Held || skipped.contains(&verdict), "{clause}: {verdict:?}");
    }
}
