//! What a live answer waits for, under many orders of what the writer, the server's end and the
//! answer do.
//!
//! The channels are `tokio`'s, within which `shuttle` sees nothing: each call of theirs counts as
//! one step. What is tried is the order of the steps, which is where a notice can get lost.

use std::sync::Arc;

use shuttle::sync::atomic::{AtomicU64, Ordering};
use shuttle::{future, thread};
use tokio::runtime::Builder;

use super::*;

const SCHEDULES: usize = 3_000;

/// Where a heartbeat never comes: nothing drives the runtime's clock.
fn explore(test: impl Fn() + Send + Sync + Copy + 'static) {
    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
    let _context = runtime.enter();
    shuttle::check_random(test, SCHEDULES);
    shuttle::check_pct(test, SCHEDULES, 3);
}

/// The writer's and the server's ends of a pulse.
struct Ends {
    head: watch::Sender<u64>,
    stopping: watch::Sender<bool>,
}

fn pulse() -> (Ends, Pulse) {
    let ends = Ends { head: watch::Sender::new(0), stopping: watch::Sender::new(false) };
    let (head, stopping) = (ends.head.subscribe(), ends.stopping.subscribe());
    let period = HEARTBEAT_PERIOD_DEFAULT;
    let heartbeat = Instant::now() + period;
    (ends, Pulse { head, stopping, period, heartbeat })
}

/// Says that the log has come so far, as the writer does: readers see it first.
fn commit(ends: &Ends, visible: &AtomicU64, position: u64) {
    visible.store(position, Ordering::SeqCst);
    thread::yield_now();
    ends.head.send_replace(position);
}

/// Follows the log until it has come so far, as a live answer does, or until the end.
async fn follow(pulse: &mut Pulse, visible: &AtomicU64, last: u64) -> Option<End> {
    loop {
        pulse.mark_seen();
        if visible.load(Ordering::SeqCst) == last {
            return None;
        }
        match pulse.wait().await {
            Wake::Arrivals => {}
            Wake::Heartbeat => unreachable!("the clock stands still"),
            Wake::End(end) => return Some(end),
        }
    }
}

/// Mutation: `mark_seen` behind the read, in [`follow`] or in a live answer, waits for ever.
#[test]
fn no_arrival_falls_between_two_looks() {
    explore(|| {
        let (ends, mut pulse) = pulse();
        let visible = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&visible);
        let writer = thread::spawn(move || {
            for position in 1..=3 {
                commit(&ends, &visible, position);
            }
            ends
        });
        let end = future::block_on(follow(&mut pulse, &seen, 3));
        assert!(end.is_none());
        writer.join().expect("it commits");
    });
}

/// Mutation: `wait` that hears of the end by the channel's change only, and not by its value.
#[test]
fn the_end_is_heard_whenever_it_comes() {
    explore(|| {
        let (ends, mut pulse) = pulse();
        let visible = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&visible);
        let writer = thread::spawn(move || {
            commit(&ends, &visible, 1);
            ends.stopping.send_replace(true);
            commit(&ends, &visible, 2);
        });
        // It never comes so far.
        let end = future::block_on(follow(&mut pulse, &seen, 9)).expect("the server stops");
        assert!(String::from_utf8_lossy(&end.into_bytes()).contains("shutting-down"));
        writer.join().expect("it stops");
    });
}

#[test]
fn a_writer_that_is_gone_ends_the_answer_once_all_of_it_was_seen() {
    explore(|| {
        let (ends, mut pulse) = pulse();
        let visible = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&visible);
        let stopping = ends.stopping.clone();
        let writer = thread::spawn(move || commit(&ends, &visible, 1));
        let end = future::block_on(follow(&mut pulse, &seen, 9)).expect("the writer is gone");
        assert!(String::from_utf8_lossy(&end.into_bytes()).contains("failed"));
        assert_eq!(seen.load(Ordering::SeqCst), 1);
        writer.join().expect("it commits");
        drop(stopping);
    });
}
