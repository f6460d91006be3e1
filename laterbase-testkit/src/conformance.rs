//! The storage contract, clause by clause.
//!
//! A backend shows that it keeps the contract of [`laterbase_core::store`] by passing every clause
//! here. It says how it is opened by implementing [`Harness`], and then one line in its
//! integration tests makes a test of every clause:
//!
//! ```text
//! laterbase_testkit::conformance!(MyHarness);
//! ```
//!
//! A clause panics where the contract is broken. Where it cannot apply (a store in memory has no
//! directory that a second process could open) it says so and is skipped.
//!
//! The clauses know no engine. What each of them is good for is written beside it as the mistake
//! that it catches, and the crate's own tests make those mistakes, one by one, to see that it does.

mod areas;
mod batches;
mod bounds;
mod contents;
mod crash;
mod dice;
pub(crate) use dice::Dice;
mod durability;
mod failure;
mod full_disk;
mod harness;
mod lending;
mod opening;
mod order;
mod snapshots;

pub use areas::*;
pub use batches::*;
pub use bounds::*;
pub use crash::*;
pub use durability::*;
pub use failure::*;
pub use full_disk::*;
pub use harness::{Harness, Verdict};
pub use lending::*;
pub use opening::*;
pub use order::*;
pub use snapshots::*;

/// Hands the names of all clauses to a macro: those that stand alone, and those that start the
/// test's own binary again as a child process and therefore must know the test's name.
#[doc(hidden)]
#[macro_export]
macro_rules! with_conformance_clauses {
    ([$($then:tt)+], $harness:ty) => {
        $($then)+! {
            $harness;
            alone:
                keys_sort_by_their_bytes,
                every_range_is_that_of_a_sorted_map,
                a_scan_stops_when_told,
                a_table_is_not_seen_through_another,
                a_commit_is_seen_by_the_next_snapshot,
                the_last_operation_on_a_key_wins,
                a_clear_takes_what_was_there_before_it,
                deleting_what_is_not_there_is_no_error,
                an_empty_batch_is_no_error,
                an_append_only_table_takes_any_key,
                random_batches_do_what_a_map_does,
                an_empty_value_is_a_value,
                the_longest_keys_stay_apart,
                the_largest_value_comes_back,
                the_largest_batch_comes_back,
                the_size_follows_what_is_stored,
                a_snapshot_never_changes,
                many_snapshots_can_be_open,
                a_reader_can_write_while_it_scans,
                concurrent_batches_are_seen_whole,
                the_areas_are_written_apart,
                an_area_does_not_wait_for_the_other,
                a_reader_does_not_wait_for_a_writer,
                a_store_lends_its_writer_once,
                a_store_opened_again_is_the_same,
                a_relaxed_store_keeps_what_was_synced,
                a_failed_commit_closes_the_store_to_writers,
                a_full_store_takes_nothing_of_a_batch,
                a_full_disk_stops_writes_only_and_for_as_long_as_it_is_full,
                what_a_store_makes_is_for_its_owner_only,
                a_second_opener_is_refused,
                another_engine_is_refused,
                a_newer_format_is_refused,
                a_file_in_the_way_is_an_error,
                a_copy_lives_elsewhere;
            in_child:
                a_killed_writer_loses_nothing_acknowledged,
                a_write_that_the_system_refuses_loses_nothing_acknowledged;
        }
    };
}

/// Makes a test of every clause for a [`Harness`](crate::conformance::Harness).
#[macro_export]
macro_rules! conformance {
    ($harness:ty) => {
        $crate::with_conformance_clauses!([$crate::conformance_tests], $harness);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! conformance_tests {
    ($harness:ty; alone: $($alone:ident),+; in_child: $($in_child:ident),+;) => {
        $(
            #[test]
            fn $alone() {
                let verdict = $crate::conformance::$alone::<$harness>();
                $crate::conformance::Verdict::from(verdict).say(stringify!($alone));
            }
        )+
        $(
            #[test]
            fn $in_child() {
                let test = concat!(module_path!(), "::", stringify!($in_child));
                let verdict = $crate::conformance::$in_child::<$harness>(test);
                verdict.say(stringify!($in_child));
            }
        )+
    };
}

/// Tries every clause that needs no child process, and gives each with its verdict.
///
/// This is for whoever cannot use [`conformance!`], such as a program that tries a backend it was
/// configured with.
///
/// # Panics
/// If a clause is broken.
pub fn run_all<H: Harness>() -> Vec<(&'static str, Verdict)> {
    macro_rules! run {
        ($harness:ty; alone: $($alone:ident),+; in_child: $($in_child:ident),+;) => {
            vec![$((stringify!($alone), Verdict::from($alone::<$harness>()))),+]
        };
    }
    crate::with_conformance_clauses!([run], H)
}
