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
        let pause = backoff.next_pause(None).expect("not the last try");
        assert_eq!(pause, Pause { least: whole / 2, most: whole });
        assert_eq!((pause.at(0), pause.at(u8::MAX)), (whole / 2, whole));
    }
    assert_eq!(backoff.next_pause(None), None);
}

#[test]
fn a_success_starts_the_count_anew() {
    let mut backoff = backoff();
    for _ in 0..3 {
        backoff.next_pause(None);
    }
    backoff.reset();
    assert!(backoff.next_pause(None).expect("the first failure").most <= SECOND);
}

#[test]
fn a_server_may_ask_for_more_time_within_bounds() {
    let mut backoff = backoff();
    let exactly = |wait| Some(Pause { least: wait, most: wait });
    assert_eq!(backoff.next_pause(Some(SECOND * 3)), exactly(SECOND * 3));
    assert_eq!(backoff.next_pause(Some(SECOND * 3600)), exactly(SECOND * 5));
}
