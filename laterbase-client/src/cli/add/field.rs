//! Data as arguments of a command line say it.

use std::collections::BTreeSet;
use std::str::FromStr;

use anyhow::bail;
use serde_json::value::RawValue;

use crate::cli::rows::number::is_number;

/// `NAME=VALUE`, or `NAME:=JSON`.
#[derive(Clone, Debug)]
pub(super) struct Field {
    name: String,
    /// JSON text.
    value: String,
}

impl FromStr for Field {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = "write NAME=VALUE, or NAME:=JSON";
        let (name, value) = text.split_once('=').ok_or(form)?;
        let (name, value) = match name.strip_suffix(':') {
            Some(name) => {
                let json: Box<RawValue> =
                    serde_json::from_str(value).map_err(|error| format!("no JSON: {error}"))?;
                (name, json.get().to_owned())
            }
            None if matches!(value, "true" | "false" | "null") || is_number(value) => {
                (name, value.to_owned())
            }
            None => (name, to_json(value)),
        };
        if name.is_empty() {
            return Err(form.to_owned());
        }
        Ok(Self { name: name.to_owned(), value })
    }
}

/// The object that fields make.
pub(super) fn object_of(fields: &[Field]) -> anyhow::Result<String> {
    let mut names = BTreeSet::new();
    let mut members = Vec::with_capacity(fields.len());
    for Field { name, value } in fields {
        if !names.insert(name) {
            bail!("{name:?} is said twice");
        }
        members.push(format!("{}:{value}", to_json(name)));
    }
    Ok(format!("{{{}}}", members.join(",")))
}

fn to_json(text: &str) -> String {
    serde_json::to_string(text).expect("texts are JSON")
}

#[cfg(test)]
mod tests;
