//! What the queue does, and what it does whatever the order in which threads come to it.

mod interleavings;

use super::*;

#[derive(Debug, PartialEq, Eq)]
struct Item {
    name: u32,
    events: usize,
}

impl Weigh for Item {
    fn event_count(&self) -> usize {
        self.events
    }

    fn size_bytes(&self) -> usize {
        self.events * 100
    }
}

const BOUNDS: GroupBounds = GroupBounds { events_max: 100, bytes_max: 1_000_000 };

fn queue(items: &[(u32, usize)]) -> Queue<Item> {
    let queue = Queue::new(100);
    for &(name, events) in items {
        queue.push(Item { name, events }).expect("there is room");
    }
    queue
}

fn names(group: Option<Vec<Item>>) -> Vec<u32> {
    group.into_iter().flatten().map(|item| item.name).collect()
}

/// Runs a test that has one thread, for which any schedule will do.
fn alone(test: impl Fn() + Send + Sync + 'static) {
    shuttle::check_dfs(test, Some(1));
}

/// Mutation: with one line for all, the single event comes last.
#[test]
fn a_single_event_does_not_stand_behind_a_bulk_load() {
    alone(|| {
        let queue = queue(&[(1, 40), (2, 40), (3, 40), (4, 40), (5, 1)]);
        assert_eq!(names(queue.take_group(BOUNDS)), [5, 1], "a quarter of the bounds");
        assert_eq!(names(queue.take_group(BOUNDS)), [2, 3, 4]);
    });
}

#[test]
fn a_bulk_load_gets_its_turn_however_many_single_events_wait() {
    alone(|| {
        let mut items = vec![(0, 80)];
        items.extend((1..99).map(|name| (name, 16)));
        let queue = queue(&items);
        assert!(names(queue.take_group(BOUNDS)).contains(&0));
    });
}

#[test]
fn one_write_beyond_the_bounds_is_a_group_of_its_own() {
    alone(|| {
        let queue = queue(&[(1, 10_000), (2, 10_000)]);
        assert_eq!(names(queue.take_group(BOUNDS)), [1]);
        assert_eq!(names(queue.take_group(BOUNDS)), [2]);
    });
}

#[test]
fn bytes_bound_a_group_too() {
    alone(|| {
        let queue = queue(&[(1, 1), (2, 1), (3, 1)]);
        let bounds = GroupBounds { events_max: 100, bytes_max: 200 };
        assert_eq!(names(queue.take_group(bounds)), [1, 2]);
    });
}

#[test]
fn a_full_queue_turns_writes_away_until_a_group_is_taken() {
    alone(|| {
        let queue = Queue::new(1);
        assert_eq!(queue.push(Item { name: 1, events: 1 }), Ok(()));
        assert_eq!(queue.push(Item { name: 2, events: 1 }), Err(Turned::Full));
        assert_eq!(names(queue.take_group(BOUNDS)), [1]);
        assert_eq!(queue.push(Item { name: 3, events: 1 }), Ok(()));
    });
}

#[test]
fn a_closed_queue_hands_out_what_it_took() {
    alone(|| {
        let queue = queue(&[(1, 1), (2, 80)]);
        queue.close();
        assert_eq!(queue.push(Item { name: 3, events: 1 }), Err(Turned::Closed));
        assert_eq!(names(queue.take_group(BOUNDS)), [1, 2]);
        assert!(queue.take_group(BOUNDS).is_none());
        assert!(queue.is_closed());
    });
}
