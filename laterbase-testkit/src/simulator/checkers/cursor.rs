//! A remembered cursor leaves nothing behind it, and a peer's word is worth as much as the log
//! that it was given for.

use laterbase_core::cursor::Cursor;
use laterbase_core::id::ReplicaId;
use laterbase_core::sync::{acknowledged, contact};

use crate::simulator::ledger::Ledger;
use crate::simulator::node::Node;
use crate::simulator::outcome::{Verdict, ensure, no_reason};

/// Checks what a device remembers of another one, if that still fits the other one's log:
/// everything up to the cursor is held, and so is, by the other one, everything it gave its word
/// for.
pub(in crate::simulator) fn check(
    node: &Node,
    other: &Node,
    other_index: usize,
    ledger: &Ledger,
) -> Verdict {
    let (Some(reader), Some(log)) = (node.reader(), other.reader()) else { return Ok(()) };
    if node.disk.is_poisoned() || other.disk.is_poisoned() {
        return Ok(());
    }
    let contact = contact(&reader, &other_index.to_string());
    let contact = contact.map_err(|error| no_reason("cursor", "recalling a contact", &error))?;
    let Some(contact) = contact else { return Ok(()) };
    let cursor = |text: &str| {
        text.parse::<Cursor>().map_err(|error| no_reason("cursor", "reading a cursor", &error))
    };
    let at = cursor(&contact.cursor)?;
    let seen = contact.seen.as_deref().map_or(Ok(at), cursor)?;
    let fits = |cursor| {
        log.fits(cursor).map_err(|error| no_reason("cursor", "asking for a cursor", &error))
    };
    if !fits(&at)? || !fits(&seen)? {
        return Ok(());
    }
    let position = usize::try_from(at.position()).unwrap_or(usize::MAX);
    for arrival in other.memory.arrivals.iter().take(position) {
        let fact = ledger.fact(arrival.fact);
        let held = node.memory.seq(&fact.root, fact.dot.origin);
        // What is held back for a fork is had again by another generation. What was one's own is left
        // out of pages, and a device that was set back may have lost it.
        let origin = fact.dot.origin;
        let is_lost = ledger.is_doubted(origin) && node.memory.own_ids.contains(&origin);
        let is_in_doubt = is_lost || node.memory.fork(&fact.root, origin).is_some();
        let is_held = fact.dot.seq <= held || is_in_doubt;
        ensure(is_held, "a cursor leaves nothing behind it", || {
            format!("{} of {} lies before {contact:?}", fact.dot, fact.root)
        })?;
    }
    check_words(node, other, other_index, contact.replica, ledger)
}

/// Checks that another device holds all that it is remembered to have given its word for.
pub(in crate::simulator) fn check_words(
    node: &Node,
    other: &Node,
    other_index: usize,
    peer: ReplicaId,
    ledger: &Ledger,
) -> Verdict {
    let Some(reader) = node.reader() else { return Ok(()) };
    for root in node.memory.roots() {
        let word = acknowledged(&reader, peer, &root);
        let word = word.map_err(|error| no_reason("cursor", "recalling a word", &error))?;
        for (origin, seq) in word.iter() {
            let held = other.memory.seq(&root, origin);
            ensure(seq <= held || ledger.is_doubted(origin), "a word that fits is true", || {
                format!("{other_index} is said to hold {origin} of {root} to {seq}, not {held}")
            })?;
        }
    }
    Ok(())
}
