//! Damage to RocksDB's files.
//!
//! Mutations that turn them red, each tried (with a case): no look at what is there before the
//! database is opened (11 of the killed store); `verify` without snapshots (7 of the closed one), or
//! without quarantine.

use std::ops::Range;

use laterbase_testkit::damage::Damageable;

use crate::conformance::RocksHarness;

/// What ends a table file.
const FOOTER_BYTES: usize = 53;

/// About how much before that is index and properties, in files as small as these.
const INDEX_BYTES: usize = 1_500;

impl Damageable for RocksHarness {
    fn regions(file: &str, bytes: &[u8]) -> Vec<(String, Range<usize>)> {
        let (area, name) = file.split_once('/').unwrap_or(("", file));
        let length = bytes.len();
        let footer = length.saturating_sub(FOOTER_BYTES);
        let index = length.saturating_sub(INDEX_BYTES);
        match name.rsplit_once('.').map(|(_, kind)| kind) {
            Some("sst") => vec![
                (format!("{area} table data"), 0..index),
                (format!("{area} table index"), index..footer),
                (format!("{area} table footer"), footer..length),
            ],
            Some("log") => vec![(format!("{area} write-ahead log"), 0..length)],
            _ => {
                let kind = name.split('-').next().unwrap_or(name);
                vec![(format!("{area} {kind}"), 0..length)]
            }
        }
    }

    /// The end of the write-ahead log is where its first damaged entry is. That of a database's
    /// notes on its files is where they are cut.
    fn may_end_early(region: &str) -> bool {
        region.ends_with("write-ahead log") || region == "truth MANIFEST"
    }
}

laterbase_testkit::damage!(RocksHarness);
