#![allow(clippy::unwrap_used, reason = "tests")]

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::oneshot;

use super::*;

/// Mutation: no look at the question.
#[tokio::test]
async fn an_answer_is_only_given_to_the_question_that_was_asked() {
    let ahead = Ahead::start("from 7", ready(Ok(7))).await;
    assert!(ahead.answer(&"from 8").await.is_none());
    let ahead = Ahead::start("from 7", ready(Ok(7))).await;
    assert_eq!(ahead.answer(&"from 7").await.unwrap().unwrap(), 7);
}

/// Mutation: no first poll.
#[tokio::test]
async fn a_request_is_sent_before_its_answer_is_waited_for() {
    let (is_sent, (reply, answer)) = (Arc::new(AtomicBool::new(false)), oneshot::channel());
    let sent = Arc::clone(&is_sent);
    let asking = async move {
        sent.store(true, Ordering::Relaxed);
        Ok(answer.await.unwrap())
    };
    let ahead = Ahead::start((), asking).await;
    assert!(is_sent.load(Ordering::Relaxed));
    reply.send(9).unwrap();
    assert_eq!(ahead.answer(&()).await.unwrap().unwrap(), 9);
}
