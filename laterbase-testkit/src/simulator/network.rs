//! A network that loses, doubles, delays, reorders, cuts and keeps apart.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use laterbase_core::sync::message::{Answer, Question, Refusal};

use super::dice::Dice;
use super::options::NetworkOptions;

/// What replicas say to each other. Who answers remembers nothing of who asked.
#[derive(Clone, Debug)]
pub(super) enum Message {
    Question {
        /// Which the answer has too.
        number: u64,
        question: Question,
        /// Whether a page's bytes were cut or turned on their way. The receiver must find out by
        /// itself.
        is_damaged: bool,
    },
    Answer {
        number: u64,
        answer: Result<Answer, Refusal>,
        is_damaged: bool,
    },
}

#[derive(Clone, Debug)]
pub(super) struct Envelope {
    pub from: usize,
    pub to: usize,
    pub message: Message,
}

#[derive(Debug, Default)]
pub(super) struct Network {
    /// When each message arrives, and its number.
    queue: BTreeMap<(i64, u64), Envelope>,
    /// How many messages were queued, also again.
    queued: u64,
    sent: u64,
    /// Messages that never arrived, or arrived cut.
    pub lost: u64,
    blocked: BTreeSet<(usize, usize)>,
    clogged: BTreeMap<(usize, usize), i64>,
}

impl Network {
    pub(super) const fn sent(&self) -> u64 {
        self.sent
    }

    /// Sends a message into a network with faults.
    pub(super) fn send(
        &mut self,
        mut envelope: Envelope,
        now: i64,
        options: &NetworkOptions,
        dice: &mut Dice,
    ) {
        self.sent += 1;
        if dice.chance(options.loss) {
            self.lost += 1;
            return;
        }
        if dice.chance(options.duplication) {
            self.put(envelope.clone(), now + dice.around(options.delay_nanos_max).abs());
        }
        if dice.chance(options.damage) {
            self.lost += u64::from(damage(&mut envelope.message, dice));
        }
        let clogged = self.clogged.get(&(envelope.from, envelope.to)).copied();
        let free = clogged.unwrap_or(now).max(now);
        self.put(envelope, free + dice.around(options.delay_nanos_max).abs());
    }

    /// Sends a message that arrives next after all others.
    pub(super) fn send_safely(&mut self, envelope: Envelope, now: i64) {
        self.sent += 1;
        self.put(envelope, now);
    }

    /// Puts a message back that cannot be taken before a time.
    pub(super) fn put(&mut self, envelope: Envelope, due: i64) {
        self.queued += 1;
        self.queue.insert((due, self.queued), envelope);
    }

    /// The next message that is due and whose link is open. Those on closed links are lost.
    pub(super) fn next_due(&mut self, now: i64) -> Option<Envelope> {
        while let Some(entry) = self.queue.first_entry() {
            if entry.key().0 > now {
                return None;
            }
            let envelope = entry.remove();
            if !self.blocked.contains(&(envelope.from, envelope.to)) {
                return Some(envelope);
            }
            self.lost += 1;
        }
        None
    }

    /// When the next message arrives.
    pub(super) fn next_time(&self) -> Option<i64> {
        self.queue.first_key_value().map(|((due, _), _)| *due)
    }

    /// Makes a link slow until a time.
    pub(super) fn clog(&mut self, from: usize, to: usize, until: i64) {
        self.clogged.insert((from, to), until);
    }

    /// Cuts links: every one between two sides, or only those that lead to the first.
    pub(super) fn partition(&mut self, side: &[bool], one_way: bool) {
        for (from, from_side) in side.iter().enumerate() {
            for (to, to_side) in side.iter().enumerate() {
                if from_side != to_side && (!one_way || *to_side) {
                    self.blocked.insert((from, to));
                }
            }
        }
    }

    /// Cuts a device off from all others, both ways.
    pub(super) fn isolate(&mut self, device: usize, devices: usize) {
        for other in (0..devices).filter(|other| *other != device) {
            self.blocked.insert((device, other));
            self.blocked.insert((other, device));
        }
    }

    /// Opens all links.
    pub(super) fn heal(&mut self) {
        self.blocked.clear();
        self.clogged.clear();
    }

    /// Forgets everything that is on its way, which is no fault.
    pub(super) fn end_conversations(&mut self) {
        self.queue.clear();
    }

    /// Loses everything that is on its way.
    pub(super) fn clear(&mut self) {
        self.lost += self.queue.len() as u64;
        self.queue.clear();
    }
}

/// Cuts a page short, or turns one bit of it. Says whether there was a page.
fn damage(message: &mut Message, dice: &mut Dice) -> bool {
    let (page, is_damaged): (&mut Bytes, _) = match message {
        Message::Question { question: Question::Push { page }, is_damaged, .. } => {
            (page, is_damaged)
        }
        Message::Answer { answer: Ok(Answer::Wanted(wanted)), is_damaged, .. } => {
            (&mut wanted.page, is_damaged)
        }
        Message::Answer { answer: Ok(Answer::Arrivals(arrivals)), is_damaged, .. } => {
            let Some(page) = &mut arrivals.page else { return false };
            (page, is_damaged)
        }
        _ => return false,
    };
    let mut bytes = page.to_vec();
    let index = dice.index(bytes.len());
    if dice.chance(500) {
        bytes.truncate(index);
    } else {
        bytes[index] ^= 1 << dice.below(8);
    }
    *page = bytes.into();
    *is_damaged = true;
    true
}
