//! Whether each value that was said can be used, without opening or binding anything.

use anyhow::bail;
use laterbase_schema::RootSchemas;
use laterbase_server::{Builder, Server};

use super::building::{peer, with_root};
use super::faults::Faults;
use super::settings::Settings;
use super::source::Sources;
use crate::logging;

/// What was found so far.
struct Checks<'c> {
    sources: &'c Sources,
    faults: &'c mut Faults,
}

impl Checks<'_> {
    fn value<T>(&mut self, key: &str, checked: anyhow::Result<T>) {
        if let Err(error) = checked {
            self.faults.add(self.sources, key, &error);
        }
    }

    fn each<T>(
        &mut self,
        key: &str,
        entries: &[String],
        mut check: impl FnMut(&str) -> anyhow::Result<T>,
    ) {
        entries.iter().for_each(|entry| self.value(key, check(entry)));
    }
}

/// Adds everything that is wrong with the settings.
pub(super) fn check(settings: &Settings, sources: &Sources, faults: &mut Faults) {
    let mut checks = Checks { sources, faults };
    checks.value("listen", settings.address());
    checks.each("root", &settings.root, |text| {
        can_be(with_root(Server::builder(), text, &RootSchemas::default())?)
    });
    let mut schemas = RootSchemas::default();
    checks.each("schema", &settings.schema, |entry| settings.read_schema(entry, &mut schemas));
    checks.value(
        "store",
        settings.engine().and_then(|engine| can_be(Server::builder().data_in("", engine))),
    );
    checks.value("durability", settings.durability());
    checks.value("max-future", settings.future_nanos_max());
    checks.value("sync-roots", settings.sync_roots());
    checks.each("peer", &settings.peer, peer);
    checks.each("host", &settings.host, |host| can_be(Server::builder().host(host)));
    checks.each("allow-origin", &settings.allow_origin, |origin| {
        can_be(Server::builder().allow_origin(origin))
    });
    checks.value("log", logging::filter(settings.log.as_deref()));
    checks.value("log-format", logging::Format::of(settings.log_format.as_deref()));
    checks.value("max-store-size", settings.store_bytes_max());
    check_backups(settings, &mut checks);
    if settings.console == Some(true) && sources.contains_key("console") {
        checks.value("console", built_with(cfg!(feature = "console"), "console"));
    }
}

fn check_backups(settings: &Settings, checks: &mut Checks<'_>) {
    checks.value("backup-every", settings.backup_period());
    let said = [
        ("backup-dir", settings.backup_dir.is_some()),
        ("backup-every", settings.backup_every.is_some()),
        ("backup-keep", settings.backup_keep.is_some()),
    ];
    for (key, _) in said.into_iter().filter(|(_, is_said)| *is_said) {
        checks.value(key, built_with(cfg!(feature = "backups"), "backups"));
        if settings.backup_dir.is_none() {
            checks.value::<()>(key, Err(anyhow::anyhow!("it needs a folder, by --backup-dir")));
        }
    }
}

/// Whether a server could be built, as far as that can be said without building it.
fn can_be(server: Builder) -> anyhow::Result<()> {
    Ok(server.check().map(drop)?)
}

fn built_with(is_built: bool, feature: &str) -> anyhow::Result<()> {
    if !is_built {
        bail!("this program was built without the feature `{feature}`");
    }
    Ok(())
}
