//! The configuration file.

use std::fs;
use std::path::Path;

use anyhow::anyhow;
use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use toml::de::DeTable;

use super::faults::Faults;
use super::settings::{self, Settings};
use super::source::{Source, Sources};

/// What a file says, and in which lines. What is wrong with the form of it is added to the faults:
/// keys that there are not, and values of another type.
pub(crate) fn read(path: &Path, faults: &mut Faults) -> (toml::Table, Sources) {
    let (mut values, mut sources) = (toml::Table::new(), Sources::new());
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            let path = path.display();
            faults.0.push(format!("the configuration file {path} cannot be read: {error}"));
            return (values, sources);
        }
    };
    let at = |offset| Source::File { path: path.to_owned(), line: line_of(&text, offset) };
    let document = match DeTable::parse(&text) {
        Ok(document) => document.into_inner(),
        Err(error) => {
            let source = at(error.span().map_or(0, |span| span.start));
            faults.0.push(format!("{source}: this is no TOML: {}", error.message()));
            return (values, sources);
        }
    };
    let options = Settings::options();
    let known: Vec<&str> = options.iter().map(settings::key).collect();
    let mut entries: Vec<_> = document.into_iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    for (key, value) in entries {
        let source = at(key.span().start);
        let key = key.into_inner().into_owned();
        if !known.contains(&key.as_str()) {
            let nearest = nearest(&key, &known);
            faults.0.push(format!("{source}: there is no {key}; the nearest is {nearest}"));
            continue;
        }
        sources.insert(key.clone(), source);
        let value = toml::Value::deserialize(value.into_deserializer());
        match value.and_then(|value| typed(&key, value)) {
            Ok(value) => drop(values.insert(key, value)),
            Err(error) => faults.add(&sources, &key, &anyhow!("{}", error.message().trim_end())),
        }
    }
    (values, sources)
}

/// The value of a key, if it has the type of that.
fn typed(key: &str, value: toml::Value) -> Result<toml::Value, toml::de::Error> {
    let alone = toml::Table::from_iter([(key.to_owned(), value.clone())]);
    Settings::deserialize(alone).map(|_settings| value)
}

fn nearest<'k>(key: &str, known: &[&'k str]) -> &'k str {
    let likeness = |known: &str| strsim::normalized_damerau_levenshtein(key, known);
    let nearest = known.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    nearest.copied().unwrap_or_default()
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}
