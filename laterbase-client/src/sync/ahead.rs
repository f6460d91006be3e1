//! Requests that are under way while something else is done: the server works on the next page
//! while the last one is being stored here.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use futures_util::future::{MaybeDone, maybe_done};

use crate::client::ClientError;

type Asking<'c, A> = Pin<Box<dyn Future<Output = Result<A, ClientError>> + Send + 'c>>;

/// A request that was sent, and what it asks. Dropping it gives it up.
pub(super) struct Ahead<'c, Q, A> {
    question: Q,
    answer: MaybeDone<Asking<'c, A>>,
}

impl<'c, Q: PartialEq, A> Ahead<'c, Q, A> {
    /// Sends a request.
    pub(super) async fn start(
        question: Q,
        asking: impl Future<Output = Result<A, ClientError>> + Send + 'c,
    ) -> Self {
        let asking: Asking<'c, A> = Box::pin(asking);
        let mut answer = maybe_done(asking);
        // Once is enough: the request is with its connection then, which has a task of its own.
        poll_fn(|context| {
            let _not_yet = Pin::new(&mut answer).poll(context);
            Poll::Ready(())
        })
        .await;
        Self { question, answer }
    }

    /// Waits for the answer, if this is the question that it answers.
    pub(super) async fn answer(mut self, question: &Q) -> Option<Result<A, ClientError>> {
        if self.question != *question {
            return None;
        }
        (&mut self.answer).await;
        Pin::new(&mut self.answer).take_output()
    }

    /// The answer to a question: of what was asked ahead, if that was it, or of asking now.
    pub(super) async fn or_ask(
        ahead: Option<Self>,
        question: &Q,
        asking: impl Future<Output = Result<A, ClientError>>,
    ) -> Result<A, ClientError> {
        if let Some(ahead) = ahead
            && let Some(answer) = ahead.answer(question).await
        {
            return answer;
        }
        asking.await
    }
}

#[cfg(test)]
mod tests;
