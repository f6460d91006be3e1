use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn backoff() -> Backoff {
    let longest = SECOND * 5;
    Backoff::new(BackoffOptions { first: SECOND, longest, failures_max: 5 })
}

#[test]
fn waits_double_up_to_the_longest_and_then_end() {
    let mut backoff = backoff();
    for whole in [SECOND, SECOND * 2, SECOND * 4, SECOND * 5] {
        let delay = backoff.next_delay(None).expect("not the last try");
        assert!((whole / 2..=whole).contains(&delay), "{delay:?} of {whole:?}");
    }
    assert_eq!(backoff.next_delay(None), None);
}

#[test]
fn a_success_starts_the_count_anew() {
    let mut backoff = backoff();
    for _ in 0..3 {
        backoff.next_delay(None);
    }
    backoff.reset();
    assert!(backoff.next_delay(None).expect("the first failure") <= SECOND);
}

#[test]
fn a_server_may_ask_for_more_time_within_bounds() {
    let mut backoff = backoff();
    assert_eq!(backoff.next_delay(Some(SECOND * 3)), Some(SECOND * 3));
    assert_eq!(backoff.next_delay(Some(SECOND * 3600)), Some(SECOND * 5));
}
