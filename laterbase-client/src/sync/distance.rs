//! How far a store and a server are behind each other, without syncing.

use std::collections::BTreeMap;

use laterbase_core::heads::{HeadEntry, HeadsPage};
use laterbase_core::id::RootName;
use laterbase_core::limits::HEADS_ENTRIES_MAX;
use laterbase_core::reader::Reader;
use laterbase_core::selection::RootSelection;
use laterbase_core::store::StoreError;

use super::blocking;
use super::handshake::HeadsHeard;
use super::lacking::{Excluded, Lacking};
use super::server_state::{Phase, ServerState};
use crate::client::{Client, ClientError, ServerUrl};
use crate::peers::Place;
use crate::transport::Transport;

/// Where a store stands with a server as far as it remembers: nobody is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// Events of the store that the server has not said that it holds, in the roots of the last
    /// sync.
    pub server_lacks: u64,
    /// Whether the last sync fetched everything that the server held by then. `false` where the
    /// two are still comparing what they hold, or are to compare it again.
    pub is_compared: bool,
}

/// How many events each side lacks of a root that the other side holds, by the origins' seqs.
/// Where an origin is forked, the two sides' events under one seq count as the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Distance {
    /// Events that the server holds and the store does not.
    pub here_lacks: u64,
    /// Events that the store holds and the server does not.
    pub server_lacks: u64,
}

/// What a store remembers of a server; `None` if it has never met it.
///
/// # Errors
/// [`StoreError`] if the store fails, or what it remembers makes no sense.
pub fn level(reader: &Reader, server: &ServerUrl) -> Result<Option<Level>, StoreError> {
    let Some(state) = ServerState::recall(reader, server)? else { return Ok(None) };
    let Some((peer, selection)) = state.replica().zip(state.selection()) else { return Ok(None) };
    let fits = state.fits(reader, &selection);
    let is_level = fits && state.level == reader.head();
    let server_lacks = if is_level {
        0
    } else {
        Lacking::find(reader, peer, &selection, &Excluded::default(), None)?.event_count
    };
    Ok(Some(Level { server_lacks, is_compared: fits && state.phase == Phase::Settled }))
}

/// Asks a server what it holds, and compares it with a store root by root. Roots in which neither
/// side lacks anything are listed too.
///
/// What the server holds comes in pages, which are halved until the way there lets them through.
/// Nothing is stored on either side.
///
/// # Errors
/// [`ClientError`] if the server is not to be had, or what it says makes no sense.
pub async fn distances<T: Transport>(
    reader: &Reader,
    client: &Client<T>,
    selection: &RootSelection,
) -> Result<BTreeMap<RootName, Distance>, ClientError> {
    let mut distances = BTreeMap::new();
    let (mut heard, mut limit) = (HeadsHeard::default(), HEADS_ENTRIES_MAX);
    let (mut start, mut after): (Option<Place>, Option<String>) = (None, None);
    loop {
        let heads = match client.heads(selection, after.as_deref(), limit).await {
            Err(error) if error.is_too_large() && limit > 1 => {
                limit /= 2;
                continue;
            }
            heads => heads?,
        };
        heard.take(start.as_ref(), &heads)?;
        blocking(|| compare(reader, selection, start.as_ref(), &heads.page, &mut distances));
        (start, after) = (heads.page.next, heads.next);
        if start.is_none() {
            return Ok(distances);
        }
    }
}

/// Compares a page of what a server holds with what is held here of the same places.
fn compare(
    reader: &Reader,
    selection: &RootSelection,
    start: Option<&Place>,
    page: &HeadsPage,
    distances: &mut BTreeMap<RootName, Distance>,
) {
    let ours = held_between(reader, selection, start, page.next.as_ref());
    let mut ours: BTreeMap<Place, u64> =
        ours.into_iter().map(|head| ((head.root, head.origin), head.seq)).collect();
    for theirs in &page.entries {
        let held = ours.remove(&(theirs.root.clone(), theirs.origin)).unwrap_or(0);
        let distance = distances.entry(theirs.root.clone()).or_default();
        distance.here_lacks += theirs.seq.saturating_sub(held);
        distance.server_lacks += held.saturating_sub(theirs.seq);
    }
    for ((root, _), held) in ours {
        distances.entry(root).or_default().server_lacks += held;
    }
}

/// What a store holds of the roots that are taken, behind one head and up to another.
pub(super) fn held_between(
    reader: &Reader,
    selection: &RootSelection,
    start: Option<&Place>,
    end: Option<&Place>,
) -> Vec<HeadEntry> {
    let mut held = Vec::new();
    let mut after = start.cloned();
    loop {
        let page = reader.heads_page(selection, after.as_ref(), HEADS_ENTRIES_MAX);
        let is_within =
            |head: &HeadEntry| end.is_none_or(|end| (&head.root, head.origin) <= (&end.0, end.1));
        let is_past = page.entries.last().is_some_and(|last| !is_within(last));
        held.extend(page.entries.into_iter().filter(is_within));
        after = page.next;
        if is_past || after.is_none() {
            return held;
        }
    }
}
