//! `laterbase init`: what a store is set up for.

use std::fmt;

use clap::Args;
use laterbase_client::client::ServerUrl;
use laterbase_core::selection::RootSelection;
use serde::Serialize;

use super::Common;
use super::output::Output;
use super::settings::Settings;
use super::sync::RootEntry;

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// The server that `laterbase sync` goes to.
    #[arg(long, value_name = "URL")]
    server: Option<ServerUrl>,
    /// A root that is synced with it: shipment, shipment@depot-7, or shipment@* for every partition
    /// of shipment. Those that are named take the place of those that were.
    #[arg(long = "root", value_name = "R")]
    roots: Vec<RootEntry>,
    /// Sync all roots that either side has, whichever were named before.
    #[arg(long, conflicts_with = "roots")]
    all_roots: bool,
    /// What people call this store, such as truck-7.
    #[arg(long, value_name = "NAME", value_parser = parse_line)]
    name: Option<String>,
    /// Who records here.
    #[arg(long, value_name = "A", value_parser = parse_line)]
    actor: Option<String>,
}

/// What is set now.
#[derive(Serialize)]
struct Summary {
    replica: String,
    #[serde(flatten)]
    settings: Settings,
}

pub(crate) fn run(common: &Common, args: InitArgs, output: &mut Output) -> anyhow::Result<()> {
    let mut settings = Settings::read(&common.store)?;
    let replica = match common.has_store()? {
        true => common.with_reader(|reader| Ok(reader.replica_id().to_string()))?,
        false => common.with_device(|made| Ok(made.id().to_string()))?,
    };
    let before = settings.clone();
    args.apply(&mut settings)?;
    settings.schemas = common.keep_schemas(&settings.schemas)?;
    if settings != before {
        settings.write(&common.store)?;
    }
    let summary = Summary { replica, settings };
    output.summary(&summary, &summary)
}

impl InitArgs {
    /// Sets what was named, and leaves the rest as it is.
    fn apply(self, settings: &mut Settings) -> anyhow::Result<()> {
        let Self { server, roots, all_roots, name, actor } = self;
        settings.server = server.map(|server| server.to_string()).or(settings.server.take());
        settings.name = name.or(settings.name.take());
        settings.actor = actor.or(settings.actor.take());
        if all_roots || !roots.is_empty() {
            let named = RootSelection::from_entries(roots.iter().map(RootEntry::as_str))?;
            settings.roots = named.entries();
        }
        Ok(())
    }
}

/// Reads a text of one line that says something.
fn parse_line(text: &str) -> Result<String, &'static str> {
    if text.trim().is_empty() || text.contains(char::is_control) {
        return Err("a line of text is expected");
    }
    Ok(text.to_owned())
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { server, roots, name, actor, schemas } = &self.settings;
        write!(f, "replica {}", self.replica)?;
        if let Some(name) = name {
            write!(f, ", called {name}")?;
        }
        if let Some(actor) = actor {
            write!(f, "\n{actor} records here")?;
        }
        match server {
            Some(server) => write!(f, "\nsyncs with {server}")?,
            None => write!(f, "\nno server is set")?,
        }
        match &roots[..] {
            [] => write!(f, ", all roots")?,
            roots => write!(f, ", the roots {}", roots.join(", "))?,
        }
        match &schemas[..] {
            [] => Ok(()),
            roots => write!(f, "\nJSON Schemas say what events of {} may be", roots.join(", ")),
        }
    }
}
