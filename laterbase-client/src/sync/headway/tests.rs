use super::*;

fn headway() -> Headway {
    let options = HeadwayOptions::default();
    Headway::new(HeadwayOptions { idle_answers_max: 10, ..options })
}

#[tokio::test(start_paused = true)]
async fn answers_that_bring_nothing_come_to_an_end() {
    let mut headway = headway();
    for _ in 0..10 {
        assert!(headway.idle().is_ok());
    }
    assert!(matches!(headway.idle(), Err(SyncError::Stuck { .. })));
}

#[tokio::test(start_paused = true)]
async fn slow_answers_that_bring_nothing_come_to_an_end_sooner() {
    let mut headway = headway();
    assert!(headway.idle().is_ok());
    tokio::time::advance(Duration::from_secs(301)).await;
    assert!(headway.idle().is_err());
}

#[tokio::test(start_paused = true)]
async fn anything_new_begins_the_count_again() {
    let mut headway = headway();
    for _ in 0..100 {
        assert!(headway.idle().is_ok());
        tokio::time::advance(Duration::from_secs(299)).await;
        headway.made();
    }
}
