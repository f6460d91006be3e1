//! Numbers by what they are worth, whatever their size, without rounding.

use std::cmp::Ordering;

/// A number as JSON writes it, so that two are equal if they are worth the same.
///
/// Invariant: `digits` neither begins nor ends with a zero, and is empty for zero alone, which has
/// no sign and no exponent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    is_negative: bool,
    /// Where the point stands: this many digits behind the beginning of `digits`. Exponents that
    /// 64 bits do not hold count as the nearest ones that they do.
    point: i64,
    digits: String,
}

impl Decimal {
    /// Reads a number of JSON's grammar; nothing if it is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (is_negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, read_exponent(exponent)?),
            None => (rest, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (mantissa, None),
        };
        let is_number = are_digits(whole)
            && (whole == "0" || !whole.starts_with('0'))
            && fraction.is_none_or(are_digits);
        if !is_number {
            return None;
        }
        let digits = [whole, fraction.unwrap_or("")].concat();
        let significant = digits.trim_start_matches('0');
        let zeros = i64::try_from(digits.len() - significant.len()).unwrap_or(i64::MAX);
        let significant = significant.trim_end_matches('0');
        if significant.is_empty() {
            return Some(Self { is_negative: false, point: 0, digits: String::new() });
        }
        let whole = i64::try_from(whole.len()).unwrap_or(i64::MAX);
        let point = exponent.saturating_add(whole).saturating_sub(zeros);
        Some(Self { is_negative, point, digits: significant.to_owned() })
    }

    /// 1, 0 or -1.
    fn sign(&self) -> i8 {
        match (self.digits.is_empty(), self.is_negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        }
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let sizes = || (self.point, &self.digits).cmp(&(other.point, &other.digits));
        self.sign().cmp(&other.sign()).then_with(|| match self.is_negative {
            true => sizes().reverse(),
            false => sizes(),
        })
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn are_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn read_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !are_digits(digits) {
        return None;
    }
    let nearest = if text.starts_with('-') { i64::MIN } else { i64::MAX };
    Some(text.parse().unwrap_or(nearest))
}

#[cfg(test)]
mod tests;
