//! Every bound of the contract, in one place.

use crate::event::VOID_BYTES;

/// Longest root name, in bytes.
pub const ROOT_NAME_BYTES_MAX: usize = 100;

/// Longest aggregate id, event type or idempotency key, in bytes of UTF-8.
pub const NAME_BYTES_MAX: usize = 255;

/// Longest idempotency key of a whole request, in bytes: the keys of its events are made of it and
/// their numbers.
pub const REQUEST_KEY_BYTES_MAX: usize = NAME_BYTES_MAX - "#9999".len();
const _: () = assert!(BATCH_EVENTS_MAX <= 10_000);

/// Longest name of a fold, in bytes.
pub const FOLD_NAME_BYTES_MAX: usize = 64;

/// Most data one event may carry, in bytes.
pub const DATA_BYTES_MAX: usize = 1024 * 1024;

/// How deep arrays and objects may nest in JSON data that is written here.
pub const DATA_DEPTH_MAX: usize = 128;

/// How deep the JSON of a state may nest that a snapshot is kept of.
pub const STATE_DEPTH_MAX: usize = 2 * DATA_DEPTH_MAX;

/// Most bytes a record's extension field may carry.
pub const EXTENSION_BYTES_MAX: usize = 64 * 1024;

/// Most events in one request, one batch or one page.
pub const BATCH_EVENTS_MAX: usize = 10_000;

/// Most bytes in one request's body, one batch or one page.
pub const BATCH_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Events on a page when the caller does not say.
pub const PAGE_EVENTS_DEFAULT: usize = 1_000;

/// The highest seq an event may have: a half of what fits, so that adding to one never overflows.
pub const SEQ_MAX: u64 = u64::MAX / 2;

/// Most entries in a selection of roots.
pub const SELECTION_ENTRIES_MAX: usize = 1_000;

/// Most heads on one page.
pub const HEADS_ENTRIES_MAX: usize = 50_000;

/// Most bytes of a page of heads.
pub const HEADS_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Most stretches of events in one request list.
pub const WANTS_ENTRIES_MAX: usize = BATCH_EVENTS_MAX;

/// Most bytes of a request list.
pub const WANTS_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Most events of one fork that are kept in quarantine; the rest stays with the peer.
pub const QUARANTINE_EVENTS_MAX: u64 = 10_000;

/// Most bytes of one fork that are kept in quarantine.
pub const QUARANTINE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Most changes of a replica's own id that are remembered.
pub const RENEWALS_MAX: usize = 32;

/// Most roots that such a change is remembered with.
pub const RENEWAL_ROOTS_MAX: usize = 64;

/// Longest key that a storage backend must take, in bytes.
///
/// The longest the core writes is an idempotency key's: root number, escaped key, escaped
/// aggregate id and place in fold order.
pub const KEY_BYTES_MAX: usize = 1_280;

/// Longest value that a storage backend must take, in bytes.
pub const VALUE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Longest state of an aggregate, in bytes of JSON text, that can be allowed: a snapshot of it is
/// one value.
pub const STATE_BYTES_MAX: usize = VALUE_BYTES_MAX - 256 * 1024;

/// Longest state of an aggregate, in bytes of JSON text, by default.
pub const STATE_BYTES_MAX_DEFAULT: usize = 16 * 1024 * 1024;

/// Most entries of an event's metadata.
pub const METADATA_ENTRIES_MAX: usize = 32;

/// Longest name of an entry of an event's metadata, in bytes.
pub const METADATA_NAME_BYTES_MAX: usize = 64;

/// Longest value of an entry of an event's metadata, in bytes.
pub const METADATA_VALUE_BYTES_MAX: usize = 1024;

/// Events of an aggregate, beside those just written, that are hashed for the etag of an answer: a
/// write does not cost more the longer its aggregate is. Reads leave snapshots to go on from.
pub const ANSWER_ETAG_EVENTS_MAX: usize = 256;

/// Longest name by which a replica introduces itself to a server, in bytes.
pub const PEER_NAME_BYTES_MAX: usize = 64;

/// Most events that one event takes back.
pub const VOIDS_MAX: usize = 256;

/// Longest record, in bytes: the data and everything that stands before it.
pub const RECORD_BYTES_MAX: usize = DATA_BYTES_MAX
    + EXTENSION_BYTES_MAX
    + METADATA_ENTRIES_MAX * (METADATA_NAME_BYTES_MAX + METADATA_VALUE_BYTES_MAX + 3)
    + VOIDS_MAX * VOID_BYTES
    + 4 * NAME_BYTES_MAX;

/// How far into the future a local writer may place an event, in nanoseconds, by default.
pub const FUTURE_NANOS_MAX_DEFAULT: i64 = 60 * 1_000_000_000;

/// How far ahead of the local clock a merged stamp may move it, in nanoseconds, by default.
pub const DRIFT_NANOS_MAX_DEFAULT: i64 = 500 * 1_000_000;

/// Events that the in-memory front of the derived tables gathers before they are flushed.
pub const FRONT_EVENTS_FLUSH: usize = 32 * 1024;

/// Bytes of lately read aggregates that a replica keeps in memory, by default.
pub const HOT_BYTES_MAX_DEFAULT: usize = 16 * 1024 * 1024;

const ESCAPED_NAME_BYTES_MAX: usize = 2 * NAME_BYTES_MAX + 2;
const _: () = assert!(4 + 2 * ESCAPED_NAME_BYTES_MAX + 32 <= KEY_BYTES_MAX);
const _: () =
    assert!(4 + ESCAPED_NAME_BYTES_MAX + 2 * FOLD_NAME_BYTES_MAX + 2 + 4 + 32 <= KEY_BYTES_MAX);
const _: () = assert!(4 + ESCAPED_NAME_BYTES_MAX + VOID_BYTES + 32 <= KEY_BYTES_MAX);
const _: () = assert!(RECORD_BYTES_MAX + 256 <= VALUE_BYTES_MAX);
const _: () = assert!(STATE_BYTES_MAX_DEFAULT <= STATE_BYTES_MAX);
const _: () = assert!(RECORD_BYTES_MAX < BATCH_BYTES_MAX);
const _: () = assert!(PAGE_EVENTS_DEFAULT <= BATCH_EVENTS_MAX);
// Root's name, origin and two numbers; a head has one number less and a check more.
const _: () =
    assert!(64 + WANTS_ENTRIES_MAX * (1 + ROOT_NAME_BYTES_MAX + 16 + 18) < WANTS_BYTES_MAX);
const _: () =
    assert!(64 + HEADS_ENTRIES_MAX * (6 + ROOT_NAME_BYTES_MAX + 16 + 17) < HEADS_BYTES_MAX);
