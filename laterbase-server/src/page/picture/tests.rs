use super::*;

#[test]
fn places_rise_with_time_and_stay_on_the_axis() {
    let scale = Scale { first: i64::MIN, last: i64::MAX };
    let mut before = -1.0;
    for time in [i64::MIN, -1_000_000_000_000_000_000, 0, 1_000_000_000_000_000_000, i64::MAX] {
        let place = scale.place(time);
        assert!(place > before && place <= LAST, "{time} {place}");
        before = place;
    }
    let one = Scale { first: 7, last: 7 };
    assert_eq!((one.place(6), one.place(7)), (0.0, LAST / 2.0));
    let short = Scale { first: 0, last: 10 };
    assert_eq!(
        (short.place(-5), short.place(0), short.place(10), short.place(99)),
        (0.0, 0.0, LAST, LAST)
    );
}

#[test]
fn every_place_has_a_cell() {
    assert_eq!(cell_of(0.0, 60), 0);
    assert_eq!(cell_of(LENGTH, 60), 59);
    assert_eq!(cell_of(LENGTH / 2.0, 60), 30);
}
