//! Syncing a store with a server: push what it lacks, then pull what we lack.
//!
//! What is said, and in which order, is [`laterbase_core::sync`]'s; here it gets a server to ask, a
//! store to write to, and a clock.

mod ahead;
mod watch;

use std::collections::BTreeMap;
use std::time::Duration;

use laterbase_core::id::{ReplicaId, RootName};
use laterbase_core::reader::{ReadError, Reader};
use laterbase_core::replica::WriteError;
use laterbase_core::selection::RootSelection;
use laterbase_core::store::StoreError;
use laterbase_core::sync::message::Answer;
use laterbase_core::sync::{Comparison, Session, SessionError, SessionOptions, Step};
use laterbase_directory::environment::random_bytes_16;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::time::{Instant, sleep};

use crate::client::{Client, ClientError, Introduction, Patience, ServerUrl, refusal};
use crate::local::Local;
use crate::transport::Transport;
use ahead::Ahead;

pub use laterbase_core::sync::{
    BackoffOptions, Distance, HeldBackChange, HeldBackNews, LeftOut, Level, PageOptions, Standing,
    SyncProgress, SyncReport, standings,
};
pub use watch::{OnSync, Watch, WatchOptions, watch};

/// What is synced, and how.
#[derive(Clone, Debug, Default)]
pub struct SyncOptions {
    /// The roots to sync. Others are neither sent nor asked for.
    pub roots: RootSelection,
    /// What those who watch the server are told of this side, beside its id.
    pub who: Introduction,
    /// How large pages are.
    pub pages: PageOptions,
    /// How often, and when, a failed request is made again.
    pub backoff: BackoffOptions,
    /// How long it goes on where nothing comes of it.
    pub headway: HeadwayOptions,
    /// How long the sync may hold the store; `None` for as long as it takes. When it is over, the
    /// sync ends behind the page that it is at, and the next one goes on there.
    pub pause: Option<Duration>,
}

/// How long a sync goes on where nothing comes of it. None of these bounds how long it takes where
/// something does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadwayOptions {
    /// How slow a single answer may come.
    pub patience: Patience,
    /// Answers in a row that bring nothing new, where the server says that there is more.
    pub idle_answers_max: u32,
    /// How long such answers may go on.
    pub idle_max: Duration,
}

impl Default for HeadwayOptions {
    fn default() -> Self {
        let SessionOptions { idle_answers_max, idle_max, .. } = SessionOptions::default();
        Self { patience: Patience::default(), idle_answers_max, idle_max }
    }
}

impl SyncOptions {
    fn of_session(&self, is_private: bool) -> SessionOptions {
        SessionOptions {
            roots: self.roots.clone(),
            pages: self.pages,
            backoff: self.backoff,
            idle_answers_max: self.headway.idle_answers_max,
            idle_max: self.headway.idle_max,
            pause: self.pause,
            is_private,
        }
    }
}

/// Hears how a sync is getting on.
pub type OnProgress<'p> = dyn FnMut(SyncProgress) + Send + 'p;

/// Pushes, then pulls, until the server holds everything that the store held, and the store
/// everything that the server held, when the sync began.
///
/// # Errors
/// [`SyncError`]. What was transferred until then is kept, and the next sync goes on from there.
pub async fn sync<L: Local, T: Transport>(
    local: &L,
    client: &Client<T>,
    options: &SyncOptions,
    on_progress: &mut OnProgress<'_>,
) -> Result<SyncReport, SyncError> {
    let client = client.with_patience(options.headway.patience);
    let traffic_before = client.traffic();
    let server = client.server().to_string();
    let options_of_session = options.of_session(local.is_private());
    let mut session = Session::new(local.reader().clone(), server, options_of_session);
    let (start, mut progress) = (Instant::now(), session.progress());
    let (mut ahead, mut last_error): (Option<Ahead<'_>>, _) = (None, None);
    loop {
        let step = blocking(|| session.poll(start.elapsed()));
        if session.progress() != progress {
            progress = session.progress();
            on_progress(progress);
        }
        match step {
            Step::Begin(question) => {
                ahead = Some(Ahead::start(&client, question, &options.who).await);
                session.handle_begun();
            }
            Step::Ask(question) => {
                match Ahead::or_ask(ahead.take(), &client, &question, &options.who).await {
                    Ok(answer) => session.handle_answer(answer),
                    Err(error) => {
                        session.handle_refusal(refusal(&question, &error));
                        last_error = Some(error);
                    }
                }
            }
            Step::Store(page) => session.handle_stored(blocking(|| local.merge_page(page))),
            Step::Remember(entries) => {
                session.handle_remembered(blocking(|| local.remember(entries)));
            }
            Step::Resolve { root, origin, keep } => {
                session.handle_resolved(blocking(|| local.resolve(&root, origin, keep)));
            }
            Step::Wait(pause) => {
                sleep(pause.at(random_byte())).await;
                session.handle_waited();
            }
            Step::Done(result) => {
                let traffic = client.traffic() - traffic_before;
                return match result {
                    Ok(report) => Ok(SyncReport {
                        requests: traffic.requests,
                        bytes_sent: traffic.bytes_sent,
                        bytes_received: traffic.bytes_received,
                        ..report
                    }),
                    Err(error) => Err(SyncError::of(error, last_error)),
                };
            }
        }
    }
}

pub(crate) fn random_byte() -> u8 {
    let [random, ..] = random_bytes_16();
    random
}

/// What a store remembers of a server: where it stands with it, as far as that is known without
/// asking. `None` if it has never met it.
///
/// # Errors
/// [`StoreError`] if the store fails, or what it remembers makes no sense.
pub fn level(reader: &Reader, server: &ServerUrl) -> Result<Option<Level>, StoreError> {
    laterbase_core::sync::level(reader, &server.to_string())
}

/// Asks a server what it holds, and compares it with a store root by root: how far the two are
/// behind each other, without syncing. Roots in which neither side lacks anything are listed too.
///
/// # Errors
/// [`ClientError`] if the server is not to be had, or what it says makes no sense.
pub async fn distances<T: Transport>(
    reader: &Reader,
    client: &Client<T>,
    selection: &RootSelection,
) -> Result<BTreeMap<RootName, Distance>, ClientError> {
    let mut comparison = Comparison::new(reader.clone(), selection.clone());
    loop {
        let asked = client.ask(&comparison.question(), &Introduction::default()).await;
        let is_end = match asked {
            Ok(Answer::Heads(heads)) => blocking(|| comparison.handle_answer(heads))
                .map_err(|detail| ClientError::Protocol { detail })?,
            Ok(_) => return Err(ClientError::protocol("it answers another question")),
            Err(error) if error.is_too_large() && comparison.make_smaller() => false,
            Err(error) => return Err(error),
        };
        if is_end {
            return Ok(comparison.finish());
        }
    }
}

/// Runs work that waits for the disk. Where the runtime has other threads, they take over what
/// this one would have done meanwhile.
fn blocking<R>(work: impl FnOnce() -> R) -> R {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::MultiThread => tokio::task::block_in_place(work),
        _ => work(),
    }
}

/// Why a sync did not get to its end. What was transferred is kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SyncError {
    /// The server refused something, or was not to be had for too long.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// What came could not be stored.
    #[error("what the server sent could not be stored")]
    Write(#[from] WriteError),
    /// What was to be sent could not be read.
    #[error("the store could not be read")]
    Read(#[from] ReadError),
    /// The local store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The server answers, but nothing comes of it.
    #[error("the sync makes no headway: {detail}")]
    Stuck {
        /// What does not fit.
        detail: &'static str,
    },
    /// The server writes under this store's own id.
    #[error("the server is this same replica, {replica}, or a copy that uses its id")]
    SameReplica {
        /// The id.
        replica: ReplicaId,
    },
}

impl SyncError {
    /// `last` is why the last question had no answer.
    fn of(error: SessionError, last: Option<ClientError>) -> Self {
        match error {
            SessionError::Nonsense { detail } => ClientError::Protocol { detail }.into(),
            SessionError::Write(error) => Self::Write(error),
            SessionError::Read(error) => Self::Read(error),
            SessionError::Store(error) => Self::Store(error),
            SessionError::Stuck { detail } => Self::Stuck { detail },
            SessionError::SameReplica { replica } => Self::SameReplica { replica },
            _ => last.unwrap_or_else(|| ClientError::protocol("it refused")).into(),
        }
    }
}
