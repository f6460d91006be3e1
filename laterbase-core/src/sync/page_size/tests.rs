use super::*;

const FAST: Duration = Duration::from_millis(5);

fn page_size() -> PageSize {
    PageSize::new(PageOptions::default(), None)
}

#[test]
fn pages_grow_to_the_bound_and_shrink_to_one_event() {
    let mut size = page_size();
    assert_eq!((size.events(), size.bytes()), (1_000, 256 * 1024));
    for _ in 0..9 {
        size.grow(FAST);
    }
    assert_eq!((size.events(), size.bytes()), (BATCH_EVENTS_MAX, BYTES_MAX));
    for _ in 0..30 {
        size.shrink();
    }
    assert_eq!((size.events(), size.bytes()), (1, 1));
}

#[test]
fn a_page_is_never_over_its_bound() {
    let options = PageOptions { events_start: 0, events_max: 3, ..PageOptions::default() };
    let mut size = PageSize::new(options, None);
    assert_eq!(size.events(), 1);
    for _ in 0..3 {
        size.grow(FAST);
    }
    assert_eq!(size.events(), 3);
}

#[test]
fn pages_that_take_long_do_not_grow() {
    let mut size = page_size();
    size.grow(Duration::from_secs(11));
    assert_eq!((size.events(), size.bytes()), (1_000, 256 * 1024));
}

/// The story: a proxy took 1 MB and refused 2 MB, and the pages went on growing into it.
#[test]
fn no_page_grows_to_what_was_refused_and_the_next_session_begins_there() {
    let mut size = page_size();
    for _ in 0..3 {
        size.grow(FAST);
    }
    size.refuse(2_000_000);
    assert_eq!((size.bytes(), size.found()), (1_000_000, Some(1_000_000)));
    size.grow(FAST);
    assert_eq!((size.bytes(), size.events()), (1_000_000, 10_000));
    let mut next = PageSize::new(PageOptions::default(), size.found());
    next.grow(FAST);
    next.grow(FAST);
    assert_eq!(next.bytes(), 1_000_000);
    next.relax();
    assert_eq!(next.found(), Some(2_000_000));
    for _ in 0..3 {
        next.relax();
    }
    assert_eq!(next.found(), None);
}
