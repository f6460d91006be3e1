//! Which of an aggregate's events a read looks at.

use crate::codec::CodecError;
use crate::hlc::Hlc;
use crate::keys::{self, Place};
use crate::store::{StoreError, Table};
use crate::view::{View, damaged};

/// Which events of an aggregate a read looks at, and by which fold. The default is all events
/// and the root's default fold. Times are nanoseconds since 1970 UTC, inclusive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// The fold's name.
    pub fold: Option<String>,
    /// Only what happened until then (valid time).
    pub occurred_until: Option<i64>,
    /// Only what its origin recorded until then (transaction time).
    pub recorded_until: Option<i64>,
    /// Only what this replica knew then (arrival time).
    pub known_at: Option<i64>,
}

impl Query {
    /// Whether it looks at what lies within some times only.
    pub const fn is_timed(&self) -> bool {
        self.occurred_until.is_some() || self.recorded_until.is_some() || self.known_at.is_some()
    }

    /// Whether it looks at all events.
    pub(super) const fn is_whole(&self) -> bool {
        !self.is_timed()
    }
}

/// A query's time axes, resolved against a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Axes {
    occurred_until: i64,
    recorded_until: i64,
    /// The last arrival position that counts.
    position_max: u64,
}

impl Axes {
    pub(super) fn resolve(query: &Query, view: &View<'_>) -> Result<Self, StoreError> {
        let position_max = match query.known_at {
            Some(time) => view.last_arrived_until(time)?,
            None => view.head(),
        };
        Ok(Self {
            occurred_until: query.occurred_until.unwrap_or(i64::MAX),
            recorded_until: query.recorded_until.unwrap_or(i64::MAX),
            position_max,
        })
    }

    /// All events of a view.
    pub(super) const fn everything(view: &View<'_>) -> Self {
        let position_max = view.head();
        Self { occurred_until: i64::MAX, recorded_until: i64::MAX, position_max }
    }

    /// The events of a view that had arrived up to a position.
    pub(super) fn arrived_until(view: &View<'_>, position: u64) -> Self {
        Self { position_max: position.min(view.head()), ..Self::everything(view) }
    }

    /// Whether an event counts. What lies at or before every bound does.
    pub(super) fn admit(&self, place: &Place, position: u64) -> bool {
        self.know(place, position) && self.admit_occurred(place)
    }

    /// Whether it is known of an event, whenever it happened.
    pub(super) fn know(&self, place: &Place, position: u64) -> bool {
        position <= self.position_max && self.admit_recorded(place.recorded())
    }

    /// Whether an event with this stamp counts, as far as that goes.
    pub(super) fn admit_recorded(&self, recorded: Hlc) -> bool {
        self.recorded_until == i64::MAX || recorded.to_unix_nanos() <= self.recorded_until
    }

    /// The last arrival position that counts.
    pub(super) const fn position_max(&self) -> u64 {
        self.position_max
    }

    /// Whether an event at this place counts, as far as when it happened goes.
    pub(super) fn admit_occurred(&self, place: &Place) -> bool {
        place.occurred() <= self.occurred_until
    }

    /// The end, exclusive, of the index keys with a prefix that can count at all.
    pub(super) fn end(&self, prefix: &[u8]) -> Vec<u8> {
        let mut end = prefix.to_vec();
        match self.occurred_until.checked_add(1) {
            Some(after) => end.extend_from_slice(&Place::before(after).as_bytes()[..8]),
            None => end.extend_from_slice(&[0xff; 33]),
        }
        end
    }
}

/// A page of an aggregate's events.
pub(super) struct PlacesPage {
    /// Places and positions, in fold order.
    pub found: Vec<(Place, u64)>,
    /// The first event on the way that the axes leave out.
    pub excluded: Option<Place>,
}

/// The next events of an aggregate in fold order, at most `limit`, none of them before or at
/// `after`. Fewer than `limit` means that there are no more. `spend` is told how many events are
/// looked at, and may object.
pub(super) fn places<E: From<StoreError>>(
    view: &View<'_>,
    prefix: &[u8],
    axes: &Axes,
    after: Option<Place>,
    limit: usize,
    spend: impl Fn(usize) -> Result<(), E>,
) -> Result<PlacesPage, E> {
    let mut start = prefix.to_vec();
    if let Some(after) = after {
        start.extend_from_slice(after.as_bytes());
        start.push(0);
    }
    let end = axes.end(prefix);
    let (mut found, mut excluded) = (Vec::new(), None);
    while found.len() < limit {
        let page = view.indexed(Table::FoldIndex, &start, &end, limit)?;
        spend(page.len())?;
        for (key, position) in &page {
            let place =
                keys::place_of(key).ok_or_else(|| damaged(*position, CodecError::Malformed))?;
            if !axes.admit(&place, *position) {
                excluded = excluded.or(Some(place));
            } else if found.len() < limit {
                found.push((place, *position));
            }
        }
        match page.last() {
            Some((last, _)) if page.len() == limit => {
                start.clone_from(last);
                start.push(0);
            }
            _ => break,
        }
    }
    Ok(PlacesPage { found, excluded })
}
