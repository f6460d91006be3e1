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

    /// Whether everything lies in it.
    pub const fn is_everything(&self) -> bool {
        self.occurred_from.is_none() && self.recorded_from.is_none()
    }

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
    /// The last place looked at, if the page ended because too much was passed over.
    pub cut: Option<Place>,
}

/// How far one page of an aggregate's events goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    /// Most events that are found.
    pub found_max: usize,
    /// Most events that are looked at and left out, by a few more.
    pub passed_over_max: usize,
}

impl Reach {
    /// As far as it takes to find so many.
    pub(super) const fn finding(found_max: usize) -> Self {
        Self { found_max, passed_over_max: usize::MAX }
    }
}

/// Rows that one scan takes where those before it found too little.
const SCAN_ROWS_MAX: usize = 4_096;

/// The next events of an aggregate in the window's order, none of them before or at `after`. Fewer
/// than were to be found, and no cut, means that there are no more. `spend` is told how many events
/// are looked at, and may object.
pub(super) fn places<E: From<StoreError>>(
    view: &View<'_>,
    prefix: &[u8],
    (axes, window): (&Axes, &Window),
    after: Option<Place>,
    reach: Reach,
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
    let mut done = PlacesPage { found: Vec::new(), excluded: None, cut: None };
    let (mut rows, mut passed_over) = (reach.found_max, 0);
    while done.found.len() < reach.found_max && start < end {
        let scan = Scan::range(Table::FoldIndex, &start, &end).limit(rows);
        let page = view.indexed(Scan { direction: window.order.direction(), ..scan })?;
        spend(page.len())?;
        for (key, position) in &page {
            let place =
                keys::place_of(key).ok_or_else(|| damaged(*position, CodecError::Malformed))?;
            let is_counted = axes.admit(&place, *position);
            if !is_counted {
                done.excluded = done.excluded.or(Some(place));
            }
            if is_counted && window.admits(place.occurred(), place.recorded()) {
                if done.found.len() < reach.found_max {
                    done.found.push((place, *position));
                }
            } else {
                passed_over += 1;
            }
        }
        let Some((last, position)) = page.last().filter(|_| page.len() == rows) else { break };
        if passed_over >= reach.passed_over_max && done.found.len() < reach.found_max {
            let place = keys::place_of(last);
            done.cut = Some(place.ok_or_else(|| damaged(*position, CodecError::Malformed))?);
            break;
        }
        match window.order {
            Order::Ascending => start = behind(last.clone()),
            Order::Descending => end.clone_from(last),
        }
        // What is left out may be all the rest: a scan of few rows each would take for ever.
        rows = rows.max(rows.saturating_mul(2).min(SCAN_ROWS_MAX));
    }
    Ok(done)
}

/// The first key behind one.
fn behind(mut key: Vec<u8>) -> Vec<u8> {
    key.push(0);
    key
}
