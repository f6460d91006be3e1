//! Idempotency keys that are made of cells.

use laterbase_core::limits::NAME_BYTES_MAX;

/// The key of an event: of its id, its type and the texts of some cells, as a JSON array, so that
/// no two lists of texts have the same one. One that would be too long is a hash of that.
pub(crate) fn key_of<'t>(texts: impl Iterator<Item = &'t str>) -> String {
    let texts: Vec<&str> = texts.collect();
    let key = serde_json::to_string(&texts).expect("texts are JSON");
    if key.len() <= NAME_BYTES_MAX {
        return key;
    }
    format!("blake3:{}", blake3::hash(key.as_bytes()).to_hex())
}

#[cfg(test)]
mod tests;
