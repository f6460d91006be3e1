//! JSON data of every kind that writers may send, and of the kinds that they may not.
//!
//! Laws that fold only small whole numbers hold in any fold. So what is written in the laws, the
//! histories, the model, the simulator and the crashes has numbers that parsers round, every form
//! of escape, names that stand twice, texts that are long and values that are as deep as can be.

use std::fmt::Write as _;

use laterbase_core::limits::DATA_DEPTH_MAX;

/// Gives a number below a bound, which is 1 to 256.
pub(crate) type Below<'b> = dyn FnMut(u64) -> u64 + 'b;

/// Members meet each other under few names, of which two are one.
const NAMES: [&str; 6] = ["a", "b", "c", "\\u0061", "é\\/", "\\u0000"];

const WORDS: [&str; 10] = [
    "",
    "x",
    "Lagos",
    "é",
    "😀",
    "\\ud83d\\ude00",
    "\\u00e9",
    "\\\"\\\\\\/\\b\\f\\n\\r\\t",
    "\\u0000",
    "[{\\u007b",
];

/// Numbers that some parser rounds, or that some printer writes in another way.
const NUMBERS: [&str; 18] = [
    "0",
    "-0",
    "-0.0",
    "1.0",
    "1E2",
    "1e-400",
    "1e400",
    "0.1",
    "123456789.123456789",
    "8.009996726835691e-16",
    "117.63331139400017",
    "89490200001234567890",
    "18446744073709551615",
    "-9223372036854775808",
    "9007199254740993",
    "1.7976931348623157e308",
    "5e-324",
    "2.2250738585072011e-308",
];

/// JSON that can be read: a patch most of the time, and not much of it.
pub(crate) fn readable(below: &mut Below<'_>) -> String {
    readable_within(0, below)
}

/// The same, to be put into so many arrays or objects.
pub(crate) fn readable_within(nests: usize, below: &mut Below<'_>) -> String {
    let mut json = String::new();
    match below(32) {
        0 => value(&mut json, 0, below),
        1 => deep(&mut json, DATA_DEPTH_MAX - nests - usize::from(below(2) == 0), below),
        2 => long(&mut json, below),
        _ => object(&mut json, 3, below),
    }
    json
}

/// What is said to be JSON and no fold can read. It comes by sync only.
pub(crate) fn unreadable(below: &mut Below<'_>) -> String {
    let mut json = String::new();
    match below(4) {
        0 => deep(&mut json, DATA_DEPTH_MAX + 1, below),
        1 => json.push_str(r#"{"a":1,"b":"cut \ud83d"}"#),
        2 => json.push_str(r#"{"\uDE00":2}"#),
        _ => json.push_str(r#"{"a":3"#),
    }
    json
}

/// An object of a few members, which may themselves hold others.
fn object(json: &mut String, depth: u64, below: &mut Below<'_>) {
    json.push('{');
    for index in 0..below(4) {
        let comma = ["", ","][usize::from(index > 0)];
        let space = ["", " ", "\n\t"][pick(3, below)];
        let _ = write!(json, "{comma}{space}\"{}\":{space}", NAMES[pick(NAMES.len(), below)]);
        value(json, depth - 1, below);
    }
    json.push('}');
}

fn value(json: &mut String, depth: u64, below: &mut Below<'_>) {
    match below(if depth == 0 { 8 } else { 11 }) {
        0 => json.push_str("null"),
        1 => json.push_str(["true", "false"][pick(2, below)]),
        2 | 3 => {
            let _ = write!(json, "\"{}\"", WORDS[pick(WORDS.len(), below)]);
        }
        4..8 => number(json, below),
        8 => {
            json.push('[');
            value(json, depth - 1, below);
            json.push_str(", ");
            value(json, depth - 1, below);
            json.push(']');
        }
        _ => object(json, depth, below),
    }
}

fn number(json: &mut String, below: &mut Below<'_>) {
    match below(8) {
        0..3 => json.push_str(NUMBERS[pick(NUMBERS.len(), below)]),
        3..5 => {
            let bits = (0..8).fold(0, |bits, _| bits << 8 | below(256));
            let double = f64::from_bits(bits);
            let _ = if double.is_finite() { write!(json, "{double:e}") } else { write!(json, "7") };
        }
        5 => {
            // As sensors write: a few digits, and more than a double has.
            let _ = write!(json, "{}.", below(180));
            digits(json, 13 + below(8), below);
        }
        6 => {
            json.push('9');
            digits(json, 18 + below(4), below);
        }
        _ => {
            json.push_str(["1", "-2"][pick(2, below)]);
            digits(json, 60 * below(5), below);
        }
    }
}

fn digits(json: &mut String, count: u64, below: &mut Below<'_>) {
    for _ in 0..count {
        let _ = write!(json, "{}", below(10));
    }
}

/// Arrays and objects within each other, with a number within.
fn deep(json: &mut String, depth: usize, below: &mut Below<'_>) {
    let is_object = below(2) == 0;
    let [open, close] = if is_object { ["{\"a\":", "}"] } else { ["[", "]"] };
    json.push_str(&open.repeat(depth));
    number(json, below);
    json.push_str(&close.repeat(depth));
}

fn long(json: &mut String, below: &mut Below<'_>) {
    let word = WORDS[pick(WORDS.len(), below)];
    let count = pick(256, below) * 8;
    let _ = write!(json, "{{\"b\":\"{}\"}}", word.repeat(count));
}

fn pick(length: usize, below: &mut Below<'_>) -> usize {
    usize::try_from(below(length as u64)).expect("below a length")
}

#[cfg(test)]
mod tests;
