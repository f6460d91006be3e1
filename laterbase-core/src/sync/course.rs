//! What a session goes through: comparing if need be, pushing, pulling, looking into forks.
//!
//! Where it is with the peer is one value, [`PeerState`], which is remembered with every page that is
//! stored and every answer that is taken in. A session may be given up between any two steps, and the
//! next one goes on from what is remembered.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use super::backoff::Backoff;
use super::compare::HeadsHeard;
use super::desk::Desk;
use super::headway::Headway;
use super::incoming::{After, Incoming};
use super::lacking::Excluded;
use super::message::Refusal;
use super::page::Page;
use super::page_size::PageSize;
use super::peer_state::{PeerState, Phase};
use super::standing::{Standing, is_theirs};
use super::{Place, SessionError, SessionOptions, SyncProgress, SyncReport};
use crate::fork::{Doubt, HeldBack};
use crate::id::ReplicaId;
use crate::limits::HEADS_ENTRIES_MAX;
use crate::reader::{Damaged, Reader, Remembered};
use crate::replica::{MergedPage, WriteError};

/// Answers in a row that do not come before the peer is given up.
const SILENCES_MAX: u32 = 2;

/// How often in one sync both sides say what they hold before it is given up.
const HANDSHAKES_MAX: u32 = 4;

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// This step is done.
    Done,
    /// It is unclear where the two sides stand with each other.
    Handshake,
    /// The sync has had its time.
    Paused,
}

/// Why something is to be tried again, or given up.
#[derive(Debug)]
pub(super) enum Failure {
    /// There is no answer.
    Refused(Refusal),
    /// What the peer says makes no sense. It may have been damaged on the way.
    Nonsense(String),
}

/// One sync with one peer.
pub(super) struct Course {
    reader: Reader,
    /// The name that the peer goes by here.
    name: String,
    pub(super) options: SessionOptions,
    pub(super) desk: Desk,
    /// As it is remembered, or will be with the next commit.
    pub(super) state: PeerState,
    backoff: Backoff,
    pub(super) page_size: PageSize,
    last_page: Duration,
    pub(super) headway: Headway,
    /// Answers in a row that did not come.
    silences: u32,
    /// How often in a row the link broke under a single large event.
    pub(super) breaks: u32,
    /// Most heads on the next page of them.
    pub(super) heads_max: usize,
    /// Whether the peer has answered anything in this sync.
    pub(super) was_heard: bool,
    /// Whether a page was too large to get through.
    was_refused: bool,
    /// Whether both sides have said what they hold.
    pub(super) has_compared: bool,
    pub(super) progress: SyncProgress,
    pub(super) excluded: Excluded,
    /// Forks that were met and not looked into yet, each with a seq that is known to differ.
    pub(super) doubts: BTreeMap<Place, u64>,
    pub(super) held_back: BTreeMap<Place, HeldBack>,
    /// What the last sync left where it was.
    standing: Standing,
    renewals_before: u64,
    /// Heads that the peer has sent in this sync.
    pub(super) heads_heard: HeadsHeard,
    deadline: Option<Duration>,
    more: bool,
}

impl Course {
    pub(super) fn begin(
        reader: Reader,
        name: String,
        options: SessionOptions,
        desk: Desk,
    ) -> Result<Self, SessionError> {
        let recalled = PeerState::recall(&reader, &name)?;
        let page_bytes = recalled.as_ref().and_then(|state| state.page_bytes);
        let mut state = recalled
            .filter(|state| state.fits(&reader, &options.roots) && !state.is_at_start())
            .unwrap_or_else(|| PeerState::unknown(&reader, &options.roots));
        state.page_bytes = page_bytes;
        Ok(Self {
            state,
            backoff: Backoff::new(options.backoff),
            page_size: PageSize::new(options.pages, page_bytes),
            last_page: desk.now(),
            headway: Headway::new(&options),
            silences: 0,
            breaks: 0,
            heads_max: options.pages.heads_max.clamp(1, HEADS_ENTRIES_MAX),
            was_heard: false,
            was_refused: false,
            has_compared: false,
            progress: SyncProgress::default(),
            excluded: Excluded::default(),
            doubts: BTreeMap::new(),
            held_back: BTreeMap::new(),
            standing: Standing::recall(&reader, &name)?,
            renewals_before: reader.renewals().last().map_or(0, |last| last.number + 1),
            heads_heard: HeadsHeard::default(),
            deadline: options.pause.map(|pause| desk.now() + pause),
            more: false,
            reader,
            name,
            options,
            desk,
        })
    }

    pub(super) async fn run(&mut self) -> Result<(), SessionError> {
        for _handshake in 0..=HANDSHAKES_MAX {
            match self.round().await? {
                Turn::Done => return Ok(()),
                Turn::Handshake => {
                    self.state = PeerState::unknown(&self.reader, &self.options.roots);
                    self.state.page_bytes = self.page_size.found();
                    // What did not come before may come now, but for what is as large as it was.
                    self.held_back.retain(|_, held| is_too_large(held));
                }
                Turn::Paused => {
                    self.more = true;
                    return Ok(());
                }
            }
        }
        Err(SessionError::Stuck { detail: "where the server stands keeps changing" })
    }

    async fn round(&mut self) -> Result<Turn, SessionError> {
        self.exclude_forks();
        let mut turn = match self.state.phase {
            Phase::Settled => Turn::Done,
            _ => self.handshake().await?,
        };
        if turn == Turn::Done {
            turn = self.push().await?;
        }
        if turn == Turn::Done {
            turn = self.pull().await?;
        }
        if turn == Turn::Done {
            turn = self.look_into_doubts().await?;
        }
        Ok(turn)
    }

    /// Events of an origin in doubt are not pushed: the other side would refuse the page.
    pub(super) fn exclude_forks(&mut self) {
        let forks = self.reader.forks().into_iter().map(|fork| (fork.root, fork.origin));
        let large = self.held_back.iter().filter(|(_, held)| is_too_large(held));
        self.excluded.places = forks.chain(large.map(|(place, _)| place.clone())).collect();
    }

    pub(super) const fn reader(&self) -> &Reader {
        &self.reader
    }

    pub(super) fn now(&self) -> Duration {
        self.desk.now()
    }

    /// Who the peer is.
    pub(super) fn peer(&self) -> ReplicaId {
        self.state.replica().expect("the peer has said so before anything else happens")
    }

    pub(super) fn is_out_of_time(&self) -> bool {
        self.deadline.is_some_and(|deadline| self.now() >= deadline)
    }

    /// Remembers something, and where the sync is now.
    pub(super) async fn commit(
        &mut self,
        mut entries: Vec<Remembered>,
        state: PeerState,
    ) -> Result<(), SessionError> {
        entries.push(state.entry(&self.name));
        self.desk.remember(entries).await?;
        self.state = state;
        Ok(())
    }

    /// Checks a page that the peer sent. Gives nothing if it is damaged, and has waited then.
    pub(super) async fn check(&mut self, bytes: Bytes) -> Result<Option<Page>, SessionError> {
        match Page::decode(bytes, &self.options.roots) {
            Ok(page) => Ok(Some(page)),
            Err(error) => {
                // It may have been damaged on the way; the next try asks for it again.
                self.page_failed(Failure::Nonsense(error.to_string())).await?;
                Ok(None)
            }
        }
    }

    /// Stores a page that the peer sent, with what it tells of the peer; `after` says where the
    /// session is then. Gives nothing if the page makes no sense, and has waited then.
    pub(super) async fn merge(
        &mut self,
        page: Page,
        after: After,
    ) -> Result<Option<MergedPage>, SessionError> {
        let incoming = Incoming {
            page,
            reader: self.reader.clone(),
            peer: self.peer(),
            name: self.name.clone(),
            state: self.state.clone(),
            after,
        };
        let outcome = match self.desk.store(incoming).await {
            Ok(taken) => {
                self.state = taken.state;
                taken.merged
            }
            Err(WriteError::Malformed(error)) => {
                // It may have been damaged on the way; the next try asks for it again.
                self.page_failed(Failure::Nonsense(error.to_string())).await?;
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        if outcome.merged.stored > 0 {
            self.headway.made();
        }
        self.progress.pulled += outcome.merged.stored;
        self.progress.to_pull = self.progress.to_pull.max(self.progress.pulled);
        self.note_held_back(&outcome.held_back);
        Ok(Some(outcome))
    }

    fn note_held_back(&mut self, held_back: &[HeldBack]) {
        for held in held_back {
            let place = (held.root.clone(), held.origin);
            if let Doubt::Fork { seq, .. } = held.reason {
                self.doubts.insert(place.clone(), seq);
            }
            self.held_back.insert(place, held.clone());
        }
    }

    /// Whether the local log was written anew, so that nothing that is remembered counts.
    pub(super) fn is_rewritten(&self) -> bool {
        !self.state.fits(&self.reader, &self.options.roots)
    }

    pub(super) fn tell_progress(&self) {
        self.desk.set_progress(self.progress);
    }

    pub(super) fn page_succeeded(&mut self) {
        (self.silences, self.was_heard) = (0, true);
        self.backoff.reset();
        let now = self.now();
        self.page_size.grow(now - std::mem::replace(&mut self.last_page, now));
        self.tell_progress();
    }

    /// Counts an answer that brought nothing.
    pub(super) fn idle(&mut self) -> Result<(), SessionError> {
        self.headway.idle(self.desk.now())
    }

    /// Makes no more pages as large as one of so many bytes, which did not get through.
    pub(super) fn page_refused(&mut self, bytes: usize) -> Result<(), SessionError> {
        self.page_size.refuse(bytes);
        self.state.page_bytes = self.page_size.found();
        self.was_refused = true;
        self.idle()
    }

    pub(super) async fn page_failed(
        &mut self,
        failure: impl Into<Failure>,
    ) -> Result<(), SessionError> {
        self.page_size.shrink();
        self.wait(failure.into()).await
    }

    /// Waits after a failure that may pass; any other is the end of the session.
    async fn wait(&mut self, failure: Failure) -> Result<(), SessionError> {
        let (may_pass, asked) = match &failure {
            Failure::Refused(Refusal::Busy { retry_after }) => (true, *retry_after),
            Failure::Refused(
                Refusal::Garbled | Refusal::Broken | Refusal::Silent | Refusal::Unclear,
            )
            | Failure::Nonsense(_) => (true, None),
            Failure::Refused(_) => (false, None),
        };
        let is_silence = matches!(failure, Failure::Refused(Refusal::Silent));
        self.silences = if is_silence { self.silences + 1 } else { 0 };
        if !may_pass || self.silences >= SILENCES_MAX {
            return Err(failure.into());
        }
        let Some(pause) = self.backoff.next_pause(asked) else { return Err(failure.into()) };
        self.desk.wait(pause).await;
        self.last_page = self.now();
        Ok(())
    }

    /// Says what was done, and remembers what was left where it is.
    pub(super) async fn finish(mut self) -> Result<SyncReport, SessionError> {
        self.gather_held_back();
        let (pushed, has_found) = (self.progress.pushed, self.page_size.found().is_some());
        if has_found && !self.was_refused && pushed > 0 && self.state.replica().is_some() {
            self.page_size.relax();
            self.state.page_bytes = self.page_size.found();
            self.commit(Vec::new(), self.state.clone()).await?;
        }
        let (desk, standing) = (self.desk.clone(), std::mem::take(&mut self.standing));
        let name = std::mem::take(&mut self.name);
        let report = self.into_report();
        let now = Standing::of(&name, &report);
        if now != standing {
            desk.remember(vec![now.entry()]).await?;
        }
        Ok(report)
    }

    /// Adds what was known before, and what the store knows of itself.
    fn gather_held_back(&mut self) {
        let reader = &self.reader;
        // Where both sides have said what they hold, what did not come has been found anew.
        let stands = |held: &HeldBack| self.more || (is_theirs(held) && !self.has_compared);
        let standing = self.standing.held_back.iter().filter(|held| stands(held)).cloned();
        for held in standing.collect::<Vec<_>>() {
            self.held_back.entry((held.root.clone(), held.origin)).or_insert(held);
        }
        for Damaged { root, origin, seq } in reader.damaged() {
            if self.options.roots.takes(&root) {
                let held = HeldBack { root, origin, seq, reason: Doubt::Damaged };
                self.held_back.insert((held.root.clone(), origin), held);
            }
        }
        for fork in reader.forks() {
            if self.options.roots.takes(&fork.root) {
                let (root, origin, seq) = (fork.root, fork.origin, fork.seq);
                let reason = Doubt::Fork { seq, is_located: fork.is_located };
                let place = (root.clone(), origin);
                self.held_back.insert(place, HeldBack { root, origin, seq, reason });
            }
        }
    }

    fn into_report(self) -> SyncReport {
        SyncReport {
            pushed: self.progress.pushed,
            pulled: self.progress.pulled,
            skipped: self.excluded.roots.into_iter().collect(),
            held_back: self.held_back.into_values().collect(),
            renewals: {
                let mut renewals = self.reader.renewals();
                renewals.retain(|renewal| renewal.number >= self.renewals_before);
                renewals
            },
            more: self.more,
            cursor: Some(self.state.cursor).filter(|cursor| !cursor.is_empty()),
            ..SyncReport::default()
        }
    }
}

const fn is_too_large(held: &HeldBack) -> bool {
    matches!(held.reason, Doubt::TooLarge { .. })
}

impl From<Failure> for SessionError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(_) => Self::Refused,
            Failure::Nonsense(detail) => Self::Nonsense { detail },
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
