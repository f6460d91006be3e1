use super::*;

#[test]
fn pages_grow_to_the_bound_and_shrink_to_a_few_events() {
    let mut size = PageSize::new(PageOptions::default());
    assert_eq!(size.events(), 1_000);
    for _ in 0..9 {
        size.grow();
    }
    assert_eq!(size.events(), BATCH_EVENTS_MAX);
    for _ in 0..20 {
        size.shrink();
    }
    assert_eq!((size.events(), size.bytes()), (EVENTS_MIN, BYTES_MIN));
}

#[test]
fn a_page_is_never_over_its_bound() {
    let mut size =
        PageSize::new(PageOptions { events_start: 0, events_max: 3, ..PageOptions::default() });
    assert_eq!(size.events(), 1);
    size.shrink();
    assert_eq!(size.events(), 3);
}
