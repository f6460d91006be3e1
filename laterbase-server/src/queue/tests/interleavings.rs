//! The queue under many orders of what threads do.
//!
//! A thread that waits for ever is found too: `shuttle` reports it as a deadlock, and prints the
//! schedule that leads there, which `shuttle::replay` plays again.

use std::sync::Arc;

use shuttle::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use shuttle::thread;

use super::*;

/// How many schedules each test tries.
const SCHEDULES: usize = 3_000;

/// Tries random schedules, and then such as stay with one thread for long.
fn explore(test: impl Fn() + Send + Sync + Copy + 'static) {
    shuttle::check_random(test, SCHEDULES);
    shuttle::check_pct(test, SCHEDULES, 3);
}

fn small(name: u32) -> Item {
    Item { name, events: 1 }
}

fn large(name: u32) -> Item {
    Item { name, events: 20 }
}

/// Puts items in, and gives the names of those that got in.
fn push_all(queue: &Queue<Item>, items: Vec<Item>) -> Vec<u32> {
    let named = items.into_iter().map(|item| (item.name, queue.push(item)));
    named.filter(|(_, pushed)| pushed.is_ok()).map(|(name, _)| name).collect()
}

/// Takes groups until the queue has ended.
fn take_all(queue: &Queue<Item>) -> Vec<u32> {
    let mut taken = Vec::new();
    while let Some(group) = queue.take_group(BOUNDS) {
        assert!(!group.is_empty(), "whoever is woken for nothing waits on");
        taken.extend(group.into_iter().map(|item| item.name));
    }
    taken
}

/// Mutations: `push` without its notification; `take_group` that looks whether the queue is
/// closed before it looks at the lines.
#[test]
fn what_was_accepted_is_handed_out_once_whenever_the_queue_is_closed() {
    explore(|| {
        let queue = Arc::new(Queue::new(100));
        let pushers = [vec![small(1), large(2)], vec![large(3), small(4)]].map(|items| {
            let queue = Arc::clone(&queue);
            thread::spawn(move || push_all(&queue, items))
        });
        let closer = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.close())
        };
        let mut taken = take_all(&queue);
        let mut accepted: Vec<u32> =
            pushers.into_iter().flat_map(|pusher| pusher.join().expect("it pushes")).collect();
        closer.join().expect("it closes");
        accepted.sort_unstable();
        taken.sort_unstable();
        assert_eq!(taken, accepted);
    });
}

/// Nobody closes the queue, so nothing but a write wakes whoever waits.
///
/// Mutation: `push` that notifies only if the lines were not empty before.
#[test]
fn every_write_wakes_whoever_waits_for_it() {
    explore(|| {
        let queue = Arc::new(Queue::new(100));
        let pushers = [vec![small(1), small(2)], vec![large(3)]].map(|items| {
            let queue = Arc::clone(&queue);
            thread::spawn(move || push_all(&queue, items))
        });
        let mut taken = Vec::new();
        while taken.len() < 3 {
            taken.extend(names(queue.take_group(BOUNDS)));
        }
        taken.sort_unstable();
        assert_eq!(taken, [1, 2, 3]);
        for pusher in pushers {
            pusher.join().expect("it pushes");
        }
    });
}

/// Mutation: `close` without its notification.
#[test]
fn the_end_wakes_whoever_waits() {
    explore(|| {
        let queue: Arc<Queue<Item>> = Arc::new(Queue::new(1));
        let waiting = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || take_all(&queue))
        };
        queue.close();
        assert_eq!(queue.push(small(1)), Err(Turned::Closed));
        assert_eq!(waiting.join().expect("it ends"), [0_u32; 0]);
    });
}

/// Mutation: a bound that is checked before the lock is taken.
#[test]
fn the_queue_is_never_longer_than_it_may_be() {
    explore(|| {
        let queue = Arc::new(Queue::new(2));
        let pushers = [vec![small(1), small(2)], vec![large(3), large(4)]].map(|items| {
            let queue = Arc::clone(&queue);
            thread::spawn(move || push_all(&queue, items))
        });
        let first = queue.take_group(BOUNDS).expect("it is open");
        assert!(first.len() <= 2, "{first:?}");
        let accepted: usize =
            pushers.into_iter().map(|pusher| pusher.join().expect("it pushes").len()).sum();
        queue.close();
        let rest = queue.take_group(BOUNDS).unwrap_or_default();
        assert!(rest.len() <= 2, "{rest:?}");
        assert_eq!(first.len() + rest.len(), accepted);
        assert!(accepted >= 2, "there was room for two");
    });
}

/// Mutations: `Lines::take` that leaves the large ones out of a group that has small ones, and
/// the other way round.
#[test]
fn neither_line_starves_however_the_other_is_filled() {
    explore(|| {
        let queue = Arc::new(Queue::new(100));
        let pushers = [[1, 2], [3, 4]].map(|names| {
            let (queue, is_in) = (Arc::clone(&queue), Arc::new(AtomicBool::new(false)));
            let told = Arc::clone(&is_in);
            let make = if names == [1, 2] { small } else { large };
            let pusher = thread::spawn(move || {
                queue.push(make(names[0])).expect("there is room");
                told.store(true, Ordering::SeqCst);
                queue.push(make(names[1])).expect("there is room");
            });
            (names[0], is_in, pusher)
        });
        let mut taken = Vec::new();
        while taken.len() < 4 {
            let waiting: Vec<u32> = pushers
                .iter()
                .filter(|(name, is_in, _)| is_in.load(Ordering::SeqCst) && !taken.contains(name))
                .map(|(name, ..)| *name)
                .collect();
            let group = names(queue.take_group(BOUNDS));
            assert!(waiting.iter().all(|name| group.contains(name)), "{waiting:?} {group:?}");
            taken.extend(group);
        }
        for (_, _, pusher) in pushers {
            pusher.join().expect("it pushes");
        }
    });
}

/// A request that hears of its end, one way or the other.
struct Asked {
    answered: Arc<AtomicUsize>,
    dropped: Arc<AtomicUsize>,
    is_answered: bool,
}

impl Asked {
    fn answer(mut self) {
        self.is_answered = true;
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        let count = if self.is_answered { &self.answered } else { &self.dropped };
        count.fetch_add(1, Ordering::SeqCst);
    }
}

impl Weigh for Asked {
    fn event_count(&self) -> usize {
        1
    }

    fn size_bytes(&self) -> usize {
        1
    }
}

/// A writer that dies after one group, while others still push, leaves nobody in front of it.
///
/// Mutations in `abandon`: no drain, so that a request hears nothing; the drain before the
/// closing, which then waits for ever.
#[test]
fn an_abandoned_queue_answers_or_drops_each_request_once() {
    explore(|| {
        let queue = Arc::new(Queue::new(100));
        let [answered, dropped] = [0, 0].map(|zero| Arc::new(AtomicUsize::new(zero)));
        let pushers = [(); 2].map(|()| {
            let queue = Arc::clone(&queue);
            let asked = [(); 2].map(|()| Asked {
                answered: Arc::clone(&answered),
                dropped: Arc::clone(&dropped),
                is_answered: false,
            });
            thread::spawn(move || {
                for asked in asked {
                    // What is turned away is dropped at once.
                    let _turned_away = queue.push(asked).is_err();
                }
            })
        });
        let group = queue.take_group(BOUNDS).expect("something is pushed");
        let taken = group.len();
        group.into_iter().for_each(Asked::answer);
        queue.abandon();
        for pusher in pushers {
            pusher.join().expect("it pushes");
        }
        assert_eq!(answered.load(Ordering::SeqCst), taken);
        assert_eq!(dropped.load(Ordering::SeqCst), 4 - taken);
        assert!(queue.take_group(BOUNDS).is_none(), "nothing is left");
    });
}
