//! Which of an aggregate's events a read looks at.

use crate::codec::CodecError;
use crate::hlc::Hlc;
use crate::keys::{self, Place};
use crate::store::{Direction, Scan, StoreError, Table};
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

/// Which of the events that a query looks at are listed, and from which end. The default is all of
/// them, as they happened. Times are nanoseconds since 1970 UTC, inclusive.
///
/// It narrows what is listed, and not what is known: an event that is left out still takes back
/// what it takes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// Only what happened at that time or later.
    pub occurred_from: Option<i64>,
    /// Only what its origin recorded at that time or later.
    pub recorded_from: Option<i64>,
    /// Which end comes first.
    pub order: Order,
}

/// Which end of a list comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// What comes first in fold order, or arrived first.
    #[default]
    Ascending,
    /// What comes last.
    Descending,
}

impl Order {
    pub(super) const fn direction(self) -> Direction {
        match self {
            Self::Ascending => Direction::Forward,
            Self::Descending => Direction::Backward,
        }
    }
}

impl Window {
    pub(super) const ALL: Self =
        Self { occurred_from: None, recorded_from: None, order: Order::Ascending };

    pub(super) fn admits(&self, occurred: i64, recorded: Hlc) -> bool {
        self.occurred_from.is_none_or(|from| occurred >= from)
            && self.recorded_from.is_none_or(|from| recorded.to_unix_nanos() >= from)
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

/// The next events of an aggregate in the window's order, at most `limit`, none of them before or
/// at `after`. Fewer than `limit` means that there are no more. `spend` is told how many events are
/// looked at, and may object.
pub(super) fn places<E: From<StoreError>>(
    view: &View<'_>,
    prefix: &[u8],
    (axes, window): (&Axes, &Window),
    after: Option<Place>,
    limit: usize,
    spend: impl Fn(usize) -> Result<(), E>,
) -> Result<PlacesPage, E> {
    let key = |place: Place| [prefix, place.as_bytes()].concat();
    let mut start = window.occurred_from.map_or(prefix.to_vec(), |from| key(Place::before(from)));
    let mut end = axes.end(prefix);
    match (window.order, after.map(key)) {
        (Order::Ascending, Some(after)) => start = start.max(behind(after)),
        (Order::Descending, Some(after)) => end = end.min(after),
        (_, None) => {}
    }
    let (mut found, mut excluded) = (Vec::new(), None);
    while found.len() < limit && start < end {
        let scan = Scan::range(Table::FoldIndex, &start, &end).limit(limit);
        let page = view.indexed(Scan { direction: window.order.direction(), ..scan })?;
        spend(page.len())?;
        for (key, position) in &page {
            let place =
                keys::place_of(key).ok_or_else(|| damaged(*position, CodecError::Malformed))?;
            if !axes.admit(&place, *position) {
                excluded = excluded.or(Some(place));
            } else if found.len() < limit && window.admits(place.occurred(), place.recorded()) {
                found.push((place, *position));
            }
        }
        let Some((last, _)) = page.last().filter(|_| page.len() == limit) else { break };
        match window.order {
            Order::Ascending => start = behind(last.clone()),
            Order::Descending => end.clone_from(last),
        }
    }
    Ok(PlacesPage { found, excluded })
}

/// The first key behind one.
fn behind(mut key: Vec<u8>) -> Vec<u8> {
    key.push(0);
    key
}
