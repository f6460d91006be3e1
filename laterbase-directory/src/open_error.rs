//! Why a store could not be opened.

use std::io;
use std::path::{Path, PathBuf};

use laterbase_core::store::StoreError;

/// Why a store could not be opened. The directory's data is as it was found in every case.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The directory belongs to another engine.
    #[error("{} is a store of the engine `{found}`, not of `{asked}`", path.display())]
    WrongEngine {
        /// The store's directory.
        path: PathBuf,
        /// The engine that the directory is stamped with.
        found: String,
        /// The engine that was to open it.
        asked: &'static str,
    },
    /// The store's engine was left out when this program was built.
    #[error(
        "{} is a store of the engine `{found}`, which this program was built without; build it \
         with that feature (`cargo build --features {found}`)",
        path.display()
    )]
    EngineMissing {
        /// The store's directory.
        path: PathBuf,
        /// The engine that the directory is stamped with.
        found: String,
    },
    /// Another version of Laterbase wrote the directory, in a format that this one does not read.
    #[error(
        "{} is written in format {found}, and this version knows format {supported}",
        path.display()
    )]
    OtherFormat {
        /// The store's directory.
        path: PathBuf,
        /// The format that the directory is stamped with.
        found: u32,
        /// The format that can be read.
        supported: u32,
    },
    /// The store is open already, in this process or in another.
    #[error("{} is open already, here or in another process", path.display())]
    Locked {
        /// The store's directory.
        path: PathBuf,
    },
    /// Others look at the store, and what was asked for replaces its files.
    #[error("{} is being read by another process", path.display())]
    BeingRead {
        /// The store's directory.
        path: PathBuf,
    },
    /// There is nothing to read: no store, or one that is just being made.
    #[error("there is no store at {}", path.display())]
    NoStore {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The path is that of something else than a directory.
    #[error("{} is not a directory", path.display())]
    NotADirectory {
        /// What was to be opened.
        path: PathBuf,
    },
    /// The directory holds files, but no stamp that says that they are a store.
    #[error("{} holds other files ({found}, …) and is not a store", path.display())]
    NotAStore {
        /// What was to be opened.
        path: PathBuf,
        /// One of the files.
        found: String,
    },
    /// The stamp cannot be understood.
    #[error("the stamp {} is damaged: {detail}", path.display())]
    Damaged {
        /// The stamp's path.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The file system refused.
    #[error("could not {action} {}", path.display())]
    Io {
        /// What was being done, as a verb phrase.
        action: &'static str,
        /// What it was done to.
        path: PathBuf,
        /// The system's own error.
        source: io::Error,
    },
    /// The engine could not open its files.
    #[error(transparent)]
    Engine(#[from] StoreError),
}

impl OpenError {
    /// Names what was being done to which file when the system refused.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}
