//! What a sync is with: what its flags name, or what the store is set up for.

use std::cell::Cell;
use std::io::{self, IsTerminal as _};

use laterbase_client::client::Introduction;
use laterbase_client::client::{Client, ServerRoot, ServerUrl};
use laterbase_client::sync::SyncOptions;
use laterbase_client::transport::HttpTransport;
use laterbase_core::id::RootName;
use laterbase_core::printable::Printable;
use laterbase_core::reader::Reader;
use laterbase_core::selection::RootSelection;
use laterbase_core::version_vector::VersionVector;
use laterbase_directory::environment::wall_clock_nanos;
use tokio::runtime::Runtime;

use super::{Common, RootEntry, SyncArgs};
use crate::cli::output::{UsedWrongly, complain};
use crate::cli::settings::Settings;

/// Most roots of which it is said how much is taken.
const ROOTS_TOLD_MAX: usize = 20;

/// A server, and the roots that are synced with it.
pub(super) struct Destination {
    pub(super) server: ServerUrl,
    pub(super) roots: RootSelection,
    /// What the store is called.
    name: Option<String>,
    /// The roots that were named.
    named: Vec<String>,
    /// Whether it is to be remembered.
    is_new: Cell<bool>,
}

impl Destination {
    pub(super) fn choose(common: &Common, args: &SyncArgs) -> anyhow::Result<Self> {
        let settings = Settings::read(&common.store)?;
        let set = settings.server()?;
        let is_new = set.is_none();
        let server = args.server.clone().or(set);
        let server = server.ok_or(UsedWrongly("no server is known; name one with --server URL"))?;
        let roots = match &args.roots[..] {
            [] => settings.selection()?,
            named => RootSelection::from_entries(named.iter().map(RootEntry::as_str))?,
        };
        let named = if args.roots.is_empty() { Vec::new() } else { roots.entries() };
        Ok(Self { server, roots, name: settings.name, named, is_new: Cell::new(is_new) })
    }

    /// How it is synced with.
    pub(super) fn options(&self) -> SyncOptions {
        let who = Introduction { name: self.name.clone(), wall_clock: Some(wall_clock_nanos) };
        SyncOptions { roots: self.roots.clone(), who, ..SyncOptions::default() }
    }

    /// Tells whoever sits at a terminal what a first sync is about to take, where no root was named:
    /// it may be more than was meant. A server that does not say is not asked again.
    pub(super) fn announce(
        &self,
        runtime: &Runtime,
        client: &Client<HttpTransport>,
        reader: &Reader,
    ) {
        if !self.is_new.get() || !self.roots.is_all() || !io::stderr().is_terminal() {
            return;
        }
        let Ok(status) = runtime.block_on(client.status()) else { return };
        let lacking = |(name, root): (RootName, ServerRoot)| {
            let count = lacking(&root.vv, &reader.version_vector(&name));
            (Printable(name).to_string(), count)
        };
        let lacking = status.roots.into_iter().map(lacking).filter(|(_, count)| *count > 0);
        if let Some(announcement) = announcement(&lacking.collect::<Vec<_>>()) {
            complain(format_args!("{announcement}"));
        }
    }

    /// Remembers the server, once, if it is the first one, and the roots that were named if none were
    /// before. The store may have been set up in another way meanwhile, and that stays.
    pub(super) fn remember(&self, common: &Common) {
        if !self.is_new.take() {
            return;
        }
        if let Err(error) = self.set_up(common) {
            complain(format_args!("warning: the server is not remembered: {error:#}"));
        }
    }

    fn set_up(&self, common: &Common) -> anyhow::Result<()> {
        let mut settings = Settings::read(&common.store)?;
        if settings.server.is_some() {
            return Ok(());
        }
        settings.server = Some(self.server.to_string());
        if settings.roots.is_empty() {
            settings.roots.clone_from(&self.named);
        }
        settings.write(&common.store)
    }

    /// Roots that the server has and that are not taken, where roots were named. A server that
    /// does not say is not asked again.
    pub(super) fn others(&self, runtime: &Runtime, client: &Client<HttpTransport>) -> Vec<String> {
        if self.roots.is_all() {
            return Vec::new();
        }
        let Ok(status) = runtime.block_on(client.status()) else { return Vec::new() };
        let holds = status.roots.into_iter().filter(|(_, root)| root.events > 0);
        let others = holds.filter(|(name, _)| !self.roots.takes(name));
        others.map(|(name, _)| Printable(name).to_string()).collect()
    }
}

/// How many events of one version vector are not of another. A server may claim any number.
fn lacking(theirs: &VersionVector, ours: &VersionVector) -> u64 {
    let lacking = theirs.iter().map(|(origin, seq)| seq.saturating_sub(ours.get(&origin)));
    lacking.fold(0, u64::saturating_add)
}

/// What is taken of each root, and of all; `None` if nothing is.
fn announcement(lacking: &[(String, u64)]) -> Option<String> {
    if lacking.is_empty() {
        return None;
    }
    let total = lacking.iter().map(|(_, count)| *count).fold(0, u64::saturating_add);
    let roots = lacking.iter().take(ROOTS_TOLD_MAX);
    let mut told: Vec<String> = roots.map(|(name, count)| format!("{name} {count}")).collect();
    if lacking.len() > ROOTS_TOLD_MAX {
        told.push(format!("{} other roots", lacking.len() - ROOTS_TOLD_MAX));
    }
    let told = told.join(", ");
    let advice = "`laterbase init --root R` takes some roots only";
    Some(format!("takes {total} events of the server's: {told}; {advice}"))
}

#[cfg(test)]
mod tests;
