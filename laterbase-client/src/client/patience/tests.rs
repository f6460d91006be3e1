use super::*;

const PATIENCE: Patience =
    Patience { silence_max: Duration::from_secs(30), slowest_link_bytes: 1_000 };

/// How long bytes that come so often are waited for; nothing if there is no end to it.
async fn waited(bytes: usize, every: Duration) -> Option<Duration> {
    let mut waiting = Waiting::start(PATIENCE);
    let start = Instant::now();
    for _ in 0..10_000 {
        let next = tokio::time::sleep(every);
        if tokio::time::timeout_at(waiting.deadline(), next).await.is_err() {
            return Some(start.elapsed());
        }
        waiting.received(bytes);
    }
    None
}

#[tokio::test(start_paused = true)]
async fn a_byte_a_second_is_as_good_as_silence() {
    let silent = waited(0, Duration::from_secs(1)).await.map(|waited| waited.as_secs());
    assert_eq!(silent, Some(30));
    let trickling = waited(1, Duration::from_secs(1)).await.map(|waited| waited.as_secs());
    assert_eq!(trickling, Some(30));
}

#[tokio::test(start_paused = true)]
async fn a_slow_link_gets_as_long_as_it_takes() {
    // 4 kB/s, also where it comes in bursts with long pauses.
    assert_eq!(waited(4_000, Duration::from_secs(1)).await, None);
    assert_eq!(waited(80_000, Duration::from_secs(20)).await, None);
    assert_eq!(waited(1_000, Duration::from_secs(1)).await, None);
}

#[tokio::test(start_paused = true)]
async fn what_came_fast_earns_no_longer_silence() {
    let mut waiting = Waiting::start(PATIENCE);
    waiting.received(100_000_000);
    assert_eq!(waiting.deadline(), Instant::now() + PATIENCE.silence_max);
}

#[test]
fn a_body_has_its_time_on_the_slowest_link_until_a_faster_one_was_seen() {
    assert_eq!(PATIENCE.for_sending(0, 0), Duration::from_secs(30));
    assert_eq!(PATIENCE.for_sending(1_000_000, 0), Duration::from_secs(1_030));
    assert_eq!(PATIENCE.for_sending(1_000_000, 4_000), Duration::from_secs(1_030));
    assert_eq!(PATIENCE.for_sending(8_000_000, 16_000_000), Duration::from_secs(38));
}
