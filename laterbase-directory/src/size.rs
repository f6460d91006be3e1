//! Sizes as people write them.

/// Reads a number of bytes: digits, and `K`, `M`, `G` or `T` behind them for powers of 1,024, with
/// or without `iB` or `B`. At least one byte.
///
/// # Errors
/// [`SizeError`].
pub fn parse_size(text: &str) -> Result<u64, SizeError> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let power = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" | "B" => 0,
        "K" | "KB" | "KIB" => 1,
        "M" | "MB" | "MIB" => 2,
        "G" | "GB" | "GIB" => 3,
        "T" | "TB" | "TIB" => 4,
        _ => return Err(SizeError),
    };
    let number: u64 = digits.trim().parse().map_err(|_no_number| SizeError)?;
    number.checked_mul(1024_u64.pow(power)).filter(|bytes| *bytes > 0).ok_or(SizeError)
}

/// A text that is no size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a size is a number of bytes above zero, such as 500M or 20G")]
pub struct SizeError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_1024() {
        for (text, bytes) in [
            ("1", Ok(1)),
            ("512B", Ok(512)),
            ("2k", Ok(2048)),
            ("20 M", Ok(20 << 20)),
            ("3GiB", Ok(3 << 30)),
            ("1T", Ok(1 << 40)),
            ("0", Err(SizeError)),
            ("0G", Err(SizeError)),
            ("", Err(SizeError)),
            ("G", Err(SizeError)),
            ("1X", Err(SizeError)),
            ("-1", Err(SizeError)),
            ("99999999999T", Err(SizeError)),
        ] {
            assert_eq!(parse_size(text), bytes, "{text}");
        }
    }
}
