#![allow(clippy::unwrap_used, reason = "tests")]

use futures_util::FutureExt as _;

use super::*;

const KIB: usize = 1024;
const WAIT: Duration = Duration::from_secs(5);

#[tokio::test(start_paused = true)]
async fn room_comes_back_and_goes_to_who_waited_first() {
    let room = Room::new(8 * KIB);
    let mut all = room.try_take(8 * KIB).unwrap();
    let pressure = room.pressure();
    let mut first = Box::pin(room.take(6 * KIB, WAIT));
    assert!(first.as_mut().now_or_never().is_none());
    assert!(pressure.has_changed().unwrap(), "those who hold room are told");
    all.shrink(4 * KIB);
    assert!(room.try_take(KIB).is_none(), "nobody overtakes");
    drop(all);
    assert_eq!(first.await.unwrap().bytes(), 6 * KIB);
    assert!(room.try_take(8 * KIB).is_some());
}

#[tokio::test(start_paused = true)]
async fn waiting_has_an_end() {
    let room = Room::new(8 * KIB);
    let _all = room.try_take(KIB).unwrap();
    let start = Instant::now();
    assert!(room.take(8 * KIB, WAIT).await.is_none());
    assert_eq!(start.elapsed(), WAIT);
}

#[tokio::test(start_paused = true)]
async fn what_is_larger_than_all_gets_in_alone() {
    let room = Room::new(8 * KIB);
    let one = room.take(100 * KIB, WAIT).await.unwrap();
    assert!(room.try_take(1).is_none());
    drop(one);
    assert!(room.try_take(1).is_some());
}

#[tokio::test(start_paused = true)]
async fn shares_get_smaller_so_that_many_get_one() {
    let room = Room::new(64 * KIB);
    let mut shares = Vec::new();
    for _ in 0..36 {
        shares.push(room.take_share(KIB, 16 * KIB, WAIT).await.unwrap());
    }
    assert_eq!(shares[0].bytes(), 16 * KIB);
    assert!(shares.windows(2).all(|pair| pair[0].bytes() >= pair[1].bytes()));
    assert_eq!(shares[1].bytes(), 8 * KIB);
    assert_eq!(shares[35].bytes(), KIB);
}

#[tokio::test(start_paused = true)]
async fn room_is_added_to_and_given_back() {
    let room = Room::new(8 * KIB);
    let mut held = room.try_take(KIB).unwrap();
    held.add(room.try_take(2 * KIB).unwrap());
    assert_eq!(held.bytes(), 3 * KIB);
    held.shrink(1);
    assert_eq!(held.bytes(), KIB);
    held.shrink(5 * KIB);
    assert_eq!(held.bytes(), KIB);
    assert!(room.try_take(7 * KIB).is_some());
}
