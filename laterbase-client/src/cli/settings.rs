//! What a store is set up for, in a small file in its folder.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use laterbase_client::client::ServerUrl;
use laterbase_core::id::RootName;
use laterbase_core::selection::RootSelection;
use laterbase_directory::close_to_others;
use serde::{Deserialize, Serialize};

use super::whole_file::write_whole;

/// The file's name in the store's folder.
const FILE_NAME: &str = "laterbase.toml";

/// The settings. What is not said is not set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// The server that is synced with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) server: Option<String>,
    /// The roots that are taken, as entries of a selection; all if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) roots: Vec<String>,
    /// What people call this store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// Who records here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) actor: Option<String>,
    /// The roots whose files of schemas are in the store's folder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) schemas: Vec<String>,
}

impl Settings {
    /// The settings of a store; none if it has no file of them.
    pub(crate) fn read(store: &Path) -> anyhow::Result<Self> {
        let path = store.join(FILE_NAME);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if is_absent(error.kind()) => return Ok(Self::default()),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        let read = toml::from_str::<Self>(&text).map_err(anyhow::Error::new);
        let checked = read.and_then(|settings| settings.check().map(|()| settings));
        checked.with_context(|| format!("{} is not as it should be", path.display()))
    }

    /// Puts the settings in the place of those that are there.
    pub(crate) fn write(&self, store: &Path) -> anyhow::Result<()> {
        let text = toml::to_string(self)?;
        write_whole(&store.join(FILE_NAME), |mut file| {
            file.write_all(text.as_bytes())?;
            Ok(file)
        })?;
        // As all files of a store.
        close_to_others(store)?;
        Ok(())
    }

    /// The server, if one is set.
    pub(crate) fn server(&self) -> anyhow::Result<Option<ServerUrl>> {
        Ok(self.server.as_deref().map(str::parse).transpose()?)
    }

    /// The roots that are taken.
    pub(crate) fn selection(&self) -> anyhow::Result<RootSelection> {
        Ok(RootSelection::from_entries(self.roots.iter().map(String::as_str))?)
    }

    /// The one root that is named, if it is one.
    pub(crate) fn only_root(&self) -> Option<RootName> {
        match &self.roots[..] {
            [root] => root.parse().ok(),
            _ => None,
        }
    }

    fn check(&self) -> anyhow::Result<()> {
        self.server().context("server")?;
        self.selection().context("roots")?;
        for (field, text) in [("name", &self.name), ("actor", &self.actor)] {
            if text
                .as_deref()
                .is_some_and(|text| text.is_empty() || text.contains(char::is_control))
            {
                bail!("{field}: it is empty, or more than a line of text");
            }
        }
        Ok(())
    }
}

/// Whether there is no such file, for want of the folder too.
const fn is_absent(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::NotADirectory)
}
