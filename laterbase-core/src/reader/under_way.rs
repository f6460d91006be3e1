//! A fold that is under way: what it has come to, and how long its state may be.

use std::fmt::Write as _;
use std::sync::Arc;

use super::guarded::GuardedState;
use super::{AggregateState, Covered, FoldFailure, ReadError};
use crate::event::Event;
use crate::fold::{Applied, Fold};
use crate::hlc::Hlc;
use crate::id::{Dot, EventId, RootName};
use crate::keys::Place;
use crate::snapshot::{REASON_BYTES_MAX, Rung, Snapshot, VoidedMark};

/// Refused events that a read lists; the rest is only counted.
const REFUSED_LISTED_MAX: usize = 100;

/// How often its bound a state may be long before its last event.
const GROWTH_FACTOR: usize = 2;

/// Data of so large a fraction of a state's bound is folded before the state is measured again.
const MEASURE_DIVISOR: usize = 8;

/// A fold that is under way.
pub(super) struct Folding<'f> {
    pub fold: &'f dyn Fold,
    /// The root that the aggregate is in.
    pub root: &'f RootName,
    /// How long the state may be, as JSON text.
    pub bytes_max: usize,
    /// `None` while nothing was folded behind the snapshot that it started from.
    state: Option<GuardedState>,
    /// The place of the last event.
    pub place: Option<Place>,
    /// All but the state, which is that of the snapshot it started from.
    pub come_to: Snapshot,
    folded_count: u64,
    /// How long the state was when it was last measured, and the data folded since.
    measured_bytes: usize,
    bytes_since: usize,
}

impl<'f> Folding<'f> {
    pub(super) fn start(
        fold: &'f dyn Fold,
        root: &'f RootName,
        bytes_max: usize,
    ) -> Result<Self, FoldFailure> {
        let come_to = Snapshot {
            recorded_max: Hlc::ZERO,
            arrived_max: 0,
            digest: [0; 32],
            event_count: 0,
            voided: VoidedMark::default(),
            refused_count: 0,
            refused: Vec::new(),
            state: Arc::default(),
        };
        let state = GuardedState::start(fold).map_err(FoldFailure::code)?;
        Ok(Self { state: Some(state), ..Self::with(fold, root, bytes_max, None, come_to) })
    }

    /// Goes on from a snapshot, whose state is read once there is something to fold into it.
    pub(super) fn resume(
        fold: &'f dyn Fold,
        root: &'f RootName,
        bytes_max: usize,
        rung: Rung,
        snapshot: Snapshot,
    ) -> Self {
        Self::with(fold, root, bytes_max, Some(rung.place), snapshot)
    }

    fn with(
        fold: &'f dyn Fold,
        root: &'f RootName,
        bytes_max: usize,
        place: Option<Place>,
        come_to: Snapshot,
    ) -> Self {
        let measured_bytes = come_to.state.len();
        let (folded_count, bytes_since) = (0, 0);
        Self {
            fold,
            root,
            bytes_max,
            state: None,
            place,
            come_to,
            folded_count,
            measured_bytes,
            bytes_since,
        }
    }

    /// Reads the state of the snapshot that the fold goes on from, if it was not read yet. Says
    /// whether that is possible.
    pub(super) fn is_ready(&mut self) -> bool {
        if self.state.is_none() {
            self.state = GuardedState::resume(self.fold, &self.come_to.state).ok();
            self.come_to.state = Arc::default();
        }
        self.state.is_some()
    }

    pub(super) fn take(
        &mut self,
        place: Place,
        event: &Event<'_>,
        chain: &[u8; 32],
        standing: Standing,
    ) -> Result<(), FoldFailure> {
        self.come_to.digest = next_digest(&self.come_to.digest, chain, standing);
        self.come_to.event_count += 1;
        self.come_to.recorded_max = self.come_to.recorded_max.max(event.recorded);
        self.come_to.arrived_max = self.come_to.arrived_max.max(event.position);
        self.place = Some(place);
        self.folded_count += 1;
        match standing {
            Standing::Counts => {}
            Standing::Twin => return Ok(()),
            Standing::Voided => {
                self.come_to.voided = self.come_to.voided.and(&place);
                return Ok(());
            }
        }
        let state = self.state.as_mut().expect("the fold is ready");
        let applied = state.apply(event).map_err(|reason| FoldFailure::Event {
            event: EventId { root: self.root.clone(), dot: event.dot },
            reason,
        })?;
        if let Applied::Refused(refusal) = applied {
            self.refuse(event.dot, refusal.0);
        }
        self.measure(event.record.data.len())
    }

    fn refuse(&mut self, dot: Dot, mut reason: String) {
        self.come_to.refused_count += 1;
        if self.come_to.refused.len() < REFUSED_LISTED_MAX {
            reason.truncate(reason.floor_char_boundary(REASON_BYTES_MAX));
            self.come_to.refused.push((dot, reason));
        }
    }

    /// Bounds the state on the way, where it may be longer than in the end.
    fn measure(&mut self, data_bytes: usize) -> Result<(), FoldFailure> {
        self.bytes_since = self.bytes_since.saturating_add(data_bytes);
        let on_the_way_max = self.bytes_max.saturating_mul(GROWTH_FACTOR);
        let is_doubtful = self.measured_bytes.saturating_add(self.bytes_since) > on_the_way_max
            && self.bytes_since >= self.bytes_max / MEASURE_DIVISOR;
        if is_doubtful {
            (self.measured_bytes, self.bytes_since) = (self.state_json()?.len(), 0);
            self.check_length(self.measured_bytes, on_the_way_max)?;
        }
        Ok(())
    }

    fn check_length(&self, bytes: usize, bytes_max: usize) -> Result<(), FoldFailure> {
        if bytes <= bytes_max {
            return Ok(());
        }
        Err(FoldFailure::StateTooLarge { bytes, bytes_max: self.bytes_max })
    }

    fn state_json(&self) -> Result<Arc<Vec<u8>>, FoldFailure> {
        match &self.state {
            Some(state) => state.to_json().map(Arc::new).map_err(FoldFailure::code),
            None => Ok(Arc::clone(&self.come_to.state)),
        }
    }

    /// What was come to as a snapshot; `None` if the state is too long for one, or JSON does not
    /// carry it.
    pub(super) fn snapshot(&self) -> Result<Option<Snapshot>, FoldFailure> {
        let state = match &self.state {
            Some(state) => state.to_snapshot().map_err(FoldFailure::code)?.map(Arc::new),
            None => Some(Arc::clone(&self.come_to.state)),
        };
        let state = state.filter(|state| state.len() <= self.bytes_max);
        Ok(state.map(|state| Snapshot { state, ..self.come_to.clone() }))
    }

    pub(super) fn finish(mut self, position: u64) -> Result<Option<AggregateState>, ReadError> {
        let Some(place) = self.place else { return Ok(None) };
        let state = self.state_json()?;
        self.check_length(state.len(), self.bytes_max)?;
        if let Some(ended) = self.state.take() {
            ended.end().map_err(FoldFailure::code)?;
        }
        let come_to = self.come_to;
        let of = |(dot, reason)| (EventId { root: self.root.clone(), dot }, reason);
        Ok(Some(AggregateState {
            state: Arc::unwrap_or_clone(state),
            etag: etag(&come_to.digest),
            event_count: come_to.event_count,
            refused_count: come_to.refused_count,
            refused: come_to.refused.into_iter().map(of).collect(),
            folded_count: self.folded_count,
            covered: Covered {
                occurred_last: place.occurred(),
                recorded_last: come_to.recorded_max.to_unix_nanos(),
                position,
            },
        }))
    }
}

/// How an event stands to a fold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Counts,
    /// An earlier one has its idempotency key.
    Twin,
    /// Another one takes it back.
    Voided,
}

/// The digest of a fold's events, with one more.
pub(super) fn next_digest(digest: &[u8; 32], chain: &[u8; 32], standing: Standing) -> [u8; 32] {
    let mut input = [0; 65];
    input[..32].copy_from_slice(digest);
    input[32..64].copy_from_slice(chain);
    let is_voided = standing == Standing::Voided;
    input[64] = u8::from(is_voided);
    *blake3::hash(if is_voided { &input } else { &input[..64] }).as_bytes()
}

pub(super) fn etag(digest: &[u8; 32]) -> String {
    digest[..16].iter().fold(String::with_capacity(32), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
