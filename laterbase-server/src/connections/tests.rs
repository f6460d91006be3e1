#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::bounds::Bounds;

const FIRST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
const SECOND: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

/// Connections, of which there may be so many.
struct Bounded {
    connections: Arc<Connections>,
    bounds: Bounds,
}

fn connections(most: usize, most_per_address: usize) -> Bounded {
    let bounds = Bounds {
        connections_max: Some(most),
        connections_per_address_max: Some(most_per_address),
        ..Bounds::default()
    };
    Bounded { connections: Arc::default(), bounds }
}

fn take_in(bounded: &Bounded, address: IpAddr) -> Option<Place> {
    bounded.connections.take_in(bounded.bounds, Some(address))
}

#[track_caller]
fn check_gave_way(place: &Place, expected: bool) {
    use futures_util::FutureExt as _;
    assert_eq!(place.gives_way.notified().now_or_never().is_some(), expected);
}

#[tokio::test(start_paused = true)]
async fn the_connection_that_was_idle_longest_gives_way() {
    let connections = connections(3, 3);
    let mut places = Vec::new();
    for _ in 0..3 {
        places.push(take_in(&connections, FIRST).unwrap());
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    let under_way = places[0].progress.begin_request();
    let _fourth = take_in(&connections, SECOND).unwrap();
    check_gave_way(&places[0], false);
    check_gave_way(&places[1], true);
    check_gave_way(&places[2], false);
    drop(under_way);
    let _fifth = take_in(&connections, SECOND).unwrap();
    check_gave_way(&places[2], true);
    check_gave_way(&places[0], false);
    drop(places);
    assert_eq!(connections.connections.open().by_number.len(), 2);
    assert_eq!(connections.connections.open().by_address.get(&FIRST), None);
}

#[tokio::test]
async fn one_address_does_not_keep_others_out() {
    let connections = connections(10, 2);
    let places = [take_in(&connections, FIRST).unwrap(), take_in(&connections, FIRST).unwrap()];
    let under_way: Vec<_> = places.iter().map(|place| place.progress.begin_request()).collect();
    assert!(take_in(&connections, FIRST).is_none());
    assert!(take_in(&connections, SECOND).is_some());
    drop(under_way);
    assert!(take_in(&connections, FIRST).is_some());
    check_gave_way(&places[0], true);
}

#[tokio::test]
async fn where_all_are_busy_the_new_one_is_turned_away() {
    let connections = connections(1, 1);
    let place = take_in(&connections, FIRST).unwrap();
    let under_way = place.progress.begin_request();
    assert!(take_in(&connections, SECOND).is_none());
    drop((under_way, place));
    assert!(take_in(&connections, SECOND).is_some());
    assert!(connections.connections.open().by_number.is_empty());
}
