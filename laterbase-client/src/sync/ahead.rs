//! A question that is under way while something else is done: the server works on the next page
//! while the last one is being stored here.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use futures_util::future::{MaybeDone, maybe_done};
use laterbase_core::sync::message::{Answer, Question};

use crate::client::{Client, ClientError, Introduction};
use crate::transport::Transport;

type Asking<'c> = Pin<Box<dyn Future<Output = Result<Answer, ClientError>> + Send + 'c>>;

/// A question that was put. Dropping it gives it up.
pub(super) struct Ahead<'c> {
    question: Question,
    answer: MaybeDone<Asking<'c>>,
}

impl<'c> Ahead<'c> {
    /// Puts a question.
    pub(super) async fn start<T: Transport>(
        client: &'c Client<T>,
        question: Question,
        who: &'c Introduction,
    ) -> Self {
        let asked = question.clone();
        let asking: Asking<'c> = Box::pin(async move { client.ask(&asked, who).await });
        let mut answer = maybe_done(asking);
        // Once is enough: the request is with its connection then, which has a task of its own.
        poll_fn(|context| {
            let _not_yet = Pin::new(&mut answer).poll(context);
            Poll::Ready(())
        })
        .await;
        Self { question, answer }
    }

    /// The answer to a question: of what was asked ahead, if that was it, or of asking now.
    pub(super) async fn or_ask<T: Transport>(
        ahead: Option<Self>,
        client: &Client<T>,
        question: &Question,
        who: &Introduction,
    ) -> Result<Answer, ClientError> {
        if let Some(mut ahead) = ahead
            && question.is_answered_with(&ahead.question)
        {
            (&mut ahead.answer).await;
            if let Some(answer) = Pin::new(&mut ahead.answer).take_output() {
                return answer;
            }
        }
        client.ask(question, who).await
    }
}
