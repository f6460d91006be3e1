//! What a store looks like from outside, so that it need not be opened to see that nothing is new.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A store's files with their lengths, and when they were written.
pub(super) type Footprint = Vec<(PathBuf, u64, Option<SystemTime>)>;

/// What is there now; nothing of what cannot be looked at.
pub(super) fn footprint(store: &Path) -> Footprint {
    let mut files = Vec::new();
    let mut folders = vec![store.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        for entry in entries.filter_map(Result::ok) {
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => folders.push(entry.path()),
                Ok(metadata) => {
                    files.push((entry.path(), metadata.len(), metadata.modified().ok()));
                }
                // It is gone already.
                Err(_) => {}
            }
        }
    }
    files.sort_unstable();
    files
}
