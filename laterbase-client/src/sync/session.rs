//! One sync with one server.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use laterbase_core::fork::{Doubt, HeldBack};
use laterbase_core::id::ReplicaId;
use laterbase_core::limits::HEADS_ENTRIES_MAX;
use laterbase_core::reader::{Damaged, Reader, Remembered};
use laterbase_core::replica::{MergedPage, WriteError};
use tokio::time::Instant;

use super::backoff::Backoff;
use super::handshake::HeadsHeard;
use super::headway::Headway;
use super::lacking::Excluded;
use super::page::Page;
use super::page_size::PageSize;
use super::server_state::{Phase, ServerState};
use super::standing::{Standing, is_theirs};
use super::{OnProgress, SyncError, SyncOptions, SyncProgress, SyncReport, blocking};
use crate::client::{Client, ClientError, Traffic};
use crate::local::{IncomingPage, Local, Staged};
use crate::peers::{self, Place};
use crate::transport::Transport;

/// Answers in a row that do not come before the server is given up.
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

/// One sync with one server.
pub(super) struct Session<'s, L, T> {
    pub(super) local: &'s L,
    pub(super) client: &'s Client<T>,
    pub(super) options: &'s SyncOptions,
    on_progress: &'s mut OnProgress<'s>,
    /// As it is remembered, or will be with the next commit.
    pub(super) state: ServerState,
    backoff: Backoff,
    pub(super) page_size: PageSize,
    last_page: Instant,
    pub(super) headway: Headway,
    /// Answers in a row that did not come.
    silences: u32,
    /// How often in a row the link broke under a single large event.
    pub(super) breaks: u32,
    /// Most heads on the next page of them.
    pub(super) heads_max: usize,
    /// Whether the server has answered anything in this sync.
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
    /// Heads that the server has sent in this sync.
    pub(super) heads_heard: HeadsHeard,
    deadline: Option<Instant>,
    more: bool,
    traffic_before: Traffic,
}

impl<'s, L: Local, T: Transport> Session<'s, L, T> {
    pub(super) fn open(
        local: &'s L,
        client: &'s Client<T>,
        options: &'s SyncOptions,
        on_progress: &'s mut OnProgress<'_>,
    ) -> Result<Self, SyncError> {
        let reader = local.reader();
        let recalled = blocking(|| ServerState::recall(reader, client.server()))?;
        let page_bytes = recalled.as_ref().and_then(|state| state.page_bytes);
        let mut state = recalled
            .filter(|state| state.fits(reader, &options.roots) && !state.is_at_start())
            .unwrap_or_else(|| ServerState::unknown(reader, &options.roots));
        state.page_bytes = page_bytes;
        Ok(Self {
            local,
            client,
            options,
            on_progress,
            state,
            backoff: Backoff::new(options.backoff),
            page_size: PageSize::new(options.pages, page_bytes),
            last_page: Instant::now(),
            headway: Headway::new(options.headway),
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
            standing: blocking(|| Standing::recall(reader, client.server()))?,
            renewals_before: reader.renewals().last().map_or(0, |last| last.number + 1),
            heads_heard: HeadsHeard::default(),
            deadline: options.pause.map(|pause| Instant::now() + pause),
            more: false,
            traffic_before: client.traffic(),
        })
    }

    pub(super) async fn run(&mut self) -> Result<(), SyncError> {
        for _handshake in 0..=HANDSHAKES_MAX {
            match self.round().await? {
                Turn::Done => return Ok(()),
                Turn::Handshake => {
                    self.state = ServerState::unknown(self.reader(), &self.options.roots);
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
        Err(SyncError::Stuck { detail: "where the server stands keeps changing" })
    }

    async fn round(&mut self) -> Result<Turn, SyncError> {
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
        let forks = self.reader().forks().into_iter().map(|fork| (fork.root, fork.origin));
        let large = self.held_back.iter().filter(|(_, held)| is_too_large(held));
        self.excluded.places = forks.chain(large.map(|(place, _)| place.clone())).collect();
    }

    pub(super) fn reader(&self) -> &'s Reader {
        self.local.reader()
    }

    /// Who the server is.
    pub(super) fn peer(&self) -> ReplicaId {
        self.state.replica().expect("the server has said so before anything else happens")
    }

    pub(super) fn is_out_of_time(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Remembers something, and where the sync is now.
    pub(super) fn commit(
        &mut self,
        mut entries: Vec<Remembered>,
        state: ServerState,
    ) -> Result<(), SyncError> {
        entries.push(state.entry(self.client.server()));
        blocking(|| self.local.remember(entries))?;
        self.state = state;
        Ok(())
    }

    /// Checks a page that the server sent. Gives nothing if it is damaged, and has waited then.
    pub(super) async fn check(&mut self, bytes: Bytes) -> Result<Option<Page>, SyncError> {
        match blocking(|| Page::decode(bytes, &self.options.roots)) {
            Ok(page) => Ok(Some(page)),
            Err(error) => {
                // It may have been damaged on the way; the next try asks for it again.
                self.page_failed(ClientError::protocol(error.to_string())).await?;
                Ok(None)
            }
        }
    }

    /// Stores a page that the server sent, with what it tells of the server. `step` says where
    /// the sync is then. Gives nothing if the page makes no sense, and has waited then.
    pub(super) async fn merge(
        &mut self,
        page: Page,
        step: impl Fn(&mut ServerState, &Staged<'_>) + Send + 'static,
    ) -> Result<Option<MergedPage>, SyncError> {
        let (reader, peer) = (self.reader().clone(), self.peer());
        let (server, state) = (self.client.server().clone(), self.state.clone());
        let remembering = move |staged: Staged<'_>| {
            let mut entries = acknowledged_by(&reader, peer, &staged)?;
            let mut state = state.clone();
            state.merged(staged.after_position, staged.merged.merged.stored);
            step(&mut state, &staged);
            entries.push(state.entry(&server));
            Ok(entries)
        };
        let page = IncomingPage::new(page, Box::new(remembering));
        let outcome = match blocking(|| self.local.merge_page(page)) {
            Ok(outcome) => outcome,
            Err(WriteError::Malformed(error)) => {
                // It may have been damaged on the way; the next try asks for it again.
                self.page_failed(ClientError::protocol(error.to_string())).await?;
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        if let Some(state) = blocking(|| ServerState::recall(self.reader(), self.client.server()))?
        {
            self.state = state;
        }
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
        !self.state.fits(self.reader(), &self.options.roots)
    }

    pub(super) fn tell_progress(&mut self) {
        (self.on_progress)(self.progress);
    }

    pub(super) fn page_succeeded(&mut self) {
        (self.silences, self.was_heard) = (0, true);
        self.backoff.reset();
        let now = Instant::now();
        self.page_size.grow(now - std::mem::replace(&mut self.last_page, now));
        self.tell_progress();
    }

    /// Makes no more pages as large as one of so many bytes, which did not get through.
    pub(super) fn page_refused(&mut self, bytes: usize) -> Result<(), SyncError> {
        self.page_size.refuse(bytes);
        self.state.page_bytes = self.page_size.found();
        self.was_refused = true;
        self.headway.idle()
    }

    pub(super) async fn page_failed(&mut self, error: ClientError) -> Result<(), SyncError> {
        self.page_size.shrink();
        self.wait(error).await
    }

    /// Waits after a failure that may pass; any other is the end of the sync.
    async fn wait(&mut self, error: ClientError) -> Result<(), SyncError> {
        if !error.is_transient() && !is_damaged_on_the_way(&error) {
            return Err(error.into());
        }
        self.silences = if error.is_silence() { self.silences + 1 } else { 0 };
        if self.silences >= SILENCES_MAX {
            return Err(error.into());
        }
        match self.backoff.next_delay(error.retry_after()) {
            Some(delay) => tokio::time::sleep(delay).await,
            None => return Err(error.into()),
        }
        self.last_page = Instant::now();
        Ok(())
    }

    /// Says what was done, and remembers what was left where it is.
    pub(super) fn finish(mut self) -> Result<SyncReport, SyncError> {
        self.gather_held_back();
        let (pushed, has_found) = (self.progress.pushed, self.page_size.found().is_some());
        if has_found && !self.was_refused && pushed > 0 && self.state.replica().is_some() {
            self.page_size.relax();
            self.state.page_bytes = self.page_size.found();
            self.commit(Vec::new(), self.state.clone())?;
        }
        let (local, standing) = (self.local, std::mem::take(&mut self.standing));
        let server = self.client.server();
        let report = self.into_report();
        let now = Standing::of(server, &report);
        if now != standing {
            blocking(|| local.remember(vec![now.entry()]))?;
        }
        Ok(report)
    }

    /// Adds what was known before, and what the store knows of itself.
    fn gather_held_back(&mut self) {
        let reader = self.reader();
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
        let traffic = self.client.traffic() - self.traffic_before;
        SyncReport {
            pushed: self.progress.pushed,
            pulled: self.progress.pulled,
            requests: traffic.requests,
            bytes_sent: traffic.bytes_sent,
            bytes_received: traffic.bytes_received,
            skipped: self.excluded.roots.into_iter().collect(),
            held_back: self.held_back.into_values().collect(),
            renewals: {
                let mut renewals = self.local.reader().renewals();
                renewals.retain(|renewal| renewal.number >= self.renewals_before);
                renewals
            },
            more: self.more,
            cursor: Some(self.state.cursor).filter(|cursor| !cursor.is_empty()),
        }
    }
}

const fn is_too_large(held: &HeldBack) -> bool {
    matches!(held.reason, Doubt::TooLarge { .. })
}

/// What a page of a peer's proves that the peer holds, as far as that is news.
fn acknowledged_by(
    reader: &Reader,
    peer: ReplicaId,
    staged: &Staged<'_>,
) -> Result<Vec<Remembered>, WriteError> {
    let held_back = staged.merged.held_back.iter();
    let held_back: BTreeSet<_> =
        held_back.map(|held| (&held.root, held.origin, held.seq)).collect();
    let mut entries = Vec::new();
    for run in &staged.delta.runs {
        let is_held_back = held_back.contains(&(&run.root, run.origin, run.first_seq));
        let place = (&run.root, run.origin);
        if !is_held_back && peers::acknowledged_seq(reader, peer, place)? < run.last_seq() {
            entries.push(peers::entry(peer, place, run.last_seq()));
        }
    }
    Ok(entries)
}

/// Whether the server could not read what was sent, though it was sent as it should be.
fn is_damaged_on_the_way(error: &ClientError) -> bool {
    error.problem().is_some_and(|problem| {
        problem.is("malformed-delta")
            || problem.is("malformed-request")
            || problem.is("malformed-wants")
    })
}
