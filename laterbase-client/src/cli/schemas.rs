//! What the events of roots may say here: files with JSON Schemas, named by a flag or kept in the
//! store's folder.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use laterbase_client::device::DeviceOptions;
use laterbase_core::fold::{Fold, Folds, MergePatch};
use laterbase_core::id::RootName;
use laterbase_schema::RootSchemas;

use super::Common;
use super::settings::Settings;
use super::whole_file::write_whole;

/// The file of a root's schemas in a store's folder.
fn path_of(store: &Path, root: &str) -> PathBuf {
    store.join(format!("schema-{root}.json"))
}

impl Common {
    /// Reads the schemas that the store is set up for; those that are named now win over them.
    pub(super) fn read_schemas(&mut self) -> anyhow::Result<()> {
        let mut schemas = RootSchemas::default();
        for entry in &self.schema {
            let (root, path) = RootSchemas::split(entry)?;
            schemas.read(&root, path)?;
        }
        for name in Settings::read(&self.store)?.schemas {
            let root = RootName::new(&name).context("schemas")?;
            if schemas.roots().all(|named| named != root.as_str()) {
                schemas.read(&root, &path_of(&self.store, &name))?;
            }
        }
        self.schemas = schemas;
        Ok(())
    }

    /// Keeps the files that are named now in the store's folder, and gives the roots of all that
    /// are there then.
    pub(super) fn keep_schemas(&self, kept: &[String]) -> anyhow::Result<Vec<String>> {
        let mut roots = kept.to_vec();
        for entry in &self.schema {
            let (root, _) = RootSchemas::split(entry)?;
            // What was read once and is known to be good: a pipe gives it only once.
            let text = self.schemas.text(root.as_str()).expect("the file was read");
            write_whole(&path_of(&self.store, root.as_str()), |mut file| {
                file.write_all(text)?;
                Ok(file)
            })?;
            roots.push(root.to_string());
        }
        roots.sort_unstable();
        roots.dedup();
        Ok(roots)
    }

    /// The folds by which roots are read that nobody says anything else of.
    pub(super) fn folds(&self) -> Folds {
        self.folds_by(Arc::new(MergePatch))
    }

    /// One fold for every root, behind the root's schemas.
    pub(super) fn folds_by(&self, fold: Arc<dyn Fold>) -> Folds {
        let all = Folds::new().fallback(Arc::clone(&fold));
        self.schemas.roots().fold(all, |folds, root| {
            let fold = self.schemas.before(root, Arc::clone(&fold));
            folds.fold(root, fold).expect("the root is the name of one, and has no other fold")
        })
    }

    /// How a device is opened that nobody says anything else of.
    pub(super) fn options(&self) -> DeviceOptions {
        DeviceOptions { folds: self.folds(), ..DeviceOptions::default() }
    }
}
