//! Looking at how far callers are behind.

use std::net::IpAddr;

use laterbase_core::cursor::Cursor;
use laterbase_core::id::{ReplicaId, RootName};
use laterbase_core::reader::{Lag, ReadError, Reader};

use super::{Callers, NANOS_PER_SECOND, Name, Place, Traffic};
use crate::app::App;

/// Log entries that one survey looks at, over all callers. What it has seen of a caller it does not
/// look at again.
const LOOKS_MAX: u64 = 100_000;

/// The same for one caller.
const LOOKS_PER_CALLER_MAX: u64 = 20_000;

/// What has been found behind a caller's cursor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Looked {
    /// Up to where.
    to: Cursor,
    /// Events that the caller lacks.
    events: u64,
    /// When the first of them arrived.
    since: Option<i64>,
}

impl Looked {
    pub(super) const fn at(cursor: Cursor) -> Self {
        Self { to: cursor, events: 0, since: None }
    }
}

/// A caller, as those who watch the server see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Surveyed {
    pub replica: Option<ReplicaId>,
    /// What it is called, as it said itself.
    pub called: Option<String>,
    /// By how many seconds its clock was ahead of this one's when it last said what it shows.
    pub clock_ahead: Option<i64>,
    pub address: Option<IpAddr>,
    /// The order in which callers were met first.
    pub met: u64,
    /// When it was seen last, in nanoseconds since 1970 UTC.
    pub seen: i64,
    /// The roots that it takes, where it said so.
    pub roots: Option<Vec<String>>,
    /// How many events it lacks; `None` if that is not known.
    pub lacks: Option<u64>,
    /// Whether it may lack fewer: not all of them were looked at.
    pub lacks_at_most: bool,
    /// For how long it has lacked the first of them.
    pub behind_seconds: Option<u64>,
    /// How many of its own events this server holds.
    pub held: Option<u64>,
    pub traffic: Traffic,
}

impl Callers {
    /// Says of every caller how far it is behind, the one that was seen last first; and what went
    /// to and from those that are remembered no more. Looks into the store.
    pub(crate) fn survey(
        &self,
        app: &App,
        reader: &Reader,
    ) -> Result<(Vec<Surveyed>, Traffic), ReadError> {
        let (mut entries, forgotten) = self.entries();
        entries.sort_by_key(|(_, entry)| std::cmp::Reverse(entry.turn));
        let mut looks_left = LOOKS_MAX;
        let mut surveyed = Vec::new();
        for (name, entry) in entries {
            let replica = match name {
                Name::Replica(id) => Some(id),
                Name::Address(_) => None,
            };
            let mut seen = Surveyed {
                replica,
                called: entry.called,
                clock_ahead: entry.clock_ahead,
                address: entry.address,
                met: entry.met,
                seen: entry.seen,
                roots: None,
                lacks: None,
                lacks_at_most: false,
                behind_seconds: None,
                held: replica.map(|id| reader.held_count(&|root| app.syncs(root), &[id])),
                traffic: entry.traffic,
            };
            if let Some(mut place) = entry.place {
                seen.roots = place.selection.as_ref().map(|selection| selection.entries());
                if let Some(rest) = place.look(app, reader, replica, &mut looks_left)? {
                    seen.lacks = Some(place.looked.events + rest);
                    seen.lacks_at_most = rest > 0 || place.selection.is_none();
                    seen.behind_seconds = Some(place.behind_seconds(app.writer.now()));
                }
                self.keep(name, place);
            }
            surveyed.push(seen);
        }
        Ok((surveyed, forgotten))
    }
}

impl Place {
    /// Looks on from where the last look ended. Says how many log entries are left to be looked at;
    /// `None` if the cursor is not of the log any more.
    fn look(
        &mut self,
        app: &App,
        reader: &Reader,
        own: Option<ReplicaId>,
        looks_left: &mut u64,
    ) -> Result<Option<u64>, ReadError> {
        if self.looked.to == reader.cursor() {
            return Ok(Some(0));
        }
        let takes = |root: &RootName, origin: ReplicaId| {
            app.syncs(root)
                && own != Some(origin)
                && !self.not_of.contains(&origin)
                && self.selection.as_ref().is_none_or(|selection| selection.takes(root))
        };
        let looks = LOOKS_PER_CALLER_MAX.min(*looks_left);
        let Some(lag) = reader.lag(&self.looked.to, &takes, looks)? else { return Ok(None) };
        let Lag { events, since, looked_to, rest } = lag;
        *looks_left -= looks.min(looked_to.position() - self.looked.to.position());
        self.looked = Looked {
            to: looked_to,
            events: self.looked.events + events,
            since: self.looked.since.or(since),
        };
        Ok(Some(rest))
    }

    fn behind_seconds(&self, now: i64) -> u64 {
        let since = self.looked.since.unwrap_or(now);
        u64::try_from(now.saturating_sub(since) / NANOS_PER_SECOND).unwrap_or(0)
    }
}
