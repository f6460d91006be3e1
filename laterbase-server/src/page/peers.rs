//! Who syncs with the server, and how far behind they are.

use maud::{Markup, html};

use super::text::{Text, count, moment, number};
use crate::callers::Surveyed;

/// From how many seconds on a clock is said to be wrong.
const CLOCK_TOLD: i64 = 5;
const CLOCK_BEHIND_TOLD: i64 = -CLOCK_TOLD;

/// Most that are listed, those that were seen last.
const PEERS_MAX: usize = 100;

pub(super) fn list(peers: &[Surveyed]) -> Markup {
    html! {
        section aria-labelledby="peers" {
            h2 #peers { "Who syncs with it" }
            @if peers.is_empty() {
                p.quiet { "Nobody has asked it to since it was started." }
            } @else {
                div.scroll tabindex="0" role="region" aria-labelledby="peers" {
                    table {
                        thead {
                            tr {
                                th scope="col" { "Replica" }
                                th scope="col" { "Called" }
                                th scope="col" { "Address" }
                                th scope="col" { "Seen last" }
                                th.number scope="col" { "Lacks" }
                                th scope="col" { "Behind" }
                                th scope="col" { "Clock" }
                            }
                        }
                        tbody {
                            @for peer in peers.iter().take(PEERS_MAX) { (row(peer)) }
                        }
                    }
                }
                @if let Some(more) = peers.len().checked_sub(PEERS_MAX).filter(|more| *more > 0) {
                    p.quiet { "And " (count(more as u64, "other")) "." }
                }
            }
        }
    }
}

fn row(peer: &Surveyed) -> Markup {
    html! {
        tr {
            th scope="row" {
                @match peer.replica {
                    Some(id) => code { (id) },
                    None => span.quiet { "not said" },
                }
            }
            td { @if let Some(called) = &peer.called { (Text(called)) } }
            td { @if let Some(address) = peer.address { (address) } }
            td { (moment(peer.seen)) }
            td.number { (lacks(peer)) }
            td { @if peer.lacks != Some(0) { (behind(peer.behind_seconds)) } }
            td { (clock(peer.clock_ahead)) }
        }
    }
}

/// How wrong a caller's clock is, next to this one's. A few seconds are the way of the request.
fn clock(ahead: Option<i64>) -> String {
    let length = |seconds: i64| behind(Some(seconds.unsigned_abs()));
    match ahead {
        None => String::new(),
        Some(ahead @ CLOCK_TOLD..) => format!("{} ahead", length(ahead)),
        Some(ahead @ ..=CLOCK_BEHIND_TOLD) => format!("{} behind", length(ahead)),
        Some(_) => "right".to_owned(),
    }
}

/// How many events; up to so many where not all of them were looked at.
fn lacks(peer: &Surveyed) -> String {
    match peer.lacks {
        None => "not known".to_owned(),
        Some(0) => "nothing".to_owned(),
        Some(lacks) if peer.lacks_at_most => format!("up to {}", number(lacks)),
        Some(lacks) => number(lacks),
    }
}

/// In the largest unit of which there is one.
fn behind(seconds: Option<u64>) -> String {
    const UNITS: [(u64, &str); 4] =
        [(86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];
    let Some(seconds) = seconds else { return String::new() };
    let (length, name) =
        UNITS.into_iter().find(|(length, _)| seconds >= *length).unwrap_or((1, "second"));
    count(seconds / length, name)
}

#[cfg(test)]
mod tests;
