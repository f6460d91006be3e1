//! Readers of other processes that were killed.
//!
//! Each process that reads has a place in LMDB's lock file, and no page that it may see is used
//! again. One that was killed leaves its place taken, and the files would grow for ever.

use std::sync::atomic::{AtomicU32, Ordering};

use heed::{Env, WithoutTls};

/// Commits between two looks. A look costs a system call for each reader of another process.
const COMMITS: u32 = 256;

/// Counts commits until it is time to look.
#[derive(Debug, Default)]
pub(crate) struct DeadReaders(AtomicU32);

impl DeadReaders {
    /// Takes note of a commit, and now and then frees the places of the dead.
    pub(crate) fn after_commit<'e>(&self, envs: impl IntoIterator<Item = &'e Env<WithoutTls>>) {
        if self.0.fetch_add(1, Ordering::Relaxed) % COMMITS == COMMITS - 1 {
            for env in envs {
                // Nothing depends on it now; the next look tries again.
                let _left_taken = env.clear_stale_readers();
            }
        }
    }
}
