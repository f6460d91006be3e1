//! What the server goes by, as a file that it would take.

use std::fmt::Write as _;

use super::Config;
use super::settings::{Settings, key, meaning_and_default};
use super::source::Source;

impl Config {
    /// Every value with where it comes from, as TOML.
    pub(crate) fn print(&self) -> String {
        let version = env!("CARGO_PKG_VERSION");
        let mut text = format!(
            "# What laterbase-server {version} goes by, and where each value comes from.\n"
        );
        for option in Settings::options() {
            let key = key(&option);
            // Writing to a text does not fail.
            let _ = match (self.values.get(key), meaning_and_default(&option).1) {
                (Some(value), _) => {
                    let source = self.sources.get(key).unwrap_or(&Source::Default);
                    writeln!(text, "{key} = {value}  # {source}")
                }
                (None, Some(default)) => writeln!(text, "# {key} is not set: {default}"),
                (None, None) => writeln!(text, "# {key} is not set"),
            };
        }
        text
    }
}
