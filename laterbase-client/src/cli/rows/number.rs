//! Which texts are numbers.

/// Most digits that every reader of JSON keeps, those with 64-bit floating point included.
const DIGITS_MAX: usize = 15;

/// Whether a cell's text becomes a number in JSON: written as JSON writes one, and so that every
/// reader gives back the same digits. So leading zeros, as of article numbers, the long numbers of
/// barcodes, and `1e5`, which may be a lot's name, stay text.
pub(crate) fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = match unsigned.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (unsigned, None),
    };
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let has_leading_zero = whole.len() > 1 && whole.starts_with('0');
    let is_minus_zero = text.starts_with('-') && !unsigned.bytes().any(|byte| byte > b'0');
    is_digits(whole)
        && fraction.is_none_or(is_digits)
        && !has_leading_zero
        && !is_minus_zero
        && whole.len() + fraction.map_or(0, str::len) <= DIGITS_MAX
}

#[cfg(test)]
mod tests;
