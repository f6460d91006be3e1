#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

#[test]
fn a_size_of_zero_is_refused_by_name() {
    assert!(Bounds::default().checked().is_ok());
    let zeros = [
        Bounds { connections_max: Some(0), ..Bounds::default() },
        Bounds { connections_per_address_max: Some(0), ..Bounds::default() },
        Bounds { bytes_per_second_min: 0, ..Bounds::default() },
        Bounds { body_bytes_max: 0, ..Bounds::default() },
        Bounds { answer_bytes_max: 0, ..Bounds::default() },
    ];
    for bounds in zeros {
        let name = bounds.checked().unwrap_err();
        assert!(format!("{bounds:?}").contains(name), "{name}");
    }
}

#[test]
fn times_at_their_ends_are_bounded() {
    let ends = |time| Bounds {
        head_time_max: time,
        idle_time_max: time,
        lag_time_max: time,
        stop_time_max: time,
        ..Bounds::default()
    };
    assert_eq!(ends(Duration::MAX).checked(), Ok(ends(TIME_MAX)));
    assert_eq!(ends(Duration::ZERO).checked(), Ok(ends(TIME_MIN)));
}

#[test]
fn connections_leave_descriptors_for_the_store() {
    assert_eq!(connections_for(64), 32);
    assert_eq!(connections_for(1_024), 768);
    assert_eq!(connections_for(1_000_000), CONNECTIONS_MAX);
    assert_eq!(connections_for(usize::MAX), CONNECTIONS_MAX);
    assert_eq!(connections_for(8), 1);
    let (all, each) = Bounds { connections_max: Some(5), ..Bounds::default() }.connections();
    assert_eq!((all, each), (5, 3));
}
