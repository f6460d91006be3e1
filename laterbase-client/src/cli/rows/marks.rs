//! What a file of rejected events adds to them, as columns or as fields. What is recorded from such
//! a file is recorded without them, so it can be put right and recorded as it is.

/// Where the event was in its file.
pub(crate) const ROW: &str = "rejected_row";

/// Why it was rejected.
pub(crate) const REASON: &str = "rejected_because";

/// What the cells of a spreadsheet's row were, a letter each: text does not tell a number from
/// a text of digits.
pub(crate) const KINDS: &str = "rejected_kinds";

/// A line that is no JSON object, as a text.
pub(crate) const TEXT: &str = "rejected_text";

/// Whether a column or field of this name is added.
pub(crate) fn is_mark(name: &str) -> bool {
    matches!(name, ROW | REASON | KINDS | TEXT)
}
