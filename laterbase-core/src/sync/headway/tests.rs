use super::*;

const START: Duration = Duration::from_secs(1_000);
const SECOND: Duration = Duration::from_secs(1);

fn headway() -> Headway {
    Headway::new(&SessionOptions { idle_answers_max: 10, ..SessionOptions::default() })
}

#[test]
fn answers_that_bring_nothing_come_to_an_end() {
    let mut headway = headway();
    for _ in 0..10 {
        assert!(headway.idle(START).is_ok());
    }
    assert!(matches!(headway.idle(START), Err(SessionError::Stuck { .. })));
}

#[test]
fn slow_answers_that_bring_nothing_come_to_an_end_sooner() {
    let mut headway = headway();
    assert!(headway.idle(START).is_ok());
    assert!(headway.idle(START + 301 * SECOND).is_err());
}

#[test]
fn anything_new_begins_the_count_again() {
    let mut headway = headway();
    for number in 0..100 {
        assert!(headway.idle(START + number * 299 * SECOND).is_ok());
        headway.made();
    }
}
