//! The side of a sync that answers. It remembers nothing of who asks.

use super::Place;
use super::message::{Answer, Arrivals, Heads, Question, Refusal, Wanted};
use crate::cursor::Cursor;
use crate::heads::HeadsPage;
use crate::id::{ReplicaId, RootName};
use crate::reader::{ReadError, Reader, Taken, WantedPage};
use crate::selection::RootSelection;
use crate::wants::Wants;

/// What answers questions of what a replica holds, and what it gives.
pub struct Answering<'r> {
    /// The replica's.
    pub reader: &'r Reader,
    /// Whether it gives a root's events away.
    pub gives: &'r dyn Fn(&RootName) -> bool,
}

impl std::fmt::Debug for Answering<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answering").field("reader", &self.reader).finish_non_exhaustive()
    }
}

/// What somebody lacks: all that arrived after a cursor, in the roots that they take, but for what
/// they wrote themselves.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Where they left off.
    pub cursor: Cursor,
    /// The furthest cursor of this log that they ever met. What they know of this side goes back to
    /// there, so the log must have come that far.
    pub seen: Option<Cursor>,
    /// The roots that they take.
    pub roots: RootSelection,
    /// Origins whose events they have.
    pub not_of: Vec<ReplicaId>,
}

/// What arrived after a cursor.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// A delta; nothing if nothing arrived.
    pub page: Option<Vec<u8>>,
    /// Behind the last event that was delivered or passed over.
    pub cursor: Cursor,
    /// Whether there is more behind the cursor.
    pub more: bool,
    /// How many events of the origins that were left out are held, if any were left out. If that is
    /// more than whoever asks does, they were set back.
    pub left_out: Option<u64>,
}

impl Answering<'_> {
    fn takes<'t>(&'t self, roots: &'t RootSelection) -> impl Fn(&RootName) -> bool + 't {
        move |root| roots.takes(root) && (self.gives)(root)
    }

    /// What is held, from behind a head on, with where the log ended before anybody looked: what
    /// arrives meanwhile is met again behind that.
    pub fn heads(
        &self,
        roots: &RootSelection,
        after: Option<&(RootName, ReplicaId)>,
        limit: usize,
    ) -> (Cursor, HeadsPage) {
        let end = self.reader.cursor();
        (end, self.reader.heads_page_of(&self.takes(roots), after, limit))
    }

    /// What arrived after a cursor, at most `limit` events and about `bytes_max` bytes; `None` if
    /// the cursor is not of this log, as it is now.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn arrivals(
        &self,
        asked: &Asked,
        limit: usize,
        bytes_max: usize,
    ) -> Result<Option<Arrived>, ReadError> {
        if let Some(seen) = &asked.seen
            && !self.reader.fits(seen)?
        {
            return Ok(None);
        }
        let (root, not_of) = (self.takes(&asked.roots), &asked.not_of[..]);
        let taken = Taken { root: &root, not_of, limit, bytes_max };
        let Some(page) = self.reader.arrivals_delta(&asked.cursor, &taken)? else {
            return Ok(None);
        };
        let is_empty = page.events == 0 && !page.more;
        Ok(Some(Arrived {
            page: (!is_empty).then_some(page.bytes),
            cursor: page.cursor,
            more: page.more,
            left_out: self.left_out(asked),
        }))
    }

    /// How many events of the origins that are left out are held, if any are left out.
    pub fn left_out(&self, asked: &Asked) -> Option<u64> {
        let count = || self.reader.held_count(&self.takes(&asked.roots), &asked.not_of);
        (!asked.not_of.is_empty()).then(count)
    }

    /// Events by origin and seq, at most `limit` and about `bytes_max` bytes of them. What is not
    /// given away is as if it were not held.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn wanted(
        &self,
        mut wants: Wants,
        limit: usize,
        bytes_max: usize,
    ) -> Result<WantedPage, ReadError> {
        wants.entries.retain(|want| (self.gives)(&want.root));
        self.reader.wanted_delta(&wants, limit, bytes_max)
    }

    /// Answers any question but a push, which is the writer's, with pages of about `bytes_max`
    /// bytes. One event is always delivered, if there is any.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn answer(
        &self,
        question: &Question,
        bytes_max: usize,
    ) -> Result<Result<Answer, Refusal>, ReadError> {
        let replica = self.reader.replica_id();
        Ok(match question {
            Question::Heads { roots, after, limit } => {
                let after = match after.as_deref().map(read_head) {
                    Some(None) => return Ok(Err(Refusal::Garbled)),
                    after => after.flatten(),
                };
                let (end, page) = self.heads(roots, after.as_ref(), *limit);
                let next = page.next.as_ref().map(|(root, origin)| head_text(root, *origin));
                Ok(Answer::Heads(Heads { replica, cursor: end.to_string(), page, next }))
            }
            Question::Arrivals { roots, cursor, not, seen, limit, .. } => {
                let seen = seen.as_ref().map(|seen| seen.parse()).transpose();
                let (Ok(cursor), Ok(seen)) = (cursor.parse(), seen) else {
                    return Ok(Err(Refusal::CursorGone));
                };
                let not_of = not.iter().copied().collect();
                let asked = Asked { cursor, seen, roots: roots.clone(), not_of };
                let Some(arrived) = self.arrivals(&asked, *limit, bytes_max)? else {
                    return Ok(Err(Refusal::CursorGone));
                };
                let has_moved = arrived.cursor != cursor;
                Ok(Answer::Arrivals(Arrivals {
                    replica,
                    cursor: has_moved.then(|| arrived.cursor.to_string()),
                    page: arrived.page.map(Into::into),
                    more: arrived.more,
                    left_out: arrived.left_out,
                }))
            }
            Question::Wanted { wants, limit } => {
                let page = self.wanted(wants.clone(), *limit, bytes_max)?;
                let more = !page.complete;
                Ok(Answer::Wanted(Wanted { replica, page: page.bytes.into(), more }))
            }
            Question::Push { .. } => Err(Refusal::Final),
        })
    }
}

/// What to ask the page of heads with that goes on behind an origin in a root.
pub fn head_text(root: &RootName, origin: ReplicaId) -> String {
    format!("{root}/{origin}")
}

/// Reads what [`head_text`] wrote.
pub fn read_head(text: &str) -> Option<(RootName, ReplicaId)> {
    let (root, origin) = text.split_once('/')?;
    let place: Place = (root.parse().ok()?, origin.parse().ok()?);
    Some(place)
}
