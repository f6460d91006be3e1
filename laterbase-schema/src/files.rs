//! Files of schemas, and the roots that they are for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use laterbase_core::fold::Fold;
use laterbase_core::id::RootName;

use crate::checked::Checked;
use crate::events::{EventSchemas, SchemaError};

/// Schemas by root; a partition has those of its root.
#[derive(Clone, Debug, Default)]
pub struct RootSchemas(BTreeMap<String, File>);

/// A file that was read.
#[derive(Clone, Debug)]
struct File {
    text: Vec<u8>,
    schemas: Arc<EventSchemas>,
}

/// Why a file of schemas was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaFileError {
    /// It is not of the form `shipment=shipment.json`, or names a partition.
    #[error("{entry:?} is not a root's name, an equals sign and a file")]
    Entry {
        /// What was said.
        entry: String,
    },
    /// The root has a file already.
    #[error("the root {root} has two files of schemas")]
    Twice {
        /// The root.
        root: String,
    },
    /// The file cannot be read.
    #[error("cannot read {}", .path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file holds no schemas.
    #[error("{} holds no schemas of events", .path.display())]
    Schema {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        source: SchemaError,
    },
}

impl RootSchemas {
    /// Splits `shipment=shipment.json` into the root's name and the file.
    ///
    /// # Errors
    /// [`SchemaFileError::Entry`].
    pub fn split(entry: &str) -> Result<(RootName, &Path), SchemaFileError> {
        let split = entry.split_once('=').filter(|(_, file)| !file.is_empty());
        let named = split.and_then(|(root, file)| Some((RootName::new(root).ok()?, file)));
        named
            .filter(|(root, _)| root.kind() == root.as_str())
            .map(|(root, file)| (root, Path::new(file)))
            .ok_or_else(|| SchemaFileError::Entry { entry: entry.to_owned() })
    }

    /// Reads the file of a root.
    ///
    /// # Errors
    /// [`SchemaFileError`]; nothing has changed.
    pub fn read(&mut self, root: &RootName, path: &Path) -> Result<(), SchemaFileError> {
        if self.0.contains_key(root.as_str()) {
            return Err(SchemaFileError::Twice { root: root.to_string() });
        }
        let at = || path.to_owned();
        let text = fs::read(path).map_err(|source| SchemaFileError::Read { path: at(), source })?;
        let schemas = EventSchemas::parse(&text)
            .map_err(|source| SchemaFileError::Schema { path: at(), source })?;
        self.0.insert(root.to_string(), File { text, schemas: Arc::new(schemas) });
        Ok(())
    }

    /// The roots that have schemas.
    pub fn roots(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// What a root's file held when it was read.
    pub fn text(&self, root: &str) -> Option<&[u8]> {
        self.0.get(root).map(|file| &file.text[..])
    }

    /// The fold behind the schemas of a root; the fold itself where there are none.
    pub fn before(&self, root: &str, fold: Arc<dyn Fold>) -> Arc<dyn Fold> {
        match self.0.get(root) {
            Some(File { schemas, .. }) => Arc::new(Checked { fold, schemas: Arc::clone(schemas) }),
            None => fold,
        }
    }
}

#[cfg(test)]
mod tests;
