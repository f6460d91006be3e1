//! The laws of the event set, as property checks over any storage backend.
//!
//! Replicas that hold the same events are in the same state, however the events came to them.
//! Each law here plays that out over random events of several replicas and roots, in random
//! orders, with duplicates and cuts, and panics where it is broken. A backend's integration tests
//! make a test of each law with one line:
//!
//! ```text
//! laterbase_testkit::laws!(8, || fresh_store());
//! ```
//!
//! Everything random comes from a seed, which is printed when a law is broken. Setting
//! `LATERBASE_SEED` to it plays that one case again.

mod cast;
mod feed;
mod folds;
mod merge;
mod refusals;
mod stranger;
mod voids;
mod writes;

use std::sync::Arc;

use laterbase_core::store::Store;

pub use feed::{
    a_feed_followed_by_its_cursor_gives_everything_once,
    pages_cut_anywhere_lose_and_double_nothing, the_feed_is_in_clock_order_without_holes,
    the_feed_is_the_set_difference,
};
pub use folds::{fold_order_is_the_same_everywhere, snapshots_change_no_state};
pub use merge::{
    merge_is_associative, merge_is_commutative, merge_is_idempotent,
    merging_deltas_equals_merging_the_full_state,
};
pub use refusals::{
    a_refused_write_leaves_no_trace, the_good_events_are_taken_where_each_is_judged_for_itself,
};
pub use voids::what_is_taken_back_is_left_out_by_who_knows;
pub use writes::{
    a_crash_changes_nothing_acknowledged, a_delta_with_a_hole_is_refused_whole,
    an_idempotency_key_is_replayed,
};

/// Makes an empty store. It is called several times in one case, and the stores live together.
pub type Fresh<'f> = dyn Fn() -> Arc<dyn Store> + 'f;

/// One law, played out once with the randomness of a seed.
pub type Law = fn(&Fresh<'_>, u64);

/// Plays a law out with the seeds `0..cases`, or with the one of `LATERBASE_SEED` only.
///
/// # Panics
/// If the law is broken, after the seed was printed, or if `LATERBASE_SEED` is no number.
pub fn check(name: &'static str, law: Law, cases: u64, fresh: &Fresh<'_>) {
    let replayed = std::env::var("LATERBASE_SEED").ok();
    let replayed = replayed.map(|seed| seed.parse().expect("LATERBASE_SEED is a number"));
    let seeds = replayed.map_or(0..cases, |seed: u64| seed..seed + 1);
    for seed in seeds {
        let _case = Case { name, seed };
        law(fresh, seed);
    }
}

/// Says which case it was when a law panics.
struct Case {
    name: &'static str,
    seed: u64,
}

impl Drop for Case {
    #[expect(clippy::print_stderr, reason = "a broken law must say how to see it again")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self { name, seed } = self;
            eprintln!("the law {name} is broken; LATERBASE_SEED={seed} plays it again");
        }
    }
}

/// Makes a test of every law: how many cases each, and what makes an empty `Arc<dyn Store>`.
#[macro_export]
macro_rules! laws {
    ($cases:expr, $fresh:expr) => {
        $crate::laws!(@ $cases, $fresh;
            merge_is_idempotent,
            merge_is_commutative,
            merge_is_associative,
            merging_deltas_equals_merging_the_full_state,
            the_feed_is_the_set_difference,
            the_feed_is_in_clock_order_without_holes,
            pages_cut_anywhere_lose_and_double_nothing,
            a_feed_followed_by_its_cursor_gives_everything_once,
            fold_order_is_the_same_everywhere,
            snapshots_change_no_state,
            what_is_taken_back_is_left_out_by_who_knows,
            a_delta_with_a_hole_is_refused_whole,
            an_idempotency_key_is_replayed,
            a_refused_write_leaves_no_trace,
            the_good_events_are_taken_where_each_is_judged_for_itself,
            a_crash_changes_nothing_acknowledged
        );
    };
    (@ $cases:expr, $fresh:expr; $($law:ident),+) => {
        $(
            #[test]
            fn $law() {
                let name = stringify!($law);
                $crate::laws::check(name, $crate::laws::$law, $cases, &$fresh);
            }
        )+
    };
}
