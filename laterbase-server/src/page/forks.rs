//! The forks on the first page: what is known of each, and what each decision would do.
//!
//! The script sends a decision to `POST /forks/{root}/{origin}`, as anybody else would.

use laterbase_core::reader::ForkDetail;
use maud::{Markup, html};

use super::Base;
use super::text::{count, segment};

/// A decision that can be made of a fork.
struct Choice {
    label: String,
    effect: String,
    /// The body of the request.
    body: String,
}

pub(super) fn list(base: &Base, forks: &[ForkDetail], fork_count: usize) -> Markup {
    html! {
        @if !forks.is_empty() {
            section aria-labelledby="forks" {
                h2 #forks { "Forks" }
                p {
                    "Of these origins there are two histories: a device was copied, or restored from \
                     a backup, and went on. Both are kept. No event is lost by a decision: those of \
                     the history that gives way move to another id."
                }
                @for detail in forks { (fork(base, detail)) }
                @if fork_count > forks.len() {
                    p.quiet { "And " (count((fork_count - forks.len()) as u64, "fork")) " more." }
                }
            }
        }
    }
}

fn fork(base: &Base, detail: &ForkDetail) -> Markup {
    let fork = &detail.fork;
    let path = format!("/forks/{}/{}", segment(fork.root.as_str()), fork.origin);
    html! {
        article.card {
            h3 { code { (fork.root) ":" (fork.origin) } }
            dl.facts {
                div {
                    dt { @if fork.is_located { "They part at" } @else { "They differ from" } }
                    dd { "seq " (fork.seq) }
                }
                div { dt { "Held here" } dd { (count(fork.ours, "event")) } }
                div { dt { "In quarantine" } dd { (count(fork.theirs, "event")) } }
            }
            @if !fork.is_located {
                p.quiet {
                    "Where they part is not known yet, so only the history held here can be kept; a \
                     sync with whoever holds the other one finds it."
                }
            }
            @for choice in choices(detail) {
                details.choice {
                    summary { (choice.label) }
                    p { (choice.effect) }
                    button type="button" data-post=(base.route(&path)) data-body=(choice.body) {
                        (choice.label)
                    }
                    p.outcome role="status" {}
                }
            }
        }
    }
}

fn choices(detail: &ForkDetail) -> Vec<Choice> {
    let fork = &detail.fork;
    let into: Vec<String> = detail.branches.iter().map(|branch| branch.into.to_string()).collect();
    let mut choices = vec![Choice {
        label: "Keep what is held here".to_owned(),
        effect: format!(
            "{} in quarantine are taken in under {}.",
            count(fork.theirs, "event"),
            into.join(", ")
        ),
        body: r#"{"keep":"ours"}"#.to_owned(),
    }];
    let Some(ours_into) = detail.ours_into.filter(|_| fork.is_located) else { return choices };
    let moved = |rest: &str| {
        let events = count(fork.ours, "event");
        format!("{events} held here move to {ours_into}, and {rest}.")
    };
    if let [_] = detail.branches[..] {
        choices.push(Choice {
            label: "Keep the other one".to_owned(),
            effect: moved("those in quarantine are taken in under the id"),
            body: r#"{"keep":"theirs"}"#.to_owned(),
        });
        return choices;
    }
    for branch in detail.branches.iter().filter(|branch| branch.first_seq == fork.seq) {
        let (events, into) = (count(branch.events, "event"), branch.into);
        choices.push(Choice {
            label: format!("Keep the one of {events} that would move to {into}"),
            effect: moved("that one is taken in under the id, others under ids of their own"),
            body: format!(r#"{{"keep":"theirs","branch":"{into}"}}"#),
        });
    }
    choices
}
