//! Numbers as people read them.

use crate::results::Unit;

/// A whole number with commas.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number with about three digits: `1.23 M`, `45.6 k`, `789`.
pub(super) fn short(number: f64) -> String {
    scaled(number, &[(1e9, " G"), (1e6, " M"), (1e3, " k"), (1.0, "")])
}

/// A power of ten, without digits after the point: `1 k`.
pub(super) fn tick(number: f64) -> String {
    let text = short(number);
    let (digits, unit) = text.split_once(' ').unwrap_or((&text, ""));
    let whole = digits.split_once('.').map_or(digits, |(whole, _)| whole);
    format!("{whole} {unit}").trim_end().to_owned()
}

/// A figure with its unit.
pub(super) fn with_unit(value: u64, unit: Unit) -> String {
    let value = value as f64;
    match unit {
        Unit::Nanoseconds => {
            scaled(value, &[(1e9, " s"), (1e6, " ms"), (1e3, " µs"), (1.0, " ns")])
        }
        Unit::Bytes => scaled(value, &[(1e9, " GB"), (1e6, " MB"), (1e3, " kB"), (1.0, " B")]),
        Unit::Events | Unit::Times => short(value),
    }
}

/// A ratio as a percentage, or as a factor from ten on.
pub(super) fn ratio(ratio: Option<f64>) -> String {
    match ratio {
        None => String::new(),
        Some(ratio) if ratio >= 10.0 => format!("{ratio:.0} ×"),
        Some(ratio) => format!("{:.0} %", ratio * 100.0),
    }
}

fn scaled(number: f64, scales: &[(f64, &str)]) -> String {
    let last = scales[scales.len() - 1];
    // A number that would be rounded up to a thousand belongs to the next scale.
    let (scale, unit) = *scales.iter().find(|(scale, _)| number >= scale * 0.9995).unwrap_or(&last);
    let scaled = number / scale;
    let decimals = match scaled {
        _ if scale == last.0 && number.fract() == 0.0 => 0,
        ..9.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    format!("{scaled:.decimals$}{unit}")
}
