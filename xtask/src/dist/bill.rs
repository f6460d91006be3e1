//! The bill of materials: which packages are in the programs, by which licence, with the checksums
//! that they were fetched by. In the form of CycloneDX 1.5.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use serde_json::{Value, json};

use super::packages::{Name, Package, Packages};
use super::{VERSION, target::Target};
use crate::command;

/// The programs together; the packages of the workspace are components of it.
const WHOLE: &str = "laterbase";

pub(super) fn write(packages: &Packages, target: Target, out: &Path) -> Result<()> {
    let compiler = command::output(Command::new("rustc").arg("--version"))?;
    let bill = bill(packages, target, compiler.split(' ').nth(1).unwrap_or_default());
    let path = out.join(format!("laterbase-{VERSION}-{}.cdx.json", target.triple()));
    Ok(fs::write(path, format!("{bill:#}\n"))?)
}

/// The document. `rust` is the version of Rust, whose standard library is in every program.
pub(super) fn bill(packages: &Packages, target: Target, rust: &str) -> Value {
    let mut components: Vec<Value> =
        packages.0.iter().map(|(name, package)| component(name, package)).collect();
    components.push(standard_library(rust));
    let dependencies = packages.0.iter().map(|(name, package)| {
        let needs: Vec<String> = package.needs.iter().map(reference).collect();
        json!({ "ref": reference(name), "dependsOn": needs })
    });
    let ours = packages.0.keys().filter(|name| super::PACKAGES.contains(&name.name.as_str()));
    let ours: Vec<String> = ours.map(reference).collect();
    let whole = json!({ "ref": WHOLE, "dependsOn": ours });
    json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": WHOLE,
                "name": WHOLE,
                "version": VERSION,
                "licenses": [{ "expression": "MIT OR Apache-2.0" }],
                "properties": [{ "name": "laterbase:target", "value": target.triple() }],
            },
        },
        "components": components,
        "dependencies": std::iter::once(whole).chain(dependencies).collect::<Vec<_>>(),
    })
}

fn component(name: &Name, package: &Package) -> Value {
    let mut component = json!({
        "type": "library",
        "bom-ref": reference(name),
        "name": name.name,
        "version": name.version,
        "purl": reference(name),
    });
    if !package.licence.is_empty() {
        component["licenses"] = json!([{ "expression": package.licence }]);
    }
    if let Some(checksum) = &package.checksum {
        component["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]);
    }
    component
}

/// Comes with the compiler and not from the registry, and brings the C library.
fn standard_library(rust: &str) -> Value {
    json!({
        "type": "library",
        "bom-ref": "rust-std",
        "name": "std",
        "version": rust,
        "description": "The standard library of Rust, with musl, the C library",
        "licenses": [{ "expression": "(MIT OR Apache-2.0) AND MIT" }],
    })
}

fn reference(name: &Name) -> String {
    // A `+`, as in `1.5.7+zstd.1.5.7`, means something else there.
    format!("pkg:cargo/{}@{}", name.name, name.version.replace('+', "%2B"))
}
