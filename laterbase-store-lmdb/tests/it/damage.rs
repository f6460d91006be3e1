//! Damage to LMDB's files.
//!
//! LMDB's pages have no checksums: `check_files` and `verify` find what a plain read may miss.
//!
//! Mutations that turn them red, each tried (with a case of the closed store): no checksum of log
//! entries (13) or of values (18), no order of keys in the page walk (378), as many pages in memory as the file claims
//! (20). Of counts in a tree that are not compared nothing comes but wrong sizes.

use std::ops::Range;
use std::path::Path;

use laterbase_core::store::Store;
use laterbase_core::verify::VerifyReport;
use laterbase_store_lmdb::{OpenError, Wreck, check_files};
use laterbase_testkit::damage::{Damageable, Harm};

use crate::conformance::LmdbHarness;

const PAGE_BYTES: usize = 4096;

impl Damageable for LmdbHarness {
    fn check_files(directory: &Path) -> Option<Result<VerifyReport, OpenError>> {
        Some(check_files(directory))
    }

    fn wreck(directory: &Path) -> Option<Box<dyn Store>> {
        Some(Box::new(Wreck::open(directory).ok()?))
    }

    fn regions(file: &str, bytes: &[u8]) -> Vec<(String, Range<usize>)> {
        if !file.ends_with("data.mdb") {
            return vec![(file.to_owned(), 0..bytes.len())];
        }
        let mut regions = Vec::new();
        let mut kind = "";
        let mut long = 0;
        for (page, header) in bytes.chunks(PAGE_BYTES).enumerate() {
            // The pages of a long value have no headers but the first.
            if long > 0 {
                long -= 1;
            } else {
                kind = match u16::from_le_bytes([header[10], header[11]]) {
                    1 => "branch",
                    2 => "leaf",
                    4 => "long value",
                    8 => "meta",
                    _ => "other",
                };
                if kind == "long value" {
                    long = u32::from_le_bytes(header[12..16].try_into().unwrap()) - 1;
                }
            }
            let start = page * PAGE_BYTES;
            let bounds = |at: usize| {
                usize::from(u16::from_le_bytes([header[at], header[at + 1]])).min(header.len())
            };
            let (head, body) = match kind {
                // Most of a meta page is never looked at.
                "meta" => (0..16, 16..152),
                // What lies between the places of the nodes and the nodes is free.
                "leaf" | "branch" => (0..bounds(12), bounds(14)..header.len()),
                _ => (0..16, 0..header.len()),
            };
            let kind = if kind == "leaf" { leaf_of(header) } else { kind };
            for (part, range) in [("head", head), ("", body)] {
                if !range.is_empty() {
                    let name = format!("{file} {kind} {part}");
                    regions.push((name.trim().to_owned(), start + range.start..start + range.end));
                }
            }
        }
        regions
    }

    /// Log entries and values have checksums, so what is read is right; what is out of sight is not
    /// missed in the derived tables, nor in those that nothing else in the store tells of. Nothing
    /// ends the process: what LMDB would believe is checked before it sees it.
    fn may_suffer(harm: Harm, region: &str) -> bool {
        match harm {
            Harm::Misled => {
                region.starts_with("derived/data.mdb") || region.contains("data.mdb leaf")
            }
            Harm::Killed => false,
        }
    }
}

laterbase_testkit::damage!(LmdbHarness);

/// Which table a leaf is of, by what the specimen has in there. Small ones would be hit by chance
/// only.
fn leaf_of(page: &[u8]) -> &'static str {
    let holds = |text: &[u8]| page.windows(text.len()).any(|window| window == text);
    let is_of = [
        ("leaf of tables", [b"runs\0\0".as_slice(), b"quarantine"]),
        ("leaf of tables", [b"keys", b"fold_index"]),
        ("leaf of meta", [b"replica", b"epoch"]),
        ("leaf of peers", [b"peer/", b"peer/"]),
        ("leaf of snapshots", [b"order\0\x01", b"[2"]),
    ];
    let found = is_of.into_iter().find(|(_, texts)| texts.iter().all(|text| holds(text)));
    found.map_or("leaf", |(name, _)| name)
}
