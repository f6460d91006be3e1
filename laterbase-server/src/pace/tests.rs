use tokio::time::advance;

use super::*;

const LAG: Duration = Duration::from_secs(30);

#[tokio::test(start_paused = true)]
async fn a_stream_at_its_rate_is_never_late() {
    let mut pace = Pace::new(LAG, 1_000);
    for _ in 0..1_000 {
        advance(Duration::from_secs(20)).await;
        assert!(!pace.is_late());
        pace.advance(20_000);
    }
}

#[tokio::test(start_paused = true)]
async fn a_trickle_is_late_after_the_lag_whatever_came_before() {
    for first in [0, 16 * 1024 * 1024] {
        let mut pace = Pace::new(LAG, 1_000);
        pace.advance(first);
        advance(Duration::from_secs(25)).await;
        assert!(!pace.is_late());
        pace.advance(1);
        advance(Duration::from_secs(6)).await;
        assert!(pace.is_late(), "after {first} bytes");
    }
}

#[tokio::test(start_paused = true)]
async fn a_whole_stream_takes_the_lag_and_its_bytes_at_the_rate() {
    let (start, mut pace, mut bytes) = (Instant::now(), Pace::new(LAG, 1_000), 0_u64);
    while !pace.is_late() {
        advance(Duration::from_secs(1)).await;
        pace.advance(900);
        bytes += 900;
    }
    let most = LAG + Duration::from_secs(1) + Duration::from_millis(bytes);
    assert!(start.elapsed() <= most, "{:?}", start.elapsed());
}
