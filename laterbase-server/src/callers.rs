//! Who synced with this server lately, and what of the log they lack.
//!
//! It is in memory, bounded, and nothing depends on it: a server that is restarted knows nobody,
//! until they come back.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use laterbase_core::cursor::Cursor;
use laterbase_core::id::ReplicaId;
use laterbase_core::selection::RootSelection;

pub(crate) use survey::Surveyed;

mod survey;

/// Callers that are remembered. One that is new takes the place of the one that was seen longest
/// ago, of those at the address with the most of them: who makes up names loses their own.
pub(crate) const CALLERS_MAX: usize = 1_000;

const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// Longest text of a selection of roots that is remembered of a caller.
const SELECTION_BYTES_MAX: usize = 1_024;

/// Where requests come from: one per connection, known to all its requests.
#[derive(Clone, Debug)]
pub(crate) struct Caller(Arc<Connection>);

#[derive(Debug)]
struct Connection {
    number: u64,
    address: Option<IpAddr>,
    replica: Mutex<Option<ReplicaId>>,
}

impl Caller {
    pub(crate) fn at(address: Option<IpAddr>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(Arc::new(Connection { number, address, replica: Mutex::default() }))
    }
}

/// Who asks, as far as is known.
#[derive(Clone, Debug)]
pub(crate) struct Asking {
    pub caller: Caller,
    /// As the request says itself.
    pub replica: Option<ReplicaId>,
    /// What else it says of the replica.
    pub said: Said,
}

/// What a caller says of itself for those who watch the server. Nobody checks it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// What it is called.
    pub name: Option<String>,
    /// What its clock shows, in seconds since 1970 UTC.
    pub time: Option<i64>,
}

/// Whom a caller is known as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Name {
    /// A replica, as it said itself.
    Replica(ReplicaId),
    /// Somebody who has not said who they are.
    Address(IpAddr),
}

/// What a request for arrivals says of its caller.
#[derive(Clone, Debug)]
pub(crate) struct Holding {
    /// How far the caller has come in the log.
    pub cursor: Cursor,
    /// The roots that it takes.
    pub selection: RootSelection,
    /// The origins whose events it has; the first is its own.
    pub not_of: Vec<ReplicaId>,
}

/// What an answer does once it was sent. It goes along with it.
#[derive(Clone, Debug)]
pub(crate) struct Deal {
    name: Name,
    /// A page of events that the caller gave.
    takes_page: bool,
    /// A page of events that the caller got.
    gives_page: bool,
    /// How far the caller has come with it.
    cursor: Option<Cursor>,
}

/// Pages of events that went both ways, and their bytes on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub pages_given: u64,
    pub bytes_given: u64,
    pub pages_taken: u64,
    pub bytes_taken: u64,
}

impl Traffic {
    pub(crate) fn add(&mut self, other: Self) {
        self.pages_given += other.pages_given;
        self.bytes_given += other.bytes_given;
        self.pages_taken += other.pages_taken;
        self.bytes_taken += other.bytes_taken;
    }
}

/// The callers of one server.
#[derive(Debug, Default)]
pub(crate) struct Callers(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    by_name: BTreeMap<Name, Entry>,
    next_turn: u64,
    /// Of those that are remembered no more.
    forgotten: Traffic,
}

#[derive(Clone, Debug)]
struct Entry {
    address: Option<IpAddr>,
    /// The only connection that it was seen on.
    connection: Option<u64>,
    /// When it was seen, in nanoseconds since 1970 UTC.
    seen: i64,
    /// The order in which callers were met first.
    met: u64,
    /// The order in which they were seen last.
    turn: u64,
    traffic: Traffic,
    /// What it is called, and by how many seconds its clock was ahead when it last said.
    called: Option<String>,
    clock_ahead: Option<i64>,
    place: Option<Place>,
}

/// Where a caller stands in the log.
#[derive(Clone, Debug)]
struct Place {
    /// Up to here it has everything that it takes.
    cursor: Cursor,
    /// `None` if it is too long to be remembered.
    selection: Option<RootSelection>,
    not_of: Vec<ReplicaId>,
    /// What was found behind the cursor, and up to where.
    looked: survey::Looked,
}

impl Callers {
    fn table(&self) -> MutexGuard<'_, Table> {
        // Each change leaves the table whole, so a panic elsewhere does no harm.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A caller says what it holds. `None` if nothing tells who it is.
    pub(crate) fn asks(&self, asking: &Asking, holding: &Holding, now: i64) -> Option<Deal> {
        let said = asking.replica.or(holding.not_of.first().copied());
        let mut table = self.table();
        let (name, entry) = table.meet(&asking.caller, said, now)?;
        if asking.said != Said::default() {
            let Said { name: called, time } = asking.said.clone();
            let ahead = |time: i64| time.saturating_sub(now.div_euclid(NANOS_PER_SECOND));
            (entry.called, entry.clock_ahead) = (called, time.map(ahead));
        }
        let is_same = entry.place.as_ref().is_some_and(|place| place.is_of(holding));
        if !is_same {
            entry.place = Some(Place::new(holding));
        }
        Some(Deal { name, takes_page: false, gives_page: false, cursor: None })
    }

    /// A caller compares: what it holds is not known until it is done with that.
    pub(crate) fn compares(&self, asking: &Asking, now: i64) {
        if let Some((_, entry)) = self.table().meet(&asking.caller, asking.replica, now) {
            entry.place = None;
        }
    }

    /// A caller gives a page, or asks for one by name.
    pub(crate) fn deals(&self, asking: &Asking, now: i64) -> Option<Deal> {
        let (name, _) = self.table().meet(&asking.caller, asking.replica, now)?;
        Some(Deal { name, takes_page: false, gives_page: false, cursor: None })
    }

    /// The answer was sent, whole or not.
    pub(crate) fn settle(&self, deal: &Deal, is_whole: bool, bytes_in: u64, bytes_out: u64) {
        let mut table = self.table();
        let Some(entry) = table.by_name.get_mut(&deal.name) else { return };
        entry.traffic.add(deal.traffic(bytes_in, bytes_out));
        if let (Some(place), Some(cursor), true) = (&mut entry.place, deal.cursor, is_whole) {
            place.come_to(cursor);
        }
    }

    fn entries(&self) -> (Vec<(Name, Entry)>, Traffic) {
        let table = self.table();
        let entries = table.by_name.iter().map(|(name, entry)| (*name, entry.clone()));
        (entries.collect(), table.forgotten)
    }

    /// Keeps what a look has found, unless the caller has moved on.
    fn keep(&self, name: Name, place: Place) {
        let mut table = self.table();
        let known = table.by_name.get_mut(&name).and_then(|entry| entry.place.as_mut());
        if let Some(known) = known.filter(|known| known.cursor == place.cursor) {
            known.looked = place.looked;
        }
    }
}

impl Deal {
    /// The caller gets a page, and with it comes so far.
    pub(crate) fn giving(self, cursor: Option<Cursor>) -> Self {
        Self { gives_page: true, cursor, ..self }
    }

    /// The caller gets nothing, as there is nothing for it up to there.
    pub(crate) fn reaching(self, cursor: Cursor) -> Self {
        Self { cursor: Some(cursor), ..self }
    }

    /// The caller gave a page.
    pub(crate) fn taking(self) -> Self {
        Self { takes_page: true, ..self }
    }

    fn traffic(&self, bytes_in: u64, bytes_out: u64) -> Traffic {
        let (given, taken) = (u64::from(self.gives_page), u64::from(self.takes_page));
        Traffic {
            pages_given: given,
            bytes_given: given * bytes_out,
            pages_taken: taken,
            bytes_taken: taken * bytes_in,
        }
    }
}

impl Place {
    fn new(holding: &Holding) -> Self {
        let Holding { cursor, selection, not_of } = holding;
        let is_short = selection.to_string().len() <= SELECTION_BYTES_MAX;
        Self {
            cursor: *cursor,
            selection: is_short.then(|| selection.clone()),
            not_of: not_of.clone(),
            looked: survey::Looked::at(*cursor),
        }
    }

    /// Whether the same was said before, so that what was found behind it still holds.
    fn is_of(&self, holding: &Holding) -> bool {
        self.cursor == holding.cursor
            && self.selection.as_ref() == Some(&holding.selection)
            && self.not_of == holding.not_of
    }

    fn come_to(&mut self, cursor: Cursor) {
        (self.cursor, self.looked) = (cursor, survey::Looked::at(cursor));
    }
}

impl Table {
    /// The entry of a caller, who may have said who they are just now or on the same connection
    /// before.
    fn meet(
        &mut self,
        caller: &Caller,
        said: Option<ReplicaId>,
        now: i64,
    ) -> Option<(Name, &mut Entry)> {
        let Connection { number, address, replica } = &*caller.0;
        let known = {
            let mut known = replica.lock().unwrap_or_else(PoisonError::into_inner);
            *known = said.or(*known);
            *known
        };
        let name = known.map(Name::Replica).or(address.map(Name::Address))?;
        let mut before = Traffic::default();
        if let (Name::Replica(_), Some(address)) = (name, address) {
            // What came before the name, on this connection alone, was of the same caller.
            let unnamed = Name::Address(*address);
            let is_same =
                self.by_name.get(&unnamed).is_some_and(|it| it.connection == Some(*number));
            let unnamed = is_same.then(|| self.by_name.remove(&unnamed)).flatten();
            before = unnamed.map_or(before, |unnamed| unnamed.traffic);
        }
        if !self.by_name.contains_key(&name) {
            self.make_room();
        }
        self.next_turn += 1;
        let turn = self.next_turn;
        let entry = self.by_name.entry(name).or_insert_with(|| Entry {
            address: *address,
            connection: Some(*number),
            seen: now,
            met: turn,
            turn,
            traffic: Traffic::default(),
            called: None,
            clock_ahead: None,
            place: None,
        });
        entry.traffic.add(before);
        entry.connection = entry.connection.filter(|only| only == number);
        entry.address = address.or(entry.address);
        (entry.seen, entry.turn) = (now, turn);
        Some((name, entry))
    }

    fn make_room(&mut self) {
        if self.by_name.len() < CALLERS_MAX {
            return;
        }
        let mut counts: BTreeMap<Option<IpAddr>, usize> = BTreeMap::new();
        for entry in self.by_name.values() {
            *counts.entry(entry.address).or_default() += 1;
        }
        let crowded =
            counts.into_iter().max_by_key(|(_, count)| *count).map(|(address, _)| address);
        let there = self.by_name.iter().filter(|(_, entry)| Some(entry.address) == crowded);
        let oldest = there.min_by_key(|(_, entry)| entry.turn).map(|(name, _)| *name);
        if let Some(entry) = oldest.and_then(|name| self.by_name.remove(&name)) {
            self.forgotten.add(entry.traffic);
        }
    }
}

#[cfg(test)]
mod tests;
